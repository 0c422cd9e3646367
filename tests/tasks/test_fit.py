"""Data that does not fit the model is cut with a warning, or refused with both sizes."""

from __future__ import annotations

import json
import logging
import shutil

import numpy as np
import pytest
import tokenizers
import transformers

from progsearch.config import TaskConfig
from progsearch.errors import TaskError
from progsearch.models.head import Head
from progsearch.models.loading import load_model
from progsearch.models.room import Room
from progsearch.tasks import load_task_for
from progsearch.tasks.fit import check_known, fitted
from progsearch.tasks.split import Split
from tests.support.tiny import save_tiny

WORDS = ["good", "bad", "film", "plot", "cast"]


@pytest.fixture(autouse=True)
def _warnings_alone(caplog):
    """Which columns are read is logged, too, and is not what these tests are about."""
    caplog.set_level(logging.WARNING, "progsearch")


@pytest.fixture
def write(tmp_path):
    """Writes a task; each row is texts and a label."""

    def write(columns="text,label", max_length=128, **splits):
        paths = {}
        for name, rows in splits.items():
            path = tmp_path / f"{name}.csv"
            path.write_text("\n".join([columns, *(",".join(row) for row in rows)]) + "\n")
            paths[f"{name}_file"] = str(path)
        return TaskConfig(name="own", max_length=max_length, **paths)

    return write


SHORT = [("good film", "good"), ("bad plot", "bad")] * 4
PAIRS = [("good film", "bad cast", "good"), ("bad", "plot", "bad")] * 4


def long(length):
    """Rows whose longest has n tokens, including [CLS] and [SEP]."""
    return [*SHORT, (" ".join(["good"] * (length - 2)), "good")]


def model_of(folder, architecture="bert", tokenizer=None, words=WORDS, **overrides):
    save_tiny(folder, words, architecture, **overrides)
    # Without a head, like pre-trained models: a trained head would cause a remark.
    whole = transformers.AutoModelForSequenceClassification.from_pretrained(folder)
    whole.base_model.save_pretrained(folder)
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
    return str(folder)


def trains(ref, task):
    """Run all rows through the model in batches, forward and backward."""
    model = load_model(ref, Head(2), pad_token_id=0)
    for split in task.splits():
        model(**split.batch(np.arange(len(split)))).loss.backward()


# -- positions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("architecture", "overrides", "positions"),
    [("bert", {}, 64), ("roberta", {"pad_token_id": 1}, 62), ("gpt2", {}, 64), ("opt", {}, 64)],
)
@pytest.mark.parametrize("where", ["train", "validation", "test"])
def test_what_is_longer_than_the_model_reads_is_cut_in_every_split(
    where, architecture, overrides, positions, tmp_path, write, caplog
):
    model = model_of(tmp_path / "model", architecture, **overrides)
    rows = {"train": SHORT, "validation": SHORT, "test": SHORT} | {where: long(100)}
    task = load_task_for(model, write(**rows))
    assert max(int(split.lengths.max()) for split in task.splits()) == positions
    assert caplog.messages == [
        f"the longest example has 100 tokens and the model has {positions} positions: examples "
        f"are cut to {positions} tokens"
    ]
    trains(model, task)


def test_what_a_model_without_a_table_does_not_run_on_is_cut(tmp_path, write, caplog):
    """MPT's attention biases are made for the number of tokens in its config."""
    folder = save_tiny(tmp_path / "model", WORDS)
    config = transformers.MptConfig(
        d_model=32, n_heads=2, n_layers=2, max_seq_len=64, vocab_size=64, expansion_ratio=2
    )
    transformers.MptModel(config).save_pretrained(folder)
    task = load_task_for(str(folder), write(train=SHORT, validation=long(100)))
    assert (task.max_length, int(task.validation.lengths.max())) == (64, 64)
    assert caplog.messages == [
        "the longest example has 100 tokens and the model has 64 positions: examples are cut to "
        "64 tokens"
    ]
    trains(str(folder), task)


@pytest.mark.parametrize(("architecture", "most"), [("bert", 64), ("roberta", 63)])
def test_what_fits_exactly_is_left(architecture, most, tmp_path, write, caplog):
    model = model_of(tmp_path / "model", architecture)
    task = load_task_for(model, write(train=long(most), validation=SHORT))
    assert int(task.train.lengths.max()) == most
    assert not caplog.messages
    trains(model, task)


def test_the_length_that_the_user_gives_may_cut_more(tmp_path, write, caplog):
    model = model_of(tmp_path / "model")
    task = load_task_for(model, write(train=long(100), validation=SHORT, max_length=16))
    assert int(task.train.lengths.max()) == 16
    assert not caplog.messages


@pytest.mark.parametrize("architecture", ["deberta-v2", "llama", "modernbert"])
def test_positions_without_a_table_are_no_limit_and_it_is_said(
    architecture, tmp_path, write, caplog
):
    model = model_of(tmp_path / "model", architecture)
    task = load_task_for(model, write(train=long(100), validation=SHORT))
    assert int(task.train.lengths.max()) == 100
    assert caplog.messages == [
        "the longest example has 100 tokens; the model accepts them, but was made for 64, as its "
        "config says"
    ]
    trains(model, task)


def test_a_row_that_its_type_does_not_cut_is_refused():
    rows = Split(np.full(70, 5), np.array([70]), {"labels": np.array([0])})
    room = Room(tokens=64, positions=64, usual_positions=None, token_types=None)
    with pytest.raises(TaskError, match="own has a row of 70 tokens and the model 64 positions"):
        fitted("own", {"train": rows}, transformers.ByT5Tokenizer(), room)


# -- tokens --------------------------------------------------------------------------------------


def test_a_vocabulary_larger_than_the_table(tmp_path, write):
    words = [f"w{i}" for i in range(70)]
    model = model_of(tmp_path / "model", words=words)
    rows = [(f"{words[0]} {words[-1]}", "a"), (words[1], "b")] * 4
    with pytest.raises(TaskError, match=r"ids up to 74 \('w69'\) and the model has 64 token emb"):
        load_task_for(model, write(train=rows, validation=rows))
    # It does no harm if the data does not use it.
    rows = [(words[0], "a"), (words[1], "b")] * 4
    trains(model, load_task_for(model, write(train=rows, validation=rows)))


def test_a_padding_token_that_was_added_without_a_row(tmp_path, write):
    vocabulary = {word: index for index, word in enumerate(["[UNK]", "[CLS]", "[SEP]", *WORDS])}
    vocabulary |= {f"w{i}": i for i in range(len(vocabulary), 64)}
    backend = transformers.BertTokenizerFast(vocab=vocabulary).backend_tokenizer
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    tokenizer.add_special_tokens({"pad_token": "<new pad>"})
    assert tokenizer.pad_token_id >= 64
    model = model_of(tmp_path / "model", "llama", tokenizer)
    with pytest.raises(TaskError, match=r"padding token '<new pad>' has the id \d+ and the model"):
        load_task_for(model, write(train=SHORT, validation=SHORT))


# -- token types ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("architecture", "overrides", "noted"),
    [
        ("roberta", {"type_vocab_size": 1}, True),
        ("bert", {"type_vocab_size": 1}, True),
        ("distilbert", {}, False),
    ],
)
def test_token_types_that_the_model_does_not_have_are_left_out(
    architecture, overrides, noted, tmp_path, write, caplog
):
    model = model_of(tmp_path / "model", architecture, **overrides)
    task = load_task_for(model, write("sentence1,sentence2,label", train=PAIRS, validation=PAIRS))
    assert all("token_type_ids" not in split.batch([0]) for split in task.splits())
    said = ["the tokenizer gives 2 token types and the model has 1: token types are left out"]
    assert caplog.messages == (said if noted else [])
    trains(model, task)


@pytest.mark.parametrize(
    ("columns", "rows", "overrides"),
    [("sentence1,sentence2,label", PAIRS, {}), ("text,label", SHORT, {"type_vocab_size": 1})],
)
def test_token_types_that_the_model_has_are_given(
    columns, rows, overrides, tmp_path, write, caplog
):
    model = model_of(tmp_path / "model", **overrides)
    task = load_task_for(model, write(columns, train=rows, validation=rows))
    assert "token_type_ids" in task.train.batch([0])
    assert not caplog.messages
    trains(model, task)


# -- unknown tokens ------------------------------------------------------------------------------


def rows_with_unknown(share):
    """Rows of ten words, with the given percentage of unknown words."""
    words = ["zzz"] * share + ["good"] * (100 - share)
    rows = [" ".join(words[i::10]) for i in range(10)]
    return [(text, "ab"[i % 2]) for i, text in enumerate(rows)]


@pytest.mark.parametrize(
    ("share", "message"),
    [(0, None), (5, None), (6, "6 %"), (50, "50 %"), (51, "51 %"), (100, "100 %")],
)
def test_unknown_tokens_are_counted(share, message, tmp_path, write, caplog):
    model = model_of(tmp_path / "model")
    rows = rows_with_unknown(share)
    config = write(train=rows, validation=rows)
    if share > 50:
        with pytest.raises(TaskError, match=f"{message} of the tokens of task own are unknown"):
            load_task_for(model, config)
        return
    load_task_for(model, config)
    text = "of the tokens of task own are unknown to the tokenizer ([UNK])"
    assert caplog.messages == ([] if message is None else [f"{message} {text}"])


def test_an_unknown_token_that_also_ends_texts_is_not_counted():
    class Tokenizer:
        unk_token = eos_token = "<|endoftext|>"
        unk_token_id = eos_token_id = bos_token_id = 0
        cls_token_id = sep_token_id = pad_token_id = None

    check_known("own", {"train": Split(np.zeros(4), np.array([4]), {})}, Tokenizer())


def test_a_tokenizer_without_an_unknown_token_is_not_asked(tmp_path, write):
    tokenizer = transformers.ByT5Tokenizer(extra_ids=0)
    tokenizer.unk_token = None
    model = model_of(tmp_path / "model", "bert", tokenizer, vocab_size=260)
    assert len(load_task_for(model, write(train=SHORT, validation=SHORT)).train) == len(SHORT)


# -- no tokens -----------------------------------------------------------------------------------


def without_unknown(*words, around=None):
    """A tokenizer that gives no token for words that it doesn't know."""
    vocabulary = {word: index for index, word in enumerate(["[PAD]", "[CLS]", "[SEP]", *words])}
    backend = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, []))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    if around:
        backend.post_processor = tokenizers.processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
        )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
    )


ROWS = [("a", "x"), ("b", "y"), ("a b", "x"), ("b a", "y")] * 2


@pytest.mark.parametrize("around", [False, True])
@pytest.mark.parametrize("architecture", ["bert", "qwen2"])
def test_a_tokenizer_that_gives_no_token_for_most_texts(tmp_path, write, architecture, around):
    model = model_of(tmp_path / "model", architecture, without_unknown("a", around=around))
    rows = [("z z", label) for _, label in ROWS]
    message = f"the tokenizer of {model} gives no token for 16 of 24 rows of task own, so its"
    with pytest.raises(TaskError, match=message):
        load_task_for(model, write(train=rows, validation=[("a", "x")] * 8, test=rows))


@pytest.mark.parametrize("where", ["train", "validation", "test"])
@pytest.mark.parametrize("architecture", ["gpt2", "qwen2"])
def test_a_row_without_a_token(tmp_path, write, architecture, where):
    model = model_of(tmp_path / "model", architecture, without_unknown("a", "b"))
    splits = {"train": ROWS, "validation": ROWS, "test": ROWS}
    splits[where] = [*ROWS, ("\u200b", "x"), ("z", "y")]
    with pytest.raises(TaskError) as caught:
        load_task_for(model, write(**splits))
    assert str(caught.value) == (
        f"the tokenizer of {model} gives no token for 2 of 10 {where} rows of task own, the first "
        r"of which has the text '\u200b': remove these rows"
    )


def test_rows_of_special_tokens_alone_are_left_as_they_are(tmp_path, write):
    model = model_of(tmp_path / "model", "bert", without_unknown("a", "b", around=True))
    task = load_task_for(model, write(train=[*ROWS, ("z", "y")], validation=ROWS))
    assert task.train.lengths.tolist()[-1] == 2
    trains(model, task)


# -- two tokenizers ------------------------------------------------------------------------------


def test_copies_of_a_model_that_differ_in_their_tokenizer_get_their_own_tokens(tmp_path, write):
    first = model_of(tmp_path / "first")
    second = shutil.copytree(first, tmp_path / "second")
    settings = json.loads((second / "tokenizer_config.json").read_text())
    (second / "tokenizer_config.json").write_text(
        json.dumps(settings | {"truncation_side": "left"})
    )
    task = write(train=[("good good bad", "a"), ("film film plot", "b")] * 4, max_length=4)
    for ref, words in ((first, {5}), (second, {5, 6}), (first, {5})):
        data = load_task_for(str(ref), task)
        assert words == {int(t) for t in data.train.ids if t in (5, 6)}
