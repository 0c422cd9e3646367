import json

import pytest

from progsearch.errors import TaskError
from progsearch.tasks.sources.tables import read_table

QUESTION = {"id": "1", "question": "Who?", "answers": [{"text": "Ann", "answer_start": 0}]}
NONE = {"id": "2", "question": "Why?", "answers": [], "is_impossible": True}
MAYBE = {
    "id": "3",
    "question": "When?",
    "answers": [{"text": "Ann", "answer_start": 0}],
    "is_impossible": True,
}
PARAGRAPH = {"context": "Ann sings.", "qas": [QUESTION, NONE, MAYBE]}
ARTICLES = [{"title": "Ann", "paragraphs": [PARAGRAPH, PARAGRAPH]}]


@pytest.fixture
def read(tmp_path):
    def read(content, name="data.json"):
        (tmp_path / name).write_text(json.dumps(content))
        return read_table(tmp_path / name)

    return read


@pytest.mark.parametrize(
    "content", [{"version": "v2.0", "data": ARTICLES}, {"data": ARTICLES}, ARTICLES]
)
def test_articles_become_one_row_per_question(read, content):
    table = read(content)
    assert len(table) == 6
    assert table.column("context") == ["Ann sings."] * 6
    assert table.column("question")[:3] == ["Who?", "Why?", "When?"]
    assert table.column("answers.text")[:3] == [["Ann"], [], []]
    assert table.column("answers.answer_start")[:3] == [[0], [], []]
    assert table.column("title") == ["Ann"] * 6


def test_rows_below_data_are_rows(read):
    row = {
        "question": "Who?",
        "context": "Ann.",
        "answers": {"text": ["Ann"], "answer_start": [0]},
    }
    table = read({"version": 1, "data": [row, row]})
    assert table.column("answers.text") == [["Ann"], ["Ann"]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"context": None}, r"data\[0\]\.paragraphs\[0\] has no text 'context'"),
        ({"qas": "none"}, r"data\[0\]\.paragraphs\[0\] has no list of objects 'qas'"),
        ({"qas": [QUESTION, {"id": "5"}]}, r"qas\[1\] has no text 'question'"),
        ({"qas": [{"question": "Who?"}]}, r"qas\[0\] has no list of objects 'answers'"),
        (
            {"qas": [{"question": "Who?", "answers": [{"text": "Ann"}]}]},
            r"answers\[0\] must have a text and an answer_start",
        ),
    ],
)
def test_a_damaged_part_is_named(read, change, message):
    with pytest.raises(TaskError, match=message):
        read({"data": [{"paragraphs": [PARAGRAPH | change]}]})
