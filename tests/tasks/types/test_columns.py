from __future__ import annotations

import math

import pytest

from progsearch.errors import TaskError
from progsearch.tasks.sources.tables import Table
from progsearch.tasks.types.columns import choose_columns, read_texts


def table(**columns):
    return Table("data.csv", columns)


@pytest.mark.parametrize(
    ("columns", "texts", "label"),
    [
        ({"text": ["a b", "c"], "label": ["0", "1"]}, ("text",), "label"),
        ({"Score": ["0.5", "1"], "review": ["a b", "c"]}, ("review",), "Score"),
        ({"one": ["a", "b"], "two": ["c", "d"], "kind": ["x", "y"]}, ("one", "two"), "kind"),
        ({"id": ["1", "2"], "text": ["a", "4 5"], "target": ["x", "y"]}, ("text",), "target"),
        (
            {"key": ["k1"], "premise": ["a"], "hypothesis": ["b"], "genre": ["g"], "label": [1]},
            ("premise", "hypothesis"),
            "label",
        ),
    ],
)
def test_columns_are_inferred(columns, texts, label):
    assert choose_columns(table(**columns), None, None) == (texts, label)


def test_columns_that_are_named_are_taken():
    data = table(a=["x"], b=["y"], c=["z"], label=["0"])

    assert choose_columns(data, ("c", "a"), "b") == (("c", "a"), "b")
    assert choose_columns(data, ("a",), None) == (("a",), "label")


@pytest.mark.parametrize(
    ("texts", "label", "message"),
    [
        (("a", "a"), None, "'a' is named twice"),
        (("a",), "a", "'a' is named twice"),
        (("missing",), None, "no column 'missing': its columns are a, b, c, label"),
        (None, "missing", "no column 'missing'"),
        (None, None, r"with text: a, b, c; label: label\): name one or two with --text-columns"),
    ],
)
def test_a_wrong_or_ambiguous_choice_says_so(texts, label, message):
    data = table(a=["x"], b=["y"], c=["z"], label=["0"])

    with pytest.raises(TaskError, match=message):
        choose_columns(data, texts, label)


def test_no_text_and_no_label_column():
    with pytest.raises(TaskError, match="with text: none"):
        choose_columns(table(id=["1"], label=["0"]), None, None)
    with pytest.raises(TaskError, match="no column left for the labels"):
        choose_columns(table(text=["a"]), ("text",), None)


@pytest.mark.parametrize("missing", ["", "  ", None, math.nan])
def test_a_row_without_text_is_named(missing):
    with pytest.raises(TaskError, match="data.csv, row 2 has no text in column 'text'"):
        read_texts(table(text=["a", missing]), "text")


def test_bytes_that_are_not_utf8_are_named():
    with pytest.raises(TaskError, match="data.csv, row 2 is not UTF-8 in column 'text'"):
        read_texts(table(text=["a", b"caf\xe9"]), "text")


def test_numbers_are_texts_and_lists_are_not():
    assert read_texts(table(text=[2024, "a"]), "text") == ["2024", "a"]
    with pytest.raises(TaskError, match="row 1 has a list in column 'text'"):
        read_texts(table(text=[["a"]]), "text")
