"""Columns are taken if there is no doubt; else the message names those that may be meant."""

from __future__ import annotations

import datetime
import math

import pytest

from progsearch.errors import TaskError
from progsearch.tasks.sources.table import Table
from progsearch.tasks.types.columns import choose_columns, read_texts
from progsearch.tasks.types.label_column import LABEL_NAMES

N = 40
TEXTS = [f"the film {i} was not {word}" for i, word in enumerate(["good", "bad", "fine", "dull"])]
TEXTS = [f"{TEXTS[i % 4]}, said person {i * 7 % 11}" for i in range(N)]
OTHERS = [f"a second text {i} of some words" for i in range(N)]
LABELS = [("neg", "pos")[i * 7 // 3 % 2] for i in range(N)]
KINDS = [("web", "app", "shop")[i * 5 // 2 % 3] for i in range(N)]


def table(**columns):
    return Table("data.csv", columns)


def chosen(data, texts=None, label=None):
    found = choose_columns(data, texts, label)
    return found.texts, found.label


@pytest.mark.parametrize(
    ("columns", "texts", "label"),
    [
        ({"text": ["a b", "c"], "label": ["0", "1"]}, ("text",), "label"),
        ({"Score": ["0.5", "1"], "review": ["a b", "c"]}, ("review",), "Score"),
        ({"id": ["1", "2"], "text": ["a", "4 5"], "target": ["x", "y"]}, ("text",), "target"),
        (
            {"key": ["k1"], "premise": ["a"], "hypothesis": ["b"], "genre": ["g"], "label": [1]},
            ("premise", "hypothesis"),
            "label",
        ),
        ({"a": TEXTS, "b": OTHERS, "label": LABELS}, ("a", "b"), "label"),
        ({"text_1": TEXTS, "text_2": OTHERS, "kind": KINDS}, ("text_1", "text_2"), "kind"),
        ({"kommentar": TEXTS, "gruppe": LABELS}, ("kommentar",), "gruppe"),
        # Without a known name, by the only column that can hold labels.
        ({"v1": LABELS, "v2": TEXTS}, ("v2",), "v1"),
        ({"x": [f"没有空格的句子{i}" for i in range(N)], "y": LABELS}, ("x",), "y"),
        ({"valid": LABELS, "v2": TEXTS}, ("v2",), "valid"),
        ({"review": TEXTS, "price": [str(150.5 + i) for i in range(N)]}, ("review",), "price"),
    ],
)
def test_columns_are_inferred(columns, texts, label):
    assert chosen(table(**columns)) == (texts, label)


@pytest.mark.parametrize("name", [*LABEL_NAMES, " Label ", "CLASS"])
def test_a_label_has_a_name_that_everyone_would_take(name):
    data = table(**{"review": TEXTS, name: LABELS, "verified": ["yes", "no"] * (N // 2)})
    assert chosen(data) == (("review",), name)


def test_columns_that_are_named_are_taken():
    data = table(a=["x"], b=["y"], c=["z"], label=["0"])

    assert chosen(data, ("c", "a"), "b") == (("c", "a"), "b")
    assert chosen(data, ("a",)) == (("a",), "label")


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"id": [str(i) for i in range(N)]}, "id (ids)"),
        ({"review_id": [f"r{i:05}" for i in range(N)]}, "review_id (ids)"),
        ({"code": [f"{i:04}q" for i in range(N)]}, "code (ids)"),
        ({"number": [str(N - i) for i in range(N)]}, "number (ids)"),
        ({"qid2": [str(60 + i) for i in range(N)]}, "qid2 (ids)"),
        ({"userid": [f"u{i * 37 % 29}" for i in range(N)]}, "userid (ids)"),
        ({"when": [f"2024-03-{i % 28 + 1:02}" for i in range(N)]}, "when (dates)"),
        ({"when": [f"{i % 28 + 1}.3.24 10:3{i % 10}" for i in range(N)]}, "when (dates)"),
        ({"when": [datetime.date(2024, 3, i % 28 + 1) for i in range(N)]}, "when (dates)"),
        ({"created_at": ["monday", "friday"] * (N // 2)}, "created_at (dates)"),
        ({"split": ["extra", "train"] * (N // 2)}, "split (split names, all rows are used)"),
        ({"part": ["train", "dev"] * (N // 2)}, "part (split names, all"),
        ({"md5": [f"{i * 7919:032x}" for i in range(N)]}, "md5 (hashes)"),
        ({"link": [f"https://example.org/{i}" for i in range(N)]}, "link (addresses)"),
        ({"user": [f"u{i}@example.org" for i in range(N)]}, "user (e-mail addresses)"),
        ({"picture": [f"images/{i % 7}.jpg" for i in range(N)]}, "picture (file names)"),
        ({"country": ["DE"] * N}, "country (the same everywhere)"),
        ({"comment2": [""] * N}, "comment2 (empty)"),
        ({"column 3": ["x", ""] * (N // 2)}, "column 3 (without a name)"),
        ({"verified": ["yes", "no"] * (N // 2)}, "verified (yes or no)"),
        ({"price": [str(1.5 * i) for i in range(N)]}, "price (numbers)"),
        ({"label_text": [name.upper() for name in LABELS]}, "label_text (the same as label)"),
        ({"kind": [{"neg": "bad", "pos": "good"}[name] for name in LABELS]}, "the same as label"),
        ({"source": KINDS}, "source (few values)"),
        ({"author": [f"anna {i % 23}" for i in range(N)]}, "author (short words)"),
        ({"tags": [["a"], []] * (N // 2)}, "tags (lists or objects)"),
    ],
)
def test_what_is_no_text_is_left_out_and_said(columns, why):
    found = choose_columns(table(**columns, kommentar=TEXTS, label=LABELS), None, None)

    assert (found.texts, found.label) == (("kommentar",), "label")
    assert why in found.note("data.csv")
    assert found.note("data.csv").startswith("data.csv: columns left out: ")


def test_nothing_is_left_out_of_what_was_given():
    data = table(kommentar=TEXTS, label=LABELS, source=KINDS)
    assert choose_columns(data, ("source",), "label").note("data.csv") is None


def test_a_name_for_the_label_that_is_twice_in_a_table():
    data = table(text=TEXTS, stars=KINDS, sentiment=LABELS)
    with pytest.raises(TaskError, match="sentiment and stars: name one with --label"):
        choose_columns(data, None, None)
    # Two that say the same are no doubt.
    same = table(text=TEXTS, sentiment=LABELS, label=[str(LABELS.index(x)) for x in LABELS])
    assert chosen(same) == (("text",), "label")
    declared = Table("d", data.columns, {"stars": ("app", "shop", "web")})
    assert chosen(declared) == (("text",), "stars")


def test_a_column_that_declares_its_classes_is_the_label():
    data = Table("d", {"text": TEXTS, "topic": KINDS, "tone": LABELS}, {"tone": ("neg", "pos")})
    assert chosen(data) == (("text",), "tone")


@pytest.mark.parametrize(
    ("columns", "texts", "label", "message"),
    [
        ({}, ("a", "a"), None, "'a' is named twice"),
        ({}, ("a",), "a", "'a' is named twice"),
        ({}, ("missing",), None, "no column 'missing': its columns are a, b, c, label"),
        ({}, None, "missing", "no column 'missing'"),
        ({}, None, None, r"they may be a, b and c \(label: label\): name one, or two for pairs"),
        ({"review": TEXTS, "topic": KINDS, "tone": LABELS}, None, None, "may be topic or tone: n"),
        ({"review": TEXTS, "summary": OTHERS, "label": LABELS}, None, None, "review and summary"),
        (
            {"review": TEXTS},
            None,
            None,
            r"only review \(text\): add .*--type causal-lm",
        ),
        ({"text": ["a", "b"]}, None, None, r"has no label column, only text \(text\)"),
        (
            {"id": ["1", "2"], "label": ["0", "1"]},
            None,
            None,
            r"no text column .* only id \(ids\)",
        ),
        ({"label_text": LABELS, "label": LABELS}, None, None, r"label_text \(the same as label\)"),
        ({"text": ["a"]}, ("text",), None, "no column left for the labels"),
    ],
)
def test_a_wrong_or_ambiguous_choice_says_so(columns, texts, label, message):
    data = table(**columns or {"a": ["x"], "b": ["y"], "c": ["z"], "label": ["0"]})

    with pytest.raises(TaskError, match=message):
        choose_columns(data, texts, label)


@pytest.mark.parametrize("values", [["0", "1"], [0, 1], [False, True], ["1.0", "0.0"]])
def test_several_columns_of_answers_are_named_as_what_they_are(values):
    answers = {name: values * (N // 2) for name in ("price", "quality", "shipping")}
    with pytest.raises(TaskError, match="given as --label-column price,quality,shipping"):
        choose_columns(table(text=TEXTS, **answers), None, None)


@pytest.mark.parametrize(
    ("header", "labels"),
    [("1", ["0", "1"]), ("pos", ["neg", "pos"]), ("0.5", ["1.5", "2.5"])],
)
def test_a_first_row_that_is_data(header, labels):
    columns = {"one bad film": TEXTS, header: labels * (N // 2)}
    with pytest.raises(TaskError, match=f"looks like data.*'{header}' is.*: add a first"):
        choose_columns(Table("data.csv", columns, has_header=True), None, None)
    assert chosen(Table("d", columns, has_header=True), ("one bad film",), header)[1] == header


def test_columns_that_pandas_numbers_are_named():
    data = Table("d", {"0": TEXTS, "1": LABELS}, has_header=True)
    assert chosen(data) == (("0",), "1")


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
