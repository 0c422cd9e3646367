import json
from itertools import combinations, product

import datasets
import numpy as np
import pytest
from sklearn.metrics import f1_score

from progsearch.config import Answers, TaskConfig
from progsearch.errors import TaskError
from progsearch.models.head import Head
from progsearch.tasks.reading import read_task
from progsearch.tasks.split import Split
from progsearch.tasks.trained_head import fit_to_head
from progsearch.tasks.types.multilabel import MultiLabel

NAMES = ("price", "quality", "shipping")
# The labels of six rows; the fourth has none.
ROWS = [(1, 1, 0), (0, 1, 1), (0, 1, 0), (0, 0, 0), (1, 0, 0), (0, 1, 0)]


def named(row):
    return [name for name, flag in zip(NAMES, row, strict=True) if flag]


@pytest.fixture
def task_of(tmp_path):
    """The task of a column of labels as JSON lines or CSV, with the same rows as validation data.

    Without labels it has those of ``columns``, in CSV.
    """

    def read(labels=None, suffix=".jsonl", validation=None, columns=None, **config):
        def write(name, labels):
            rows = [{"text": f"text {i}", "labels": cell} for i, cell in enumerate(labels)]
            file = tmp_path / f"{name}{suffix}"
            if suffix == ".jsonl":
                lines = [json.dumps(row) for row in rows]
            else:
                quoted = (str(row["labels"]).replace('"', '""') for row in rows)
                cells = ['"text"', '"labels"']
                lines = [",".join(cells), *(f'a text,"{cell}"' for cell in quoted)]
            file.write_text("\n".join(lines) + "\n")
            return str(file)

        if columns is not None:
            lines = [f"text,{','.join(NAMES)}", *(f"a text,{','.join(row)}" for row in columns)]
            (tmp_path / "train.csv").write_text("\n".join(lines) + "\n")
            train = str(tmp_path / "train.csv")
        else:
            train = write("train", labels)
        given = {"validation_file": write("validation", validation) if validation else train}
        return read_task(TaskConfig(name="own", train_file=train, **given | config))

    return read


FORMS = {
    "lists of names": [named(row) for row in ROWS],
    "lists of 0 and 1": [list(row) for row in ROWS],
    "lists of truths": [[bool(flag) for flag in row] for row in ROWS],
    "dictionaries": [dict(zip(NAMES, row, strict=True)) for row in ROWS],
    "dictionaries without some names": [
        dict(zip(NAMES, ROWS[0], strict=True)),
        *(dict.fromkeys(named(row), True) or {"price": False} for row in ROWS[1:]),
    ],
    "lists of indices": [np.flatnonzero(row).tolist() for row in ROWS],
}
TEXTS = {
    "lists as Python writes them": [str(named(row)) for row in ROWS],
    "lists as JSON writes them": [json.dumps(named(row)) for row in ROWS],
    "arrays as numpy writes them": [str(np.array(row)) for row in ROWS],
    "dictionaries as JSON writes them": [
        json.dumps(dict(zip(NAMES, r, strict=True))) for r in ROWS
    ],
    "sets": [str(set(named(row)) or []) for row in ROWS],
}


@pytest.mark.parametrize("form", FORMS)
def test_lists_and_dictionaries_are_multi_label_data(form, task_of):
    task = task_of(FORMS[form])
    names = NAMES if "names" in form or "dict" in form else ("0", "1", "2")
    assert task.type.name == "multilabel"
    assert task.head == Head(3, names, problem_type="multi_label_classification")
    assert task.metrics == ("f1_micro", "f1_macro", "subset_accuracy")
    assert task.train.answers.tolist() == [list(row) for row in ROWS]
    assert task.train.answers.dtype == np.float32


@pytest.mark.parametrize("form", TEXTS)
def test_lists_written_as_text_are_read(form, task_of):
    task = task_of(TEXTS[form], ".csv")
    assert (task.type.name, task.label_column) == ("multilabel", "labels")
    assert task.train.answers.tolist() == [list(row) for row in ROWS]


@pytest.mark.parametrize(("no", "yes"), [("0", "1"), ("false", "True"), ("no", "Yes")])
def test_several_columns_are_named_with_commas_or_as_a_list(no, yes, task_of):
    columns = [[yes if flag else no for flag in row] for row in ROWS]
    for label in ("price,quality,shipping", " price, quality,shipping ", list(NAMES)):
        task = task_of(columns=columns, label_column=label)
        assert task.train.answers.tolist() == [list(row) for row in ROWS]
        assert (task.text_columns, task.head.label_names) == (("text",), NAMES)
        assert task.label_column == "price, quality, shipping"
    turned = task_of(columns=columns, label_column="shipping,price")
    assert turned.head.label_names == ("shipping", "price")
    assert turned.train.answers.tolist() == [[row[2], row[0]] for row in ROWS]


def test_a_column_whose_name_has_a_comma_is_one_column(tmp_path):
    rows = ['text,"a,b"', *(f"text {i},{i % 2}" for i in range(8))]
    (tmp_path / "train.csv").write_text("\n".join(rows) + "\n")
    file = str(tmp_path / "train.csv")
    task = read_task(TaskConfig(name="own", train_file=file, label_column="a,b"))
    assert (task.type.name, task.head.label_names) == ("classification", ("0", "1"))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([["a", "b"], ["a"], None], r"1 of 3 rows have no value in column 'labels' \(line 3\)"),
        ([["a"], []], "has fewer than two labels in column 'labels'"),
        ([[], []], "has fewer than two labels"),
        ([["a", "b"], ["a", None]], r"line 2: \['a', None\] in column 'labels' is not like"),
        ([["a", "b"], [["a"]]], r"line 2: \[\['a'\]\]"),
        ([{"a": 1, "b": 0}, {"a": 2}], "it may be labels.a or labels.b"),
        ([["a", "b"], "a"], "line 2: 'a' in column 'labels' is not like"),
        ([["a", "b"], True], "line 2: True in column"),
    ],
)
def test_what_is_no_set_of_labels_is_refused_with_its_row(labels, message, task_of):
    with pytest.raises(TaskError, match=message):
        task_of(labels)


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("price,weight", "no column 'weight'"),
        ("price,price", "column 'price' is named twice"),
        ("price,text", "line 2: 'a text' in label column 'text' must be 0 or 1"),
    ],
)
def test_label_columns_that_cannot_be_used_are_refused(label, message, task_of):
    columns = [[str(flag) for flag in row] for row in ROWS]
    with pytest.raises(TaskError, match=message):
        task_of(columns=columns, label_column=label)
    with pytest.raises(TaskError, match="line 3: '' in label column 'quality' must be 0 or 1"):
        columns[1][1] = ""
        task_of(columns=columns, label_column="price,quality")


def test_labels_and_lengths_of_the_validation_data_must_be_known(task_of):
    with pytest.raises(TaskError, match=r"validation\.jsonl, line 1: label 'size' does not occur"):
        task_of(FORMS["lists of names"], validation=[["size"]])
    with pytest.raises(TaskError, match=r"validation\.jsonl, line 2: \[1, 0\]"):
        task_of(FORMS["lists of 0 and 1"], validation=[[1, 0, 0], [1, 0]])


def test_dictionaries_are_checked_by_their_keys(task_of):
    dictionaries = [{"a": 1, "b": 0}, {"a": 0, "b": 1}] * 2
    with pytest.raises(TaskError, match=r"validation\.jsonl: label 'c' does not occur"):
        task_of(dictionaries, validation=[{"c": 1}])
    # A key that the validation data lacks is a label that none of its rows has.
    task = task_of(dictionaries, validation=[{"b": 1}])
    assert np.asarray(task.validation.answers).tolist() == [[0, 1]]
    with pytest.raises(TaskError, match="line 2: 2 in label column 'labels.a' must be 0 or 1"):
        task_of([{"a": 1, "b": 0}, {"a": 2}], label_column="labels")


def test_other_types_refuse_lists(task_of):
    with pytest.raises(TaskError, match="use --type multilabel"):
        task_of(FORMS["lists of names"], type="classification")


@pytest.mark.parametrize("classes", [["[no]", "[yes]"], ["(a", "b)"], ["{", "["]])
def test_brackets_alone_make_no_lists(classes, task_of):
    assert task_of(classes * 4, ".csv").type.name == "classification"


def test_indices_of_the_hub_become_names(tmp_path):
    labels = [np.flatnonzero(row).tolist() for row in ROWS]
    features = datasets.Features(
        {
            "text": datasets.Value("string"),
            "labels": datasets.Sequence(datasets.ClassLabel(names=["shipping", "price", "size"])),
        }
    )
    rows = {"text": [f"text {i}" for i in range(6)], "labels": labels}
    folder = tmp_path / "owner" / "data"
    folder.mkdir(parents=True)
    datasets.Dataset.from_dict(rows, features).to_parquet(folder / "train.parquet")
    task = read_task(TaskConfig(name=str(folder)))
    # The declared order, with a label that no row has but one.
    assert task.head.label_names == ("shipping", "price", "size")
    found = {tuple(row) for row in [*task.train.answers, *task.validation.answers]}
    assert found == set(ROWS)


def split_of(answers):
    n = len(answers)
    targets = {"labels": np.asarray(answers, dtype=np.float32)}
    return Split(np.arange(n), np.ones(n, dtype=np.int64), targets)


def test_metrics_by_hand():
    truth, kind = split_of([(1, 1), (0, 1), (0, 0), (1, 0)]), MultiLabel()
    # The third row gets a wrong label, the fourth lacks one.
    logits = np.array([[2, 1], [-1, 3], [-1, 0.1], [-2, -1]])
    found = kind.evaluate(kind.default_metrics(None), logits, truth)
    # First label: 1 true positive, 1 false negative. Second: 2 true and 1 false positive.
    assert found == {
        "f1_micro": pytest.approx(2 * 3 / (2 * 3 + 1 + 1)),
        "f1_macro": pytest.approx((2 / 3 + 4 / 5) / 2),
        "subset_accuracy": 0.5,
    }
    assert kind.per_class(logits, truth, Head(2, ("a", "b"))) == {
        "a": {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2},
        "b": {"precision": pytest.approx(2 / 3), "recall": 1.0, "f1": 0.8, "support": 2},
    }
    assert np.isnan(list(kind.evaluate(["f1_micro"], logits * np.nan, truth).values())).all()
    assert kind.answers(truth, Head(2, ("a", "b"))) == Answers(
        classes={"a": 2, "b": 2}, labelled=3
    )
    assert "3 with a label" in kind.answers(truth, Head(2, ("a", "b"))).in_words(4)


@pytest.mark.parametrize("seed", range(4))
def test_the_constant_answer_is_the_best_one(seed):
    labels = np.random.default_rng(seed).random((9, 3)) < (0.2, 0.5, 0.7)
    scores = {
        "f1_micro": lambda p: f1_score(labels, p, average="micro", zero_division=0),
        "f1_macro": lambda p: f1_score(labels, p, average="macro", zero_division=0),
        "subset_accuracy": lambda p: (labels == p).all(axis=1).mean(),
    }
    for name, score in scores.items():
        best = max(score(np.tile(row, (9, 1))) for row in product((False, True), repeat=3))
        assert MultiLabel().constant(name, split_of(labels)) == pytest.approx(best)


def test_the_same_labels_for_all_rows_are_constant():
    truth, kind = split_of(ROWS), MultiLabel()
    logits = np.random.default_rng(0).random((6, 3))
    assert kind.is_constant(logits, truth)
    assert kind.is_constant(-logits, truth)
    logits[2, 1] = -1
    assert not kind.is_constant(logits, truth)


def test_subsets_keep_the_share_of_rare_labels():
    answers = np.zeros((100, 3), dtype=np.float32)
    answers[:, 0] = 1
    answers[::10, 1] = 1
    answers[5, 0] = 0
    strata = MultiLabel().strata(answers)
    assert np.bincount(strata, minlength=4).tolist() == [89, 10, 0, 1]


def test_a_trained_head_decides_the_order_of_the_labels(task_of):
    task = task_of(FORMS["lists of names"])
    trained = Head(3, ("shipping", "price", "quality"), is_new=False)
    fitted = fit_to_head(task, trained)
    assert fitted.head.label_names == trained.label_names
    assert np.asarray(fitted.train.answers).tolist() == [[row[2], row[0], row[1]] for row in ROWS]
    assert fitted.head.problem_type == "multi_label_classification"
    other = fit_to_head(task, Head(3, ("x", "y", "z"), is_new=False))
    assert other.head.replaces


def test_every_pair_of_rows_of_names_is_read_as_both(task_of):
    for one, other in combinations(ROWS, 2):
        # Lists of one label each are classes.
        if sum(map(bool, np.add(one, other))) >= 2 and (sum(one), sum(other)) != (1, 1):
            task = task_of([named(one), named(other)])
            present = np.add(one, other) > 0
            expected = [np.array(row)[present].tolist() for row in (one, other)]
            assert task.train.answers.tolist() == expected
