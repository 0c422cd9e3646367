"""Two tokenizers that give other tokens have other identities, whatever makes them differ.

What may differ is found by changing every value of the files, not by a list of settings.
"""

from __future__ import annotations

import copy
import json
import shutil

import pytest
from transformers import (
    AutoTokenizer,
    BertTokenizerFast,
    ByT5Tokenizer,
    GPT2Tokenizer,
    PreTrainedTokenizerFast,
)

from progsearch.tasks.tokenizer_identity import tokenizer_identity

CONFIG, STATE = "tokenizer_config.json", "tokenizer.json"
WORDS = [
    "good",
    "bad",
    "film",
    "a",
    "##s",
    "cafe",
    "café",
    "Good",
    "日",
    "日本",
    "first",
    "second",
]
# Options of transformers' classes that need not be saved; each is tried with all `SIMPLE`.
OPTIONS = [
    "add_bos_token",
    "add_eos_token",
    "add_prefix_space",
    "do_lower_case",
    "model_input_names",
    "model_max_length",
    "padding_side",
    "split_special_tokens",
    "strip_accents",
    "tokenize_chinese_chars",
    "truncation_side",
]
SIMPLE = [True, False, 7, "left", "right", "[MASK]", ["input_ids"]]
# Texts that differ from the probe's.
TEXTS = [
    ("good film",),
    ("Good CAFÉ café",),
    ("bads films\u0000",),
    ("日本 日",),
    ("  a  bad\tfilm ",),
    ("first second " * 9,),
    ("bad [SEP] film<|endoftext|>",),
    ("good", "first second bad a film good bad"),
    ("first " * 9, "a"),
]


def bert(folder):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    vocabulary = {word: index for index, word in enumerate(words)}
    BertTokenizerFast(vocab=vocabulary, model_max_length=64).save_pretrained(folder)


def gpt2(folder):
    letters = [*"abcdefghijklmnopqrstuvwxyzG", "Ġ", "Ã", "©"]
    merges = [("g", "o"), ("o", "d"), ("Ġ", "b"), ("Ġb", "a")]
    words = ["<|endoftext|>", *letters, *("".join(pair) for pair in merges)]
    vocabulary = {word: index for index, word in enumerate(words)}
    GPT2Tokenizer(vocab=vocabulary, merges=merges, pad_token="<|endoftext|>").save_pretrained(
        folder
    )


def byt5(folder):
    ByT5Tokenizer().save_pretrained(folder)


def plain(folder):
    """A tokenizer of no model class: `STATE` defines all that it does."""
    bert(folder)
    tokenizer = BertTokenizerFast.from_pretrained(folder)
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer,
        **{name: getattr(tokenizer, name) for name in names},
    ).save_pretrained(folder)


KINDS = {"bert": bert, "plain": plain, "gpt2": gpt2, "byt5": byt5}


def variants(value):
    """Other values of the same kind."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, max(1, value // 2), 7]
    if isinstance(value, str):
        return [{"left": "right", "right": "left"}.get(value, "bad")]
    return [None] if value else SIMPLE


def changes(data, path=()):
    """Every change of one value, as a path of keys and the new value."""
    if isinstance(data, (dict, list)) and path:
        yield path, None
        yield path, type(data)()
    # Only the ends of long lists and vocabularies.
    places = list(data) if isinstance(data, dict) else list(range(len(data)))
    for key in places if len(places) < 24 else [places[0], places[5], places[-1]]:
        if isinstance(data[key], (dict, list)) and data[key]:
            yield from changes(data[key], (*path, key))
        else:
            yield from (((*path, key), value) for value in variants(data[key]))


def changed(data, path, value):
    data = copy.deepcopy(data)
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return data


def copies(folder):
    """Copies of a tokenizer with one changed value each, and what was changed."""
    for name in (CONFIG, STATE):
        if not (folder / name).is_file():
            continue
        data = json.loads((folder / name).read_text())
        new = [((key,), value) for key in OPTIONS for value in SIMPLE] if name == CONFIG else []
        for path, value in [*changes(data), *new]:
            target = folder.parent / "changed"
            shutil.copytree(folder, target, dirs_exist_ok=True)
            (target / name).write_text(json.dumps(changed(data, path, value)))
            yield (name, *path), target


def loaded(folder):
    """The tokenizer and what it gives; None if it cannot be loaded or used."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        given = []
        for texts in TEXTS:
            short = {"truncation": True, "max_length": min(6, tokenizer.model_max_length)}
            given.append(dict(tokenizer(*texts, **short)))
            given.append(dict(tokenizer(*texts, padding="max_length", max_length=40)))
    # A damaged file may raise any error.
    except BaseException:
        return None
    return tokenizer, given


@pytest.mark.parametrize(
    ("kind", "decisive"),
    [
        (
            "bert",
            {
                (CONFIG, "truncation_side"),
                (CONFIG, "padding_side"),
                (CONFIG, "do_lower_case"),
                (CONFIG, "model_max_length"),
                (CONFIG, "model_input_names"),
                (STATE, "model"),
                (STATE, "added_tokens"),
            },
        ),
        ("gpt2", {(CONFIG, "truncation_side"), (CONFIG, "add_prefix_space"), (STATE, "model")}),
        (
            "plain",
            {
                (CONFIG, "truncation_side"),
                (STATE, "normalizer"),
                (STATE, "pre_tokenizer"),
                (STATE, "post_processor"),
                (STATE, "added_tokens"),
            },
        ),
        ("byt5", {(CONFIG, "truncation_side")}),
    ],
)
def test_every_change_of_a_file_that_changes_tokens_changes_the_identity(kind, decisive, tmp_path):
    folder = tmp_path / "original"
    KINDS[kind](folder)
    tokenizer, original = loaded(folder)
    identity = tokenizer_identity(tokenizer)
    seen, missed = set(), []
    for path, copied in copies(folder):
        found = loaded(copied)
        if found is None or found[1] == original:
            continue
        seen.add(path[:2])
        if tokenizer_identity(found[0]) == identity:
            missed.append(path)
    assert not missed
    assert decisive <= seen, decisive - seen


def set_normalizer(tokenizer):
    from tokenizers.normalizers import Lowercase, Sequence, Strip

    tokenizer.backend_tokenizer.normalizer = Sequence([Lowercase(), Strip()])


def set_post_processor(tokenizer):
    from tokenizers.processors import TemplateProcessing

    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="$A [SEP]", pair="$A [SEP] $B:1", special_tokens=[("[SEP]", 3)]
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda t: setattr(t, "truncation_side", "left"),
        lambda t: setattr(t, "padding_side", "left"),
        lambda t: setattr(t, "model_max_length", 16),
        lambda t: setattr(t, "model_input_names", ["input_ids"]),
        lambda t: setattr(t, "pad_token", "[MASK]"),
        lambda t: t.add_tokens(["qzx"]),
        lambda t: t.add_special_tokens({"extra_special_tokens": ["<new>"]}),
        set_normalizer,
        set_post_processor,
    ],
)
def test_a_change_in_memory_changes_it_too(change, tmp_path):
    bert(tmp_path / "one")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "one")
    before = tokenizer_identity(tokenizer)
    change(tokenizer)
    assert tokenizer_identity(tokenizer) != before


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_equal_copies_are_one_wherever_they_lie(kind, tmp_path):
    KINDS[kind](tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    config = json.loads((tmp_path / "two" / CONFIG).read_text())
    origin = {"name_or_path": "elsewhere", "transformers_version": "4.0", "is_local": False}
    (tmp_path / "two" / CONFIG).write_text(json.dumps(config | origin))
    one, two = (AutoTokenizer.from_pretrained(tmp_path / name) for name in ("one", "two"))
    assert tokenizer_identity(one) == tokenizer_identity(two)


def test_a_disk_without_room_or_a_class_that_cannot_save_is_no_obstacle(tmp_path, monkeypatch):
    bert(tmp_path / "one")
    found = set()
    for error in (OSError, NotImplementedError):
        for side in ("left", "right"):
            tokenizer = AutoTokenizer.from_pretrained(tmp_path / "one", truncation_side=side)
            tokenizer("good film a", truncation=True, max_length=3)
            monkeypatch.setattr(tokenizer, "save_pretrained", fails_with(error))
            found.add(tokenizer_identity(tokenizer))
    assert len(found) == 2


def fails_with(error):
    def fail(folder):
        raise error

    return fail


def test_the_last_call_leaves_no_trace(tmp_path):
    bert(tmp_path / "one")
    used, fresh = (AutoTokenizer.from_pretrained(tmp_path / "one") for _ in range(2))
    used("good film a", truncation=True, max_length=3, padding="max_length")
    assert tokenizer_identity(used) == tokenizer_identity(fresh)
