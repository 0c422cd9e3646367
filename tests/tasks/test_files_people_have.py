"""Files as people have them, each with its right answer."""

from __future__ import annotations

import csv
import io
import json
import random

import pandas
import pytest

from progsearch.config import TaskConfig
from progsearch.errors import TaskError
from progsearch.tasks.reading import read_task

N = 60
WORDS = ("the", "battery", "lasts", "good", "bad", "never", "again", "works", "price", "late")


@pytest.fixture
def draw():
    """Random numbers, the same in each test."""
    return random.Random(0)


@pytest.fixture
def texts(draw):
    """Makes texts of about that many words."""
    return lambda words=8: [
        " ".join(draw.choices(WORDS, k=draw.randint(words - 2, words + 2))) for _ in range(N)
    ]


@pytest.fixture
def some(draw):
    """Makes a column of some values."""
    return lambda *values: [*values, *draw.choices(values, k=N - len(values))]


@pytest.fixture
def read(tmp_path):
    """Reads a file of some content as a task."""

    def task(name, content, written="utf-8", **fields):
        path = tmp_path / name
        path.write_bytes(content.encode(written))
        return read_task(TaskConfig(name="own", train_file=str(path), **fields))

    return task


def table(**columns):
    """The columns as CSV."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return file.getvalue()


def lines(**columns):
    """The columns as JSON Lines."""
    rows = zip(*columns.values(), strict=True)
    return "".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows)


IDS = [str(7000 + 13 * i) for i in range(N)]
TWITTER = [f"Mon Apr 06 22:{i % 60:02}:45 PDT 2009" for i in range(N)]
STAMPS = [1303862400 + 86400 * i for i in range(N)]


def sentiment140(texts, some):
    return {
        "target": some(0, 4),
        "ids": IDS,
        "date": TWITTER,
        "flag": ["NO_QUERY"] * N,
        "user": [f"user{i % 13}x" for i in range(N)],
        "text": texts(),
    }


def amazon(texts, some):
    return {
        "ProductId": some("B001A", "B001B", "B002C"),
        "UserId": [f"A3S{i}{'XYZ'[i % 3]}" for i in range(N)],
        "HelpfulnessNumerator": some(0, 1, 2),
        "Score": some(1, 2, 3, 4, 5),
        "Time": STAMPS,
        "Summary": texts(4),
        "Text": texts(20),
    }


def tweets(texts, some):
    return {
        "tweet_id": [570306133677760513 + 1001 * i for i in range(N)],
        "airline_sentiment": some("neutral", "positive", "negative"),
        "airline": some("United", "Delta"),
        "retweet_count": some(0, 1, 2),
        "text": texts(),
        "tweet_created": [f"2015-02-24 11:{i % 60:02}:52 -0800" for i in range(N)],
    }


def questions(texts, some):
    return {
        "id": IDS,
        "qid1": IDS,
        "qid2": IDS[::-1],
        "question1": texts(),
        "question2": texts(),
        "is_duplicate": some(0, 1),
    }


@pytest.mark.parametrize(
    ("columns", "found", "label", "classes"),
    [
        (sentiment140, ("text",), "target", 2),
        (amazon, ("Summary", "Text"), "Score", 5),
        (tweets, ("text",), "airline_sentiment", 3),
        (questions, ("question1", "question2"), "is_duplicate", 2),
        (
            lambda t, s: {"Class Index": s(1, 2, 3, 4), "Title": t(), "Description": t(20)},
            ("Title", "Description"),
            "Class Index",
            4,
        ),
        (
            lambda t, s: {
                "genre": s("fiction", "slate"),
                "gold_label": s("neutral", "entailment"),
                "sentence1": t(),
                "sentence2": t(),
            },
            ("sentence1", "sentence2"),
            "gold_label",
            2,
        ),
        (
            lambda t, s: {"Quality": s(0, 1), "#1 ID": IDS, "#1 String": t(), "#2 String": t()},
            ("#1 String", "#2 String"),
            "Quality",
            2,
        ),
        (
            lambda t, s: {"subject": t(), "description": t(20), "category": s("bug", "bill")},
            ("subject", "description"),
            "category",
            2,
        ),
        (
            lambda t, s: {"Review Title": t(4), "Review Text": t(20), "stars": s(1, 2)},
            ("Review Title", "Review Text"),
            "stars",
            2,
        ),
        (
            lambda t, s: {"question": t(), "passage": t(20), "answer": s("True", "False")},
            ("question", "passage"),
            "answer",
            2,
        ),
        (
            lambda t, s: {"text": t(), "label_id": [0, 1] * 30, "label_name": ["no", "up"] * 30},
            ("text",),
            "label_name",
            2,
        ),
        (lambda t, s: {"text": IDS, "label": s("a", "b")}, ("text",), "label", 2),
        (
            lambda t, s: {"url": [f"http://a{i}.com/b" for i in range(N)], "type": s("a", "b")},
            ("url",),
            "type",
            2,
        ),
        (
            lambda t, s: {"note": t(), "icd9_code": s("250.00", "401.9", "414.01")},
            ("note",),
            "",
            3,
        ),
        (
            lambda t, s: {"text": t(), "lead_time": s(1.5, 2.25), "sentiment": s("a", "b")},
            ("text",),
            "sentiment",
            2,
        ),
    ],
)
def test_columns_of_well_known_files_are_found(columns, found, label, classes, read, texts, some):
    made = columns(texts, some)
    task = read("train.csv", table(**made))

    assert task.text_columns == found
    assert task.label_column == label or not label
    assert (task.type.name, task.head.n_outputs) == ("classification", classes)


@pytest.mark.parametrize("name", ["reading_time", "wait_time"])
def test_a_duration_may_be_a_number_to_predict(name, read, texts, draw):
    numbers = [round(9 * draw.random(), 2) for _ in range(N)]
    assert read("train.csv", table(text=texts(), **{name: numbers})).label_column == name


def test_labels_that_other_programs_write_with_a_point_are_the_same_classes(tmp_path, read, some):
    """A column of integers is written with a point by pandas if one of them is missing."""
    rows = list(zip(range(N), some("1.0", "0.0"), strict=True))
    other = tmp_path / "dev.csv"
    other.write_text("text,label\n" + "".join(f"a film {i},{int(y == '1.0')}\n" for i, y in rows))
    content = "text,label\n" + "".join(f"film {i},{label}\n" for i, label in rows)

    task = read("train.csv", content, validation_file=str(other))

    assert task.head.label_names == ("0", "1")
    assert task.train.answers.tolist() == task.validation.answers.tolist()
    assert not task.notes


@pytest.mark.parametrize(
    ("labels", "message", "kind"),
    [
        (("Positive", "positive ", "bad"), "'Positive', 'positive'.*--type classif", None),
        (("TRUE", "True", "FALSE"), "'TRUE', 'True'", None),
        (("tea", "caf\xe9", "cafe\u0301"), "invisible characters", None),
        (("tea", "a", "a\u200b"), r"'a', 'a\\u200b'", None),
        (("price", "price,quality", "quality"), "','.*'price,quality'.*--type multil", "price"),
        (("up", "up|down", "down|up"), r"'\|' between them", "down"),
        ((*(f"{i} %" for i in range(20)),), "'0 %' in column 'label' is not a number: wr", None),
        ((*(f"{i},5" for i in range(20)),), "'0,5' in column 'label' is not a number: wr", None),
        (("1", "2", "5", "1,5", "2,5"), "decimals with points", "1"),
        (("<c++>", "<c++><python>"), "several tags", None),
        (("#a", "#a #b"), "several tags .'#a #b'.: give --type multilabel", "#a"),
        (("price", "price  size", "size"), "with blanks between them .'price  size'", "price"),
    ],
)
def test_labels_that_are_probably_not_what_they_seem(labels, message, kind, read, texts, some):
    content = table(text=texts(), label=some(*labels))
    with pytest.raises(TaskError, match=message):
        read("train.csv", content)
    # What the message advises works.
    if len({label.strip() for label in labels}) <= 5:
        assert read("train.csv", content, type="classification").head.n_outputs == len(labels)
    if kind is not None:
        task = read("train.csv", content, type="multilabel")
        assert task.head.label_names[0] == kind
        assert task.train.answers.sum(axis=1).max() == 2


@pytest.mark.parametrize("labels", [("Salem, OR", "Austin, TX", "Dallas, TX"), ("+", "-")])
def test_names_of_classes_with_signs_are_classes(labels, read, texts, some):
    task = read("train.csv", table(text=texts(), label=some(*labels)))
    assert set(task.head.label_names) == set(labels)
    assert not task.notes


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (("price size", "size price", "film"), True),
        (("a b", "b c", "a c", "c b"), True),
        (("not spam", "spam"), False),
        (("world news", "local news", "sport"), False),
    ],
)
def test_names_that_may_be_several_labels_are_said(labels, said, read, texts, some):
    content = table(text=texts(), label=some(*labels))
    notes = read("train.csv", content).notes
    assert ["with blanks between them" in note for note in notes] == [True] * said
    assert not read("train.csv", content, type="classification").notes


def test_blanks_separate_labels_only_if_nothing_else_does(read, texts, some):
    content = table(text=texts(), label=some("new york, paris", "paris", "rome", "rome, paris"))
    task = read("train.csv", content, type="multilabel")
    assert task.head.label_names == ("new york", "paris", "rome")


def test_lists_that_are_asked_for_as_classes_are_said(read, texts, some):
    content = table(text=texts(), label=some("['a', 'b']", "['a']", "['b']"))
    task = read("train.csv", content, type="classification")
    assert task.head.label_names == ("['a', 'b']", "['a']", "['b']")
    assert any("each different list in column label is read as one class" in n for n in task.notes)
    with pytest.raises(TaskError, match="lists or dictionaries.*use --type multilabel"):
        read(
            "train.jsonl",
            lines(text=texts(), label=some(["a", "b"], ["a"])),
            type="classification",
        )


@pytest.mark.parametrize(
    ("labels", "said"),
    [(("0", "1", "2", "-1"), True), (("a", "b", "-"), True), (("-1", "0", "1"), False)],
)
def test_names_that_mark_rows_without_a_label_are_said(labels, said, read, texts, some):
    notes = read("train.csv", table(text=texts(), label=some(*labels))).notes
    assert ["marks rows without a label" in note for note in notes] == [True] * said


def test_few_decimals_that_are_predicted_are_said(read, texts, some):
    halves = [value / 2 for value in range(2, 11)]
    (note,) = read("train.csv", table(text=texts(), stars=some(*halves))).notes
    assert "the 9 different numbers in column stars are predicted as numbers; --type class" in note


def test_lists_of_one_label_each_are_classes(tmp_path, read, texts, some):
    content = lines(text=texts(), label=some(["a"], ["b"]))
    task = read("train.jsonl", content)

    assert (task.type.name, task.head.label_names) == ("classification", ("a", "b"))
    assert "each list in column label has one label" in task.notes[0]
    assert read("train.jsonl", content, type="multilabel").type.name == "multilabel"
    other = tmp_path / "dev.jsonl"
    other.write_text('{"text": "a b", "label": ["a", "b"]}\n')
    with pytest.raises(TaskError, match="line 1 has not one label.*give --type multilabel"):
        read("train.jsonl", content, validation_file=str(other))
    with pytest.raises(TaskError, match="1 of 61 rows have no value in column 'label'"):
        read("train.jsonl", content + '{"text": "a b", "label": null}\n')


def test_lists_that_numpy_writes(read, texts, some):
    names = some("['price' 'quality']", "[\"it's late\" 'price']", "['price']")
    task = read("train.csv", table(text=texts(), labels=names))
    assert task.head.label_names == ("it's late", "price", "quality")
    task = read("train.csv", table(text=texts(), labels=some("[3 10]", "[27]", "[ 3]")))
    assert task.head.label_names == ("3", "10", "27")


def test_multi_label_data_without_lists_says_how_lists_are_written(read, texts, some):
    with pytest.raises(TaskError, match="has no lists of labels.*--type classification if"):
        read("train.csv", table(text=texts(), label=some("a", "b")), type="multilabel")
    with pytest.raises(TaskError, match=r"--drop-missing \(\[\] stands for a row that has no"):
        read("train.csv", table(text=texts(), label=some("['a']", "['a', 'b']", "")))
    yes_or_no = {name: some("Yes", "No", "No") for name in ("price", "quality")}
    with pytest.raises(TaskError, match="multi-label, given as --label-column price,quality"):
        read("train.csv", table(text=texts(), **yes_or_no))


def test_one_column_per_class_is_no_multi_label_data(read, texts):
    hot = {name: [int(i % 3 == place) for i in range(N)] for place, name in enumerate("abc")}
    with pytest.raises(TaskError, match="each row has exactly one of a, b and c: write its name"):
        read("train.csv", table(text=texts(), **hot))


FRAME = pandas.DataFrame({"text": ["a b c", "b c d", "d e"], "label": ["x", "y", "x"]})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"version": 1, "data": [{"text": "a"}]}', "keys 'version', 'data', not a table of.*ori"),
        ('{"intents": [{"tag": "a", "patterns": []}]}', "one object with the keys 'intents'"),
        (FRAME.to_json(orient="split"), "keys 'columns', 'index', 'data'"),
        (FRAME.to_json(orient="table", indent=1), "keys 'schema', 'data'"),
        ('{"train": [["a", "b"]]}', "keys 'train'"),
        ('[{"text": "a"},\n{"text": "b"},\n]', "line 3 is not JSON: .*correct the array there"),
        ('[["a", "b"]]', 'item 1 must be an object, such as {"text": ..., "label": ...}'),
        (
            '{"id": 1, "text": "a b", "annotations": [{"label": 1}]}\n' * 5,
            r"annotations \(lists of objects\): add a column",
        ),
    ],
)
def test_json_of_other_shapes(content, message, read):
    with pytest.raises(TaskError, match=message):
        read("train.json", content)


@pytest.mark.parametrize("orient", ["columns", "index", "records"])
def test_json_of_pandas(orient, read, texts, some):
    frame = pandas.DataFrame({"text": texts(), "label": some("a", "b")})
    task = read("train.json", frame.to_json(orient=orient))
    assert {*task.train.texts[0], *task.validation.texts[0]} == set(frame["text"])
    assert task.head.label_names == ("a", "b")


ROWS = "".join(f"film {i} was,{'ab'[i % 2]}\n" for i in range(20))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("# exported by a tool\ntext,label\n" + ROWS, "line 2 has 2 fields.*remove the lines bef"),
        ("Survey,\ntext,label\n" + ROWS, "line 2 looks like the names of the columns: remove"),
        ("Survey,\nsays,mood\n" + ROWS, r"names only one column \('Survey'\): remove the lines"),
        ("text,label\n" + ROWS + "text,label\n" + ROWS, "line 22 repeats the names of the col"),
        ("text,label\n" + ROWS + "20 rows\n", "line 22 has 1 field, .*: complete or remove the"),
        ("text|label\n---|---\na b|c\n", "is a table of Markdown"),
        ("text,label\n" + "'a film','x'\n" * 9, "between single quotes"),
        ("__label__a a film\n__label__b a day\n", "in the format of fastText"),
        ('{"text": "a", "label": 1}\n', "is JSON, whatever its name says: rename it"),
        ("<!DOCTYPE html>\n<html>, a\n", "is a web page"),
        ("version https://git-lfs.github.com/spec/v1\noid x\n", "git lfs pull"),
        ("text label\na b\n", "only text label .*; give --separator if"),
    ],
)
def test_text_files_that_are_no_tables_say_what_they_are(content, message, read):
    with pytest.raises(TaskError, match=message):
        read("train.csv", content)


def test_what_spreadsheets_write(read):
    rows = ROWS.replace(",", ";")
    task = read("train.csv", "sep=;\r\ntext;label\r\n" + rows)
    assert (task.text_columns, task.label_column) == (("text",), "label")
    with pytest.raises(TaskError, match="line 23 has 1 field"):
        read("train.csv", "sep=;\r\ntext;label\r\n" + rows + "a\n")

    task = read("train.csv", "text,label\n" + ROWS + ",\n , \n")
    assert (len(task.train) + len(task.validation), len(task.notes)) == (20, 1)
    assert "2 rows without any value are left out" in task.notes[0]

    prices = "".join(f"das Haus {i};1.{200 + i},5{i % 10}\n" for i in range(20))
    task = read("train.csv", "text;price\n" + prices)
    assert task.type.name == "regression"
    assert max([*task.train.answers, *task.validation.answers]) == pytest.approx(1219.59)


@pytest.mark.parametrize(
    ("encoding", "text"), [("gb18030", "手机电池很好"), ("windows-1251", "хороший телефон")]
)
def test_text_of_other_languages_is_not_taken_as_western(encoding, text, read, some):
    labels = some("a", "b")
    content = table(text=[f"{text} {i}" for i in range(N)], label=labels)
    with pytest.raises(TaskError, match="not UTF-8.*gb18030"):
        read("train.csv", content, encoding)
    with pytest.raises(TaskError, match="probably not windows-1252: in it.*windows-1251"):
        read("train.csv", content, encoding, encoding="windows-1252")
    task = read("train.csv", content, encoding, encoding=encoding)
    assert task.train.texts[0][0].startswith(text)
