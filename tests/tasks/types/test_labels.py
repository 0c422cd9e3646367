from __future__ import annotations

import math

import numpy as np
import pytest

from progsearch.config import TaskConfig
from progsearch.errors import TaskError
from progsearch.tasks.sources.source import Source
from progsearch.tasks.sources.tables import Table
from progsearch.tasks.types import type_of
from progsearch.tasks.types.texts import TextType


def table(values, source="train.csv", **classes):
    return Table(source, {"label": values}, classes)


def reader_of(data, metric=None):
    """What the type that recognises the data learns from it."""
    config = TaskConfig(name="own", metric=metric, text_columns=("text",), label_column="label")
    texts = {"text": ["a text"] * len(data)}
    source = Source("own", Table(data.source, texts | data.columns, data.classes))
    found = type_of(source, config)
    assert isinstance(found, TextType)
    return found.learn(data, "label", config)


def read(values, metric=None):
    data = table(values)
    reader = reader_of(data, metric)
    return reader.names, reader.read(data)


@pytest.mark.parametrize(
    ("values", "names", "labels"),
    [
        (["pos", "neg ", "pos"], ("neg", "pos"), [1, 0, 1]),
        (["10", "9", "-1", "9"], ("-1", "9", "10"), [2, 1, 0, 1]),
        ([3, 1, 3], ("1", "3"), [1, 0, 1]),
        ([True, False], ("False", "True"), [1, 0]),
        (["1.5", "a", "b", "a", "b"], ("1.5", "a", "b"), [0, 1, 2, 1, 2]),
    ],
)
def test_classes(values, names, labels):
    found, indices = read(values)

    assert found == names
    assert indices.dtype == np.int64
    assert indices.tolist() == labels


@pytest.mark.parametrize("values", [["1", "2.5", "-1e-1"], [1.0, 2.5, -0.1]])
def test_decimals_are_a_regression(values):
    names, labels = read(values)

    assert names == ()
    assert labels.dtype == np.float32
    assert labels.tolist() == pytest.approx([1, 2.5, -0.1])


def test_the_metric_decides_between_classes_and_numbers():
    assert read(["1", "2", "1"], "pearson")[0] == ()
    assert read([1.0, 2.0, 1.0], "accuracy")[0] == ("1", "2")


def test_declared_classes_keep_their_order_and_may_be_absent_from_training():
    data = table(["spam", "ham"], label=("spam", "ham", "other"))

    reader = reader_of(data)

    assert reader.names == ("spam", "ham", "other")
    assert reader.read(data).tolist() == [0, 1]


@pytest.mark.parametrize("missing", ["", " ", None, math.nan, "NaN"])
@pytest.mark.parametrize("others", [["a", "b"], ["1.5", "2.5"]])
def test_a_row_without_label_is_named(missing, others):
    with pytest.raises(TaskError, match="train.csv, row 3 has no label in column 'label'"):
        read([*others, missing])


def test_a_label_that_is_not_utf8_is_named():
    with pytest.raises(TaskError, match="train.csv, row 2 is not UTF-8 in column 'label'"):
        read(["a", b"caf\xe9"])


@pytest.mark.parametrize("word", ["high", "inf"])
def test_a_word_among_numbers_is_named(word):
    with pytest.raises(
        TaskError, match=f"row 20: label '{word}' in column 'label' is not a number"
    ):
        read(["0.5"] * 19 + [word])
    with pytest.raises(TaskError, match=f"row 2: label '{word}' .* is not a number"):
        read(["1", word], "spearman")


def test_a_label_unseen_in_training_is_named_with_its_row():
    reader = reader_of(table(["a", "b"]))

    with pytest.raises(TaskError, match=r"dev.csv, row 2: label 'c' .* \(which has a, b\)"):
        reader.read(table(["a", "c"], "dev.csv"))


def test_columns_that_hold_no_classes():
    with pytest.raises(TaskError, match="only the class 'a'"):
        read(["a", "a"])
    with pytest.raises(TaskError, match="30 different labels in 30 rows"):
        read([f"id{i}" for i in range(30)])
