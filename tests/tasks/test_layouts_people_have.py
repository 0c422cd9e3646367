"""Layouts of questions, choices, tags and conversations as people have them."""

from __future__ import annotations

import json

import pytest

from progsearch.config import TaskConfig
from progsearch.errors import TaskError
from progsearch.tasks.reading import read_task

N = 24
LETTERS = "ABCD"
FOUR = ["one a", "two b", "three c", "four d"]


@pytest.fixture
def read(tmp_path):
    """Reads rows, or a text, as a task."""

    def task(rows, name="train.jsonl", **fields):
        path = tmp_path / name
        if not isinstance(rows, str):
            rows = "".join(json.dumps(rows(n)) + "\n" for n in range(N))
        path.write_text(rows)
        return read_task(TaskConfig(name="own", train_file=str(path), **fields))

    return task


def letter(n):
    return {"answer": LETTERS[n % 4]}


CHOICES = {
    "mmlu": lambda n: {"question": f"q{n}", **dict(zip(LETTERS, FOUR, strict=True)), **letter(n)},
    "options": lambda n: (
        {"question": f"q{n}"}
        | {f"option_{name.lower()}": text for name, text in zip(LETTERS, FOUR, strict=True)}
        | letter(n)
    ),
    "openbook": lambda n: {
        "question_stem": f"q{n}",
        "choices": {"text": FOUR, "label": list(LETTERS)},
        "answerKey": LETTERS[n % 4],
    },
    "csqa": lambda n: {
        "id": f"x{n}",
        "question": {
            "stem": f"q{n}",
            "choices": [{"label": a, "text": t} for a, t in zip(LETTERS, FOUR, strict=True)],
        },
        "answerKey": LETTERS[n % 4],
    },
    "piqa": lambda n: {"goal": f"q{n}", "sol1": FOUR[0], "sol2": FOUR[1], "label": n % 2},
    "winogrande": lambda n: {
        **{"sentence": f"q{n}", "option1": FOUR[0], "option2": FOUR[1]},
        "answer": str(1 + n % 2),
    },
}


@pytest.mark.parametrize("name", CHOICES)
def test_choices(name, read):
    task = read(CHOICES[name])
    assert task.type.name == "multiple-choice"
    beginnings, choices = task.train.texts
    several = 4 if name not in ("piqa", "winogrande") else 2
    assert set(choices) == {tuple(FOUR[:several])}
    right = [int(beginning[1:]) % several for beginning in beginnings]
    assert list(task.train.answers) == right


def test_a_question_on_a_text_comes_with_its_text(read):
    race = read(lambda n: {"article": f"t{n}", "question": "q", "options": FOUR, **letter(n)})
    assert race.train.texts[0][0] == "t0"
    assert race.train.texts[1][0] == tuple(f"q {choice}" for choice in FOUR)
    copa = read(
        lambda n: (
            {"premise": f"p{n}", "choice1": "a b", "choice2": "c d", "question": "cause"}
            | {"label": n % 2}
        )
    )
    assert copa.train.texts[0][0] == "p0"
    assert copa.train.texts[1][0] == ("cause a b", "cause c d")


def test_columns_called_by_letters_are_no_choices_if_labels_are_no_letters(read):
    task = read(lambda n: {"text": f"good {n % 7}", "a": n % 3, "b": n % 5, "label": n % 2})
    assert task.type.name == "classification"


@pytest.mark.parametrize("listed", [False, True])
def test_answers_without_starts_are_searched_in_their_texts(read, caplog, listed):
    caplog.set_level("INFO")

    def row(n):
        answer = f"room {n}"
        found = {"question": f"where is {n}?", "passage": f"The key {n} is in room {n}, he said."}
        return found | ({"answers": [answer]} if listed else {"answer": answer})

    task = read(row)
    assert task.type.name == "span"
    assert task.train.answers[0] == (("room 0", 16),)
    assert "no column says where answers start" in caplog.text


def test_the_first_place_of_an_answer_is_taken_and_said(read, caplog):
    caplog.set_level("INFO")
    task = read(lambda n: {"question": "q", "context": f"knot no {n} no", "answer": f"no {n}"})
    assert task.train.answers[0] == (("no 0", 5),)
    assert "more than once" not in caplog.text
    task = read(
        lambda n: {"question": "q", "context": "red, blue, red", "answer": "red"}, type="span"
    )
    assert task.train.answers[0] == (("red", 0),)
    assert "occur more than once, the first place is taken" in caplog.text


def test_an_answer_that_is_not_in_its_text_is_named(read):
    def row(n):
        return {"question": "q", "context": f"room {n}", "answer": f"room {n if n != 3 else 4}"}

    with pytest.raises(TaskError, match="line 4: the answer is not in the text of column 'con"):
        read(row)


def test_yes_and_no_are_classes(read):
    task = read(
        lambda n: {"question": f"q{n}", "passage": f"no {n}", "answer": ["yes", "no"][n % 2]}
    )
    assert task.type.name == "classification"


def test_answers_in_a_language_without_blanks(read):
    task = read(
        lambda n: {"question": "问", "context": f"法国的首都是巴黎{n}区。", "answer": f"巴黎{n}"}
    )
    assert (task.type.name, task.train.answers[0]) == ("span", (("巴黎0", 6),))


TEXT = "good battery and more"
OTHERS = {
    "an answer to be judged": lambda n: {
        **{"question": f"q{n}", "context": f"it is room {n}", "answer": f"room {n}"},
        "label": n % 2,
    },
    "answers that are few": lambda n: {
        **{"question": f"q{n}", "context": f"red or blue {n}", "answer": ["red", "blue"][n % 2]},
    },
    "marks beside a label": lambda n: {
        **{"text": f"{TEXT} {n}", "label": n % 2, "spans": [[0, 3, "X"]]}
    },
    "tags beside a label": lambda n: {"text": "a b c", "label": n % 2, "ner": "B-LOC O O"},
    "letters before a dash": lambda n: {"text": f"w{n % 9}", "label": ["E-mail", "B-side"][n % 2]},
    "columns a and b": lambda n: {
        **{"sentence": f"{TEXT} {n}", "a": "1", "b": "2", "label": "ab"[n % 2]},
    },
}


@pytest.mark.parametrize("name", OTHERS)
def test_classes_beside_columns_of_other_types_stay_classes(name, read):
    try:
        assert read(OTHERS[name]).type.name == "classification"
    except TaskError as error:
        assert "--label-column" in str(error)


def test_choices_with_answers_in_the_text_stay_choices(read):
    task = read(
        lambda n: {
            **{"context": f"it is room {n}", "question": "where?", "answer": f"room {n}"},
            "options": [f"room {n}", "nowhere"],
        }
    )
    assert task.type.name == "multiple-choice"


def test_tags_in_texts(read):
    task = read(lambda n: {"tokens": f"Ada came {n}", "tags": "B-PER O O"})
    assert task.type.name == "tokens"
    assert task.train.texts[0][0] == ("Ada", "came", "0")
    task = read("sentence,word_labels\n" + 'Ada came ,"B-PER,O"\n' * N, "train.csv")
    assert task.type.name == "tokens"
    assert task.train.texts[0][0] == ("Ada", "came")


PER = [[0, 3, "PER"]]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (lambda n: {"tokens": ["Ada", "came"], "ner_tags": ["O"]}, "line 1 has 2 words and 1 tag"),
        (lambda n: {"text": "Ada came", "label": PER}, "by characters in column 'label'"),
        (
            lambda n: {"text": "Ada", "entities": [{"start": 0, "end": 3, "label": "PER"}]},
            "by characters in column 'entities': give a tag for each word",
        ),
        (
            lambda n: {"Sentence #": n // 2, "Word": f"w{n}", "Tag": ["O", "B-PER"][n % 2]},
            "has a row for each word: give a row for each sentence",
        ),
    ],
)
def test_tags_that_cannot_be_used(rows, message, read):
    with pytest.raises(TaskError, match=message):
        read(rows)


def test_conversations_as_sharegpt_writes_them(read):
    task = read(
        lambda n: {
            "conversations": [
                {"from": "system", "value": "Be short."},
                {"from": "human", "value": f"What is {n}?"},
                {"from": "gpt", "value": "A number."},
            ]
        }
    )
    assert task.type.name == "causal-lm"
    roles = [message["role"] for message in json.loads(task.train.texts[0][0])]
    assert roles == ["system", "user", "assistant"]


def test_instructions_as_dolly_has_them(read):
    task = read(
        lambda n: {"instruction": f"Do {n}", "context": "", "response": "x", "category": "open"}
    )
    assert task.type.name == "causal-lm"
    prompts, completions = task.train.texts
    assert "### Instruction:\nDo 0" in prompts[0] and "### Input" not in prompts[0]
    assert set(completions) == {"x"}
