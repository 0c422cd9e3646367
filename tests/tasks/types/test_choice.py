"""Multiple choice: reading columns of choices, labels in any form, and their sequences."""

import csv
import json

import numpy as np
import pytest

from progsearch.config import TaskConfig
from progsearch.errors import TaskError
from progsearch.models.loading import load_tokenizer
from progsearch.tasks import load_task
from progsearch.tasks.reading import read_task
from tests.support.tiny import save_tiny

SWAG = {
    "sent1": "ann sings",
    "sent2": "she",
    **{f"ending{n}": word for n, word in enumerate(("stops", "flies", "is blue", "barks"))},
    "label": 0,
}


@pytest.fixture
def write(tmp_path):
    def write(rows, name="train", **settings):
        file = tmp_path / f"{name}.jsonl"
        file.write_text("\n".join(map(json.dumps, rows)))
        return TaskConfig(name="own", train_file=str(file), **settings)

    return write


def test_columns_of_swag_are_recognised(write):
    task = read_task(write([SWAG | {"label": i % 4} for i in range(40)]))
    assert (task.type.name, task.metrics) == ("multiple-choice", ("accuracy",))
    assert task.train.texts[0][0] == "ann sings"
    assert task.train.texts[1][0] == ("she stops", "she flies", "she is blue", "she barks")
    assert set(task.train.answers) == {0, 1, 2, 3}


def test_the_header_of_swag_in_csv(tmp_path):
    file = tmp_path / "train.csv"
    with file.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, ["video-id", "fold-ind", *SWAG])
        writer.writeheader()
        writer.writerows({"video-id": f"v{i}", "fold-ind": i, **SWAG} for i in range(20))
    assert read_task(TaskConfig(name="own", train_file=str(file))).type.name == "multiple-choice"


def test_labels_from_0_beside_columns_from_1(write, tmp_path):
    copa = {"premise": "who", "choice1": "ann", "choice2": "bob"}
    rest = tmp_path / "rest.jsonl"
    rest.write_text(json.dumps(copa | {"label": 1}))
    config = write([copa | {"label": i % 2} for i in range(20)], validation_file=str(rest))
    task = read_task(config)
    assert set(task.train.answers) == {0, 1}
    # What numbers mean is learned from the training rows.
    assert list(task.validation.answers) == [1]


@pytest.mark.parametrize(
    ("row", "place"),
    [
        ({"question": "who", "choices": ["ann", "bob", "eve"], "answer": "B"}, 1),
        ({"question": "who", "options": ["ann", "bob", "eve"], "label": 2}, 2),
        ({"context": "who", "endings": ["ann", "bob", "eve"], "label": "0"}, 0),
        ({"question": "who", "choices": ["ann", "bob", "eve"], "answer": "eve"}, 2),
        ({"question": "who", "choice1": "ann", "choice2": "bob", "label": 1}, 0),
        (
            {
                "question": "who",
                "choices": {"text": ["ann", "bob"], "label": ["A", "B"]},
                "answerKey": "B",
            },
            1,
        ),
    ],
)
def test_lists_of_choices_and_labels_of_any_form(write, row, place):
    task = read_task(write([row] * 20))
    assert task.type.name == "multiple-choice"
    assert set(task.train.answers) == {place}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"label": 3},
            "line 2: the label '3' is none of its 3 choices: give their numbers",
        ),
        ({"label": "E"}, "the label 'E' is none"),
        ({"label": 0.5}, r"the label '0\.5' is none"),
        ({"choices": ["ann"]}, "line 2 has 1 choices and the first training row 3"),
    ],
)
def test_rows_that_cannot_be_used_are_named(write, change, message):
    row = {"question": "who", "choices": ["ann", "bob", "eve"], "label": 1}
    with pytest.raises(TaskError, match=message):
        read_task(write([row, row | change]))


def test_pairs_with_a_class_are_no_choices(write):
    rows = [{"sent1": f"ann {i}", "sent2": f"she {i}", "label": i % 2} for i in range(20)]
    named = {"text_columns": ("sent1", "sent2"), "label_column": "label"}
    assert read_task(write(rows, **named)).type.name == "classification"
    with pytest.raises(TaskError, match="has no choices .* name the columns question, choices"):
        read_task(write(rows, type="multiple-choice"))


def test_each_choice_is_a_sequence(write, tmp_path):
    words = ["ann", "sings", "she", "stops", "flies", "is", "blue", "barks"]
    tokenizer = load_tokenizer(str(save_tiny(tmp_path / "model", words)))
    data = load_task(write([SWAG | {"label": i % 4} for i in range(20)]), tokenizer)
    batch = data.train.batch([0, 1])
    assert batch["input_ids"].shape == (2, 4, 8)
    assert batch["labels"].shape == (2,)
    decoded = [tokenizer.decode(ids, skip_special_tokens=True) for ids in batch["input_ids"][0]]
    assert decoded == ["ann sings she " + word for word in ("stops", "flies", "is blue", "barks")]
    assert batch["attention_mask"].sum(-1)[0].tolist() == [7, 7, 8, 7]
    # The same rows after a subset, and one row for its loss.
    assert data.train.subset([1]).batch([0])["input_ids"].equal(data.train.batch([1])["input_ids"])
    assert set(data.train.units) == {1}
    labels = data.validation.targets["labels"].numpy()
    assert data.evaluate(np.eye(4)[labels], data.validation) == {"accuracy": 1.0}
    assert data.is_constant(np.eye(4)[[1] * 2], data.validation)
    assert data.majority() == pytest.approx(np.bincount(labels).max() / len(labels))
