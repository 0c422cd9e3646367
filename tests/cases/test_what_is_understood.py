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


@pytest.fixture
def run(progsearch):
    """The refusal of a search."""

    def refusal(model, file, *options):
        arguments = ("run", "--train-file", file, "--model", model, "--budget", 1, *options)
        return progsearch(*arguments).refusal()

    return refusal


@pytest.mark.parametrize(
    ("lists", "counts"),
    [
        (
            ([], ["spam"], ["spam", "toxic"]),
            r"spam \(4[23], 6\d.\d %\), toxic \(2[12], 3\d.\d %\); 4[23] with a label",
        ),
        (
            ({"spam": 0}, {"spam": 1}, {"toxic": 1}),
            r"spam \(2[12], 3\d.\d %\), toxic \(2[12], 3\d.\d %\); 4[23] with",
        ),
    ],
    ids=["S8-lists", "S8-sibling"],
)
def test_several_labels_of_a_row_are_labels_of_their_own(train, bert, tmp_path, lists, counts):
    file = tmp_path / "rows.jsonl"
    lines = [{"text": text, "labels": lists[i % 3]} for i, text in enumerate(TEXTS)]
    file.write_text("\n".join(map(json.dumps, lines)) + "\n")
    lines = said(train(bert, str(file)))
    assert "label from labels" in lines
    assert re.search(rf"train \(multilabel\): 64 rows; {counts}", lines)


@pytest.mark.parametrize(
    ("header", "columns", "understood", "left_out"),
    [
        (
            "text,label,label_text",
            (TEXTS, LABELS, NAMES),
            "text from text, label from label\n",
            "label_text (the same as label)",
        ),
        (
            "text,class,kind",
            (TEXTS, LABELS, NAMES),
            "text from text, label from class\n",
            "kind (the same as class)",
        ),
        (
            "text,sentiment,split",
            (TEXTS, NAMES, [("extra", "train")[i] for i in OTHERS]),
            "text from text, label from sentiment\n",
            "split (split names, all rows are used)",
        ),
        (
            "id,text,label",
            ([f"r{i:05}" for i in NUMBERS], TEXTS, NAMES),
            "text from text, label from label\n",
            "id (ids)",
        ),
        (
            "id,review,stars,verified",
            (NUMBERS, TEXTS, [i % 5 for i in NUMBERS], [("no", "yes")[i % 2] for i in NUMBERS]),
            "text from review, label from stars\n",
            "id (ids), verified (yes or no)",
        ),
        (
            "text, label, id",
            (TEXTS, LABELS, NUMBERS),
            "text from text, label from label\n",
            "id (ids)",
        ),
    ],
    ids=["S1", "S1-sibling", "S9-split", "S9-id", "newcomer-verified", "S9-blanks"],
)
def test_columns_that_are_no_text_are_left_out(
    train, bert, tmp_path, header, columns, understood, left_out
):
    file = write_csv(tmp_path / "rows.csv", header, zip(*columns, strict=True))
    lines = said(train(bert, file))
    assert understood in lines
    assert f"columns left out: {left_out}\n" in lines


@pytest.mark.parametrize(
    ("header", "columns", "refused"),
    [
        (
            "id,comment_text,toxic,insult",
            ([f"{i:04}q" for i in NUMBERS], TEXTS, LABELS, OTHERS),
            "may be toxic or insult: name it with --label-column; .* --label-column toxic,insult",
        ),
        (
            "comment_text,toxic,obscene,insult",
            (TEXTS, LABELS, OTHERS, OTHERS),
            "given as --label-column toxic,obscene,insult",
        ),
        ("one bad is the film,1", (TEXTS, LABELS), "first row looks like data"),
        (
            "kommentar,gruppe,quelle",
            (TEXTS, NAMES, [("web", "app")[i] for i in OTHERS]),
            "may be gruppe or quelle: name it with --label-column",
        ),
        ("review", (TEXTS,), r"has no label column, only review \(text\)"),
    ],
    ids=["S8-onehot", "S8-sibling", "S9-no-header", "S9-sibling", "newcomer-nolabel"],
)
def test_columns_that_are_not_clear_are_named(run, bert, tmp_path, header, columns, refused):
    file = write_csv(tmp_path / "rows.csv", header, zip(*columns, strict=True))
    assert re.search(refused, run(bert, file))


@pytest.mark.parametrize(
    ("labels", "understood"),
    [
        (("1_1", "1_2"), "(classification): 64 rows; 1_1 (31, 48.4 %), 1_2 (33, 51.6 %);"),
        (("2.1", "2.10"), "(classification): 64 rows; 2.1 (31, 48.4 %), 2.10 (33, 51.6 %);"),
        (("1e2", "1e3"), "(classification): 64 rows; 1e2 (31, 48.4 %), 1e3 (33, 51.6 %);"),
    ],
    ids=["S10-underscore", "S10-version", "S10-sibling"],
)
def test_names_that_python_reads_as_numbers(train, bert, tmp_path, labels, understood):
    lines = [(text, labels[label]) for text, label in ROWS]
    file = write_csv(tmp_path / "rows.csv", "text,label", lines)
    assert understood in said(train(bert, file))


@pytest.mark.parametrize("missing", ["NA", "null", ""], ids=["S11", "S11-sibling", "empty"])
def test_missing_labels_are_counted_and_may_be_left_out(train, run, bert, tmp_path, missing):
    lines = [(text, NAMES[i] if i % 4 else missing) for i, text in enumerate(TEXTS)]
    file = write_csv(tmp_path / "rows.csv", "text,label", lines)
    assert "16 of 64 rows have no value in column 'label' (lines 2, 6, 10," in run(bert, file)
    lines = said(train(bert, file, drop_missing=True))
    assert "16 of 64 rows without text or label are left out\n" in lines
    assert "(classification): 48 rows; neg (" in lines


def test_a_positive_class_is_never_guessed(train, run, bert, tmp_path):
    """S12."""
    lines = [(text, ("abusive", "benign")[min(1, i % 4)]) for i, text in enumerate(TEXTS)]
    file = write_csv(tmp_path / "rows.csv", "text,label", lines)
    assert "such as --positive-class abusive" in run(bert, file, "--task-metric", "f1")
    outcome = train(bert, file, metric="f1", positive_class="abusive")
    assert ", f1 is that of abusive;" in said(outcome)
    assert outcome.metrics["f1"] < 0.5
    assert "f1_macro" in train(bert, file).metrics


def test_names_that_leave_no_doubt_say_the_positive_class(train, bert, tmp_path):
    """A sibling of S12."""
    lines = [(text, ("yes", "no")[min(1, i % 4)]) for i, text in enumerate(TEXTS)]
    file = write_csv(tmp_path / "rows.csv", "text,label", lines)
    assert ", f1 is that of yes;" in said(train(bert, file, metric="f1"))


@pytest.mark.parametrize(
    ("name", "text", "understood"),
    [
        ("a.csv", "text;label", "the separator is the semicolon"),
        ("a.txt", "text|label", "the separator is the vertical bar"),
        ("a.csv", "v1,v2,", "text from v2, label from v1\n"),
        ("a.tsv", '"review"\t"sentiment"', "text from review, label from sentiment\n"),
    ],
    ids=["P4-semicolon", "P4-sibling", "P4-empty-column", "newcomer-quotes"],
)
def test_files_as_people_have_them(train, bert, tmp_path, name, text, understood):
    lines = [text]
    for words, label in zip(TEXTS, NAMES, strict=True):
        match text:
            case "v1,v2,":
                lines.append(f"{label},{words},")
            case "text;label":
                lines.append(f"{words}, really;{label}")
            case "text|label":
                lines.append(f"{words}|{label}")
            case _:
                lines.append(f'"{words}"\t"{label}"')
    (tmp_path / name).write_text("\n".join(lines) + "\n")
    lines = said(train(bert, str(tmp_path / name)))
    assert understood in lines
    assert "64 rows; neg (31, 48.4 %), pos (33, 51.6 %)" in lines


def test_a_line_with_wrong_quotes_is_named(run, bert, tmp_path):
    """P4."""
    file = write_csv(tmp_path / "rows.csv", "text,label", [*ROWS, ('"he said "good" twice"', 1)])
    assert "rows.csv, line 66 has a quote inside a quoted text" in run(bert, file)


def test_an_array_of_objects(train, bert, tmp_path):
    """P4."""
    rows_of = [{"text": text, "label": label} for text, label in ROWS]
    (tmp_path / "rows.jsonl").write_text(json.dumps(rows_of, indent=1))
    assert "64 rows; 0 (31, 48.4 %), 1 (33, 51.6 %)" in said(
        train(bert, str(tmp_path / "rows.jsonl"))
    )


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
    assert "neg (31, 48.4 %), pos (33, 51.6 %)" in said(train(bert, file))


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
def test_how_to_write_a_number_is_said(train, bert, tmp_path, scores):
    file = write_csv(tmp_path / "rows.csv", "text,score", zip(TEXTS, scores, strict=True))
    refusal = train(bert, file).refusal()
    assert re.search(
        r"line 2: label '\d+%' in column 'score' is not a number: write \d+,", refusal
    )


def test_an_advised_option_exists(train, progsearch, bert, tmp_path):
    """A sibling of P4."""
    words = [f"word {i}" for i in NUMBERS]
    file = write_csv(tmp_path / "rows.csv", "text,score", zip(TEXTS, words, strict=True))
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
