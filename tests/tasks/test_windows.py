"""Windows of questions with long texts: every token of the text, and where it stands."""

import itertools

import numpy as np
import pytest
import transformers

from progsearch.errors import TaskError
from progsearch.tasks.passages import NOWHERE
from progsearch.tasks.windows import windows

WORDS = [f"w{i}" for i in range(60)]
CONTEXT = " ".join(WORDS)


@pytest.fixture(scope="module")
def tokenizer():
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "who", *WORDS]
    return transformers.BertTokenizerFast(vocab={word: i for i, word in enumerate(vocabulary)})


def rows(found):
    ends = np.cumsum(found.tokens.lengths)
    return [
        (found.tokens.ids[end - n : end], found.offsets[end - n : end])
        for end, n in zip(ends, found.tokens.lengths, strict=True)
    ]


def words_of(offsets):
    return [CONTEXT[first:end] for first, end in offsets if first != NOWHERE]


@pytest.mark.parametrize(("length", "stride"), [(20, 4), (20, 0), (30, 14), (20, 13)])
def test_windows_cover_each_word_and_share_as_many_tokens_as_asked(tokenizer, length, stride):
    found = windows(["who", "who who"], [CONTEXT, CONTEXT], tokenizer, length, stride)
    assert set(found.example_of) == {0, 1}
    for example in (0, 1):
        parts = [
            words_of(offsets)
            for (_, offsets), of in zip(rows(found), found.example_of, strict=True)
            if of == example
        ]
        assert len(parts) > 1
        for before, after in itertools.pairwise(parts):
            assert before[len(before) - stride :] == after[:stride]
        new = [parts[0], *(part[stride:] for part in parts[1:])]
        assert [word for part in new for word in part] == WORDS
    assert found.tokens.lengths.max() <= length


def test_the_text_alone_is_cut_even_if_the_question_is_longer(tokenizer):
    question, text = ["who"] * 11, WORDS[:8]
    found = windows([" ".join(question)], [" ".join(text)], tokenizer, 20, 4)
    assert found.n_cut == 0
    who = tokenizer.convert_tokens_to_ids("who")
    assert len(found.tokens.lengths) > 1
    assert all((ids == who).sum() == len(question) for ids, _ in rows(found))


def test_tokens_outside_the_text_stand_nowhere(tokenizer):
    found = windows(["who who"], ["w0 w1"], tokenizer, 20)
    (ids, offsets), *rest = rows(found)
    assert not rest
    assert ids.tolist() == tokenizer("who who", "w0 w1")["input_ids"]
    nowhere = [NOWHERE, NOWHERE]
    assert offsets.tolist() == [nowhere] * 4 + [[0, 2], [3, 5]] + [nowhere]
    assert found.nulls.tolist() == [0]


def test_a_stride_that_would_skip_tokens_is_refused(tokenizer):
    with pytest.raises(TaskError, match=r"share 17 leave 1 question of 1 no room to advance"):
        windows(["who"], [CONTEXT], tokenizer, 20, 17)
    with pytest.raises(TaskError, match="smaller --doc-stride or a larger --max-length"):
        windows(["who"], [CONTEXT], tokenizer, 20, 300)


def test_the_usual_stride_fits_short_windows(tokenizer):
    found = windows(["who"], [CONTEXT], tokenizer, 12)
    assert found.tokens.lengths.max() == 12
    # 12 tokens, of which 4 are not of the text, with 4 shared: 8, then 4 new ones in each.
    assert len(found.example_of) == 1 + (60 - 8) // 4


def test_a_question_that_leaves_no_room_is_cut_and_counted(tokenizer):
    long = " ".join(["who"] * 50)
    found = windows(["who"] * 30 + [long], [CONTEXT] * 31, tokenizer, 20, 4)
    assert found.n_cut == 1
    of_long = [row for row, of in zip(rows(found), found.example_of, strict=True) if of == 30]
    # Of 20 tokens, 3 are special and 4 shared: half of the rest is for the question.
    assert {int((ids == 5).sum()) for ids, _ in of_long} == {6}
    assert {word for _, offsets in of_long for word in words_of(offsets)} == set(WORDS)


def test_a_slow_tokenizer_is_refused(tokenizer):
    class Slow:
        is_fast, name_or_path = False, "mine"

    with pytest.raises(TaskError, match=r"tokenizer of mine is not a fast one.*tokenizer\.json"):
        windows(["who"], [CONTEXT], Slow(), 20)


def test_windows_are_read_from_the_cache(tokenizer, monkeypatch):
    first = windows(["who"], [CONTEXT], tokenizer, 20)
    monkeypatch.setattr("progsearch.tasks.windows._encode", lambda batch, **settings: 1 / 0)
    second = windows(["who"], [CONTEXT], tokenizer, 20)
    assert np.array_equal(first.tokens.ids, second.tokens.ids)
    assert np.array_equal(first.offsets, second.offsets)
    assert np.array_equal(first.example_of, second.example_of)
