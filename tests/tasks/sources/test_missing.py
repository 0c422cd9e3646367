"""Rows without text or label are counted, named by line, and left out if the user wants that."""

from __future__ import annotations

import pytest

from progsearch.config import TaskConfig
from progsearch.errors import TaskError
from progsearch.tasks.reading import read_task
from progsearch.tasks.sources.cells import MISSING_WORDS
from progsearch.tasks.sources.missing import complete_rows
from progsearch.tasks.sources.source import Source
from progsearch.tasks.sources.table import Table

ROWS = [f"a film {i},{('neg', 'pos')[i % 2]}" for i in range(20)]


@pytest.fixture
def read(tmp_path):
    def task(*train, dev=None, **fields):
        (tmp_path / "train.csv").write_text("\n".join(["text,label", *train]) + "\n")
        files = {"train_file": str(tmp_path / "train.csv")}
        if dev:
            (tmp_path / "dev.csv").write_text("\n".join(["text,label", *dev]) + "\n")
            files["validation_file"] = str(tmp_path / "dev.csv")
        return read_task(TaskConfig(name="own", **files, **fields))

    return task


def test_all_of_them_are_counted_and_the_first_are_named(read):
    with pytest.raises(TaskError) as refused:
        read(*ROWS, *[",neg"] * 12, "a,", dev=[*ROWS, "b, "])
    text = str(refused.value)
    assert "train.csv: 12 of 33 rows have no value in column 'text' (lines 22, 23, 24" in text
    assert "30, 31, ...)" in text
    assert "train.csv: 1 of 33 rows have no value in column 'label' (line 34)" in text
    assert "dev.csv: 1 of 21 rows have no value in column 'label' (line 22)" in text
    assert "leave the rows out with --drop-missing" in text
    assert "counts as missing" not in text


@pytest.mark.parametrize("word", sorted(MISSING_WORDS))
def test_a_word_that_says_missing_is_no_class(read, word):
    message = (
        f"label' .lines 22, 23.*{word!r} counts as missing: if it is a class, give it another"
    )
    with pytest.raises(TaskError, match=message):
        read(*ROWS, f"a,{word}", f"b,{word}")


@pytest.mark.parametrize("word", ["none", "na", "unknown", "-"])
def test_other_words_are_classes(read, word):
    assert read(*ROWS, *[f"a,{word}"] * 5).head.label_names == tuple(sorted([word, "neg", "pos"]))


def test_they_are_left_out_and_that_is_said(read):
    task = read(*ROWS, ",neg", "a,NA", dev=[*ROWS, "b,"], drop_missing=True)
    assert (len(task.train), len(task.validation)) == (20, 20)
    assert [note.split("/")[-1] for note in task.notes] == [
        "train.csv: 2 of 22 rows without text or label are left out",
        "dev.csv: 1 of 21 rows without text or label are left out",
    ]
    assert read(*ROWS, drop_missing=True).notes == ()


def test_numbers_with_missing_ones_are_still_numbers(read):
    rows = [f"a film {i},{i / 7:.3f}" for i in range(20)]
    task = read(*rows, "b,NA", "c,", drop_missing=True)
    assert task.type.name == "regression"
    assert len(task.train) + len(task.validation) == 20


def test_nothing_is_left(read):
    with pytest.raises(TaskError, match=r"dev.csv has no row with all of text, label"):
        read(*ROWS, dev=[",neg", "a,"], drop_missing=True)


def test_a_declared_class_may_have_any_name():
    table = Table("d", {"t": ["a", "b"], "y": ["NA", "x"]}, {"y": ("NA", "x")})
    source = Source("own", Table(**{**vars(table), "missing_words": MISSING_WORDS}))
    assert complete_rows(source, ("t", "y"), "y", drop=False) == (source, ())
