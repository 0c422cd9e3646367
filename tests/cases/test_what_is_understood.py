"""Columns, type and classes that were taken are said, right or wrong (S1, S8-S13, P4, P5).

Each failed at commit 80686b9.
"""

import json
import re

import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.cases.making import rows, write_csv

pytestmark = pytest.mark.slow

ROWS = rows(64)
TEXTS = [text for text, _ in ROWS]
LABELS = [label for _, label in ROWS]
NAMES = [("neg", "pos")[label] for label in LABELS]
NUMBERS = range(len(ROWS))
OTHERS = [i % 2 for i in NUMBERS]


def said(outcome):
    """The lines before the training, without the one on the schedule."""
    assert outcome.code == 0
    return outcome.stdout.split("fine-tuning's parameter updates")[0]


@pytest.mark.parametrize(
    ("header", "columns", "understood"),
    [
        ("text,label,label_text", (TEXTS, LABELS, NAMES), "text from text and label_text, label"),
        ("text,class,kind", (TEXTS, LABELS, NAMES), "text from text and kind, label from class"),
    ],
    ids=["S1", "S1-sibling"],
)
def test_a_second_column_of_labels(train, bert, tmp_path, header, columns, understood):
    file = write_csv(tmp_path / "rows.csv", header, zip(*columns, strict=True))
    assert understood in said(train(bert, file))


@pytest.mark.parametrize(
    ("lists", "counts"),
    [
        (
            ([], ["spam"], ["spam", "toxic"]),
            r"spam \(4[23]\), toxic \(2[12]\); 4[23] with a label",
        ),
        (({"spam": 0}, {"spam": 1}, {"toxic": 1}), r"spam \(2[12]\), toxic \(2[12]\); 4[23] with"),
    ],
    ids=["S8-lists", "S8-sibling"],
)
def test_several_labels_of_a_row_are_labels_of_their_own(train, bert, tmp_path, lists, counts):
    file = tmp_path / "rows.jsonl"
    lines = [{"text": text, "labels": lists[i % 3]} for i, text in enumerate(TEXTS)]
    file.write_text("\n".join(map(json.dumps, lines)) + "\n")
    lines = said(train(bert, str(file)))
    assert "label from labels\n" in lines
    assert re.search(rf"train \(multilabel\): 64 rows; {counts}", lines)


@pytest.mark.parametrize(
    ("header", "columns", "understood"),
    [
        (
            "id,comment_text,toxic,insult",
            ([f"{i:04}q" for i in NUMBERS], TEXTS, LABELS, OTHERS),
            "text from id and comment_text, label from insult\n",
        ),
        (
            "comment_text,toxic,obscene,insult",
            (TEXTS, LABELS, OTHERS, OTHERS),
            "text from comment_text, label from insult\n",
        ),
        (
            "text,sentiment,split",
            (TEXTS, NAMES, [("extra", "train")[i] for i in OTHERS]),
            "text from text and sentiment, label from split\n",
        ),
        (
            "id,text,label",
            ([f"r{i:05}" for i in NUMBERS], TEXTS, NAMES),
            "text from id and text, label from label\n",
        ),
        ("one bad is the film,1", (TEXTS, LABELS), "text from one bad is the film, label from 1"),
        (
            "kommentar,gruppe,quelle",
            (TEXTS, NAMES, [("web", "app")[i] for i in OTHERS]),
            "text from kommentar and gruppe, label from quelle\n",
        ),
    ],
    ids=["S8-onehot", "S8-sibling", "S9-split", "S9-id", "S9-no-header", "S9-sibling"],
)
def test_columns_that_may_be_the_wrong_ones(train, bert, tmp_path, header, columns, understood):
    file = write_csv(tmp_path / "rows.csv", header, zip(*columns, strict=True))
    assert understood in said(train(bert, file))


@pytest.mark.parametrize(
    ("labels", "understood"),
    [
        (("1_1", "1_2"), "(regression): 64 rows; numbers from 11 to 12;"),
        (("2.1", "2.10"), "(regression): 64 rows; numbers from 2.1 to 2.1;"),
        (("1e2", "1e3"), "(regression): 64 rows; numbers from 100 to 1000;"),
    ],
    ids=["S10-underscore", "S10-version", "S10-sibling"],
)
def test_names_that_python_reads_as_numbers(train, bert, tmp_path, labels, understood):
    lines = [(text, labels[label]) for text, label in ROWS]
    file = write_csv(tmp_path / "rows.csv", "text,label", lines)
    assert understood in said(train(bert, file))


@pytest.mark.parametrize("missing", ["NA", "null"], ids=["S11", "S11-sibling"])
def test_missing_labels_that_are_a_class_of_their_own(train, bert, tmp_path, missing):
    lines = [(text, NAMES[i] if i % 4 else missing) for i, text in enumerate(TEXTS)]
    file = write_csv(tmp_path / "rows.csv", "text,label", lines)
    assert f"{missing} (16)" in said(train(bert, file))


@pytest.mark.parametrize(
    ("names", "positive"),
    [(("abusive", "benign"), "benign"), (("yes", "no"), "yes")],
    ids=["S12", "S12-sibling"],
)
def test_the_class_whose_f1_it_is(train, bert, tmp_path, names, positive):
    lines = [(text, names[min(1, i % 4)]) for i, text in enumerate(TEXTS)]
    file = write_csv(tmp_path / "rows.csv", "text,label", lines)
    assert f", f1 is that of {positive};" in said(train(bert, file, metric="f1"))


def write_parquet(file, texts, labels):
    parquet.write_table(pa.table({"text": texts, "label": labels}), file)
    return str(file)


def test_texts_that_are_stored_as_bytes(train, bert, tmp_path):
    """S13. The first two tokens tell the class: `b` and a quotation mark would not."""
    texts = [" ".join([text.split()[-1]] * 3).encode() for text in TEXTS]
    file = write_parquet(tmp_path / "rows.parquet", texts, LABELS)
    outcome = train(bert, file, max_length=4, epochs=3, text_columns=["text"])
    assert outcome.metrics["accuracy"] == 1.0


def test_labels_that_are_stored_as_bytes(train, bert, tmp_path):
    """A sibling of S13."""
    file = write_parquet(tmp_path / "rows.parquet", TEXTS, [name.encode() for name in NAMES])
    assert "neg (31), pos (33)" in said(train(bert, file))


def test_bytes_that_are_no_text(train, bert, tmp_path):
    """A sibling of S13."""
    texts = [b"a good film", b"a na\xefve film"] * 8
    file = write_parquet(tmp_path / "rows.parquet", texts, [0, 1] * 8)
    assert "row 2 is not UTF-8" in train(bert, file, text_columns=["text"]).refusal()


@pytest.mark.parametrize(
    "scores",
    [
        [f"{30 * label + i}%" for i, label in enumerate(LABELS)],
        ["33%", *(f"0.{i}5" for i in NUMBERS[1:])],
    ],
    ids=["P4-percent", "P4-sibling"],
)
def test_an_advised_option_exists(train, progsearch, bert, tmp_path, scores):
    file = write_csv(tmp_path / "rows.csv", "text,score", zip(TEXTS, scores, strict=True))
    advised = set(re.findall(r"--[a-z-]+", train(bert, file).refusal()))
    assert advised
    assert advised <= set(re.findall(r"--[a-z-]+", progsearch("run", "--help").stdout))


@pytest.mark.parametrize(
    ("labels", "validation", "metric", "doubt"),
    [
        (
            [int(i == 0) for i in NUMBERS],
            None,
            "f1",
            "fewer than 2 rows of some classes (1: 1), so f1 may not tell schedules apart",
        ),
        (LABELS, [1] * 64, None, "of the class 1, so accuracy cannot tell schedules apart"),
        (
            [label + i / 100 for i, label in enumerate(LABELS)],
            [1.5] * 64,
            None,
            "the same number, 1.5, so pearson cannot tell schedules apart",
        ),
        (
            [label + i / 100 for i, label in enumerate(LABELS)],
            [0.25] * 64,
            "spearman",
            "the same number, 0.25, so spearman cannot tell schedules apart",
        ),
    ],
    ids=["P5-rare", "P5-one-class", "P5-constant", "P5-sibling"],
)
def test_validation_data_that_cannot_tell_schedules_apart(
    train, bert, tmp_path, labels, validation, metric, doubt
):
    file = write_csv(tmp_path / "rows.csv", "text,label", zip(TEXTS, labels, strict=True))
    lines = zip(TEXTS, validation or labels, strict=True)
    outcome = train(
        bert, file, write_csv(tmp_path / "dev.csv", "text,label", lines), metric=metric
    )
    assert outcome.code == 0
    assert doubt in outcome.stderr
