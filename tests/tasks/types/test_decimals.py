"""Which labels that look like numbers are numbers to predict, and which are names."""

from __future__ import annotations

import pytest

from progsearch.config import TaskConfig
from progsearch.errors import TaskError
from progsearch.tasks.reading import read_task
from progsearch.tasks.sources.cells import number
from progsearch.tasks.types.decimals import are_to_predict, number_meant


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([f"{i / 7:.4f}" for i in range(50)], True),
        ([i / 7 for i in range(50)], True),
        ([f"{i / 2}" for i in range(2, 11)] * 20, True),  # ratings in half steps
        (["0.5", "1.25", "3"] * 3, True),
        ([f"{i / 7:.4f}" for i in range(50)] + ["high"], True),  # a mistake, named later
        (["1", "2", "3"] * 9, False),
        ([1, 2, 3] * 9, False),
        (["1_1", "1_2"] * 9, False),
        (["2.1", "2.10"] * 2, False),
        (["2.1", "2.2", "3.0"] * 9, False),
        (["1e2", "1e3"] * 9, False),
        (["1.0", "2.0", "3.0", "4.0", "5.0"], False),
        ([0.0, 1.0], False),
        ([float(i) for i in range(50)], True),
        (["1.5", "a", "b"] * 3, False),
    ],
)
def test_decimals_are_numbers_to_predict_if_that_is_plausible(values, expected):
    assert are_to_predict(values) is expected


@pytest.mark.parametrize(
    "name", ["1_1", "0x10", "inf", "nan", "1,5", "１", "--1", "1.2.3", "", "."]
)
def test_what_python_reads_or_people_write_as_a_number_may_be_a_name(name):
    assert number(name) is None


@pytest.mark.parametrize(
    ("value", "meant"),
    [("33%", "33"), ("$ 5", "5"), ("0,5", "0.5"), ("5 €", "5"), ("1.5", None), ("high", None)],
)
def test_labels_that_would_be_numbers(value, meant):
    assert number_meant(value) == meant


@pytest.mark.parametrize("kind", [None, "regression"])
def test_the_spelling_of_numbers_is_corrected_by_the_user(tmp_path, kind):
    file = tmp_path / "train.csv"
    file.write_text("text,score\n" + "".join(f"a film {i},{i + 1}%\n" for i in range(40)))
    with pytest.raises(TaskError, match="line 2: label '1%' in column 'score' is not a number"):
        read_task(TaskConfig(name="own", train_file=str(file), type=kind))


@pytest.mark.parametrize("text", ["1", "-1.5", "+.5", "2.", "1e-3", " 7 ", "007"])
def test_numbers(text):
    assert number(text) == float(text)


@pytest.mark.parametrize("labels", [("2.1", "2.10"), ("1_1", "1_2"), ("007", "07")])
def test_classes_stay_what_the_file_says(tmp_path, labels):
    file = tmp_path / "train.csv"
    rows = [f"a film {i},{labels[i % 2]}" for i in range(40)]
    file.write_text("\n".join(["text,label", *rows]) + "\n")

    task = read_task(TaskConfig(name="own", train_file=str(file)))

    assert task.type.name == "classification"
    assert task.head.label_names == labels
    said = [note for note in task.notes if "--type regression predicts them" in note]
    assert len(said) == ("." in labels[0])
    config = TaskConfig(name="own", train_file=str(file), type="regression")
    match labels[0]:
        case "1.0":
            assert read_task(config).type.name == "regression"
        case "2.1" | "007":
            with pytest.raises(TaskError, match="has only the number"):
                read_task(config)
