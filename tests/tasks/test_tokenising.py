from __future__ import annotations

import os
import sys

import numpy as np
import pytest

from progsearch.cache import cache_dir
from progsearch.tasks import tokenising
from progsearch.tasks.split import Split
from progsearch.tasks.tokenising import tokenise


def single(*texts):
    return (list(texts),)


def pair(*texts):
    first, second = zip(*texts, strict=True)
    return (list(first), list(second))


def split_of(texts, tokenizer, max_length=64):
    tokens = tokenise(texts, tokenizer, max_length)
    return Split.of(tokens, {"labels": np.arange(len(texts[0]))}, pad_id=tokenizer.pad_token_id)


def test_gives_what_the_tokenizer_gives(tokenizer):
    split = split_of(pair(("a b c", "good"), ("bad", "film a")), tokenizer)

    expected = tokenizer(["a b c", "bad"], ["good", "film a"], padding=True, return_tensors="pt")
    batch = split.batch([0, 1])
    assert split.lengths.tolist() == [7, 6]
    assert batch["labels"].tolist() == [0, 1]
    for name in ("input_ids", "attention_mask", "token_type_ids"):
        assert batch[name].equal(expected[name])


def test_long_examples_are_cut_and_pairs_lose_from_the_longer_text(tokenizer):
    cut = split_of(single("a b c d e f g h"), tokenizer, 5).batch([0])["input_ids"][0]
    joined = split_of(pair(("a b c d e f", "g")), tokenizer, 6).batch([0])["input_ids"][0]

    assert tokenizer.decode(cut) == "[CLS] a b c [SEP]"
    assert tokenizer.decode(joined) == "[CLS] a b [SEP] g [SEP]"


def test_no_example_is_longer_than_the_model_reads(tokenizer):
    tokenizer.model_max_length = 4

    assert tokenise(single("a b c d e f g h"), tokenizer, 64).lengths.tolist() == [4]


def test_no_token_types_for_a_model_that_reads_none(tokenizer):
    tokenizer.model_input_names = ["input_ids", "attention_mask"]

    assert "token_type_ids" not in split_of(single("a"), tokenizer, 64).batch([0])


def test_many_examples_keep_their_order(tokenizer):
    words = ["a", "b c", "d e f"] * 1000

    split = split_of(single(*words), tokenizer)

    assert split.lengths.tolist() == [3, 4, 5] * 1000
    assert tokenizer.decode(split.batch([2998])["input_ids"][0]) == "[CLS] b c [SEP]"


def test_a_second_run_reads_the_cache(tokenizer, cache, monkeypatch):
    first = split_of(single("a b", "c"), tokenizer)
    monkeypatch.setattr(tokenising, "_encode", lambda *_, **__: pytest.fail("tokenised again"))
    # Importing it takes longer than reading the file.
    monkeypatch.setitem(sys.modules, "datasets", None)

    second = split_of(single("a b", "c"), tokenizer)

    assert second.fingerprint() == first.fingerprint()
    assert len(list((cache / "tokenised").iterdir())) == 1


@pytest.mark.parametrize("kept", [0, 100, -1])
def test_a_damaged_file_is_made_anew(tokenizer, cache, kept):
    first = split_of(single("a b", "c"), tokenizer)
    (file,) = (cache / "tokenised").iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:kept])

    assert split_of(single("a b", "c"), tokenizer).fingerprint() == first.fingerprint()
    assert file.read_bytes() == whole


def test_other_texts_lengths_or_tokenizers_are_other_cache_entries(tokenizer, cache):
    tokenise(single("a b", "c"), tokenizer, 64)
    tokenise(single("a", "b c"), tokenizer, 64)
    tokenise(single("a b", "c"), tokenizer, 32)
    tokenizer.add_tokens(["new"])
    tokenise(single("a b", "c"), tokenizer, 64)

    assert len(list((cache / "tokenised").iterdir())) == 4


def test_copies_that_cut_at_the_other_side_do_not_read_each_others_tokens(tokenizer):
    texts = single("a b c d e f g h")
    right = tokenise(texts, tokenizer, 5).ids.tolist()
    tokenizer.truncation_side = "left"
    left = tokenise(texts, tokenizer, 5).ids.tolist()

    assert tokenizer.decode(right) == "[CLS] a b c [SEP]"
    assert tokenizer.decode(left) == "[CLS] f g h [SEP]"


def test_a_tokenizer_without_padding_is_refused(tokenizer):
    tokenizer.pad_token = None

    with pytest.raises(ValueError, match="padding token"):
        tokenise(single("a"), tokenizer, 64)


def test_what_a_killed_writer_left_behind_goes_after_a_while(tokenizer):
    old, new = (cache_dir("tokenised") / name for name in ("tmpold", "tmpnew"))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    tokenise(single("a b"), tokenizer, 8)
    assert (old.exists(), new.exists()) == (False, True)
