import pytest

from progsearch.errors import TaskError
from progsearch.tasks.sources.conll import is_conll, parse_conll
from progsearch.tasks.sources.tables import read_table

TWO = [["Ada", "came"], ["Bye"]]
TAGS = [["B-PER", "O"], ["O"]]


@pytest.mark.parametrize(
    "text",
    [
        "Ada\tB-PER\ncame\tO\n\nBye\tO\n",
        "Ada B-PER\ncame O\n\nBye O",
        "Ada   B-PER\ncame \t O\n \t \n\n\nBye O\n\n",
        "Ada\tB-PER\r\ncame\tO\r\n\r\nBye\tO\r\n",
        "-DOCSTART- O\n\nAda B-PER\ncame O\n\n-DOCSTART- O\nBye O",
        "-DOCSTART- O\nAda\tB-PER\ncame\tO\n\nBye\tO",
        "# sent_id = 1\nAda\tB-PER\ncame\tO\n\n# sent_id = 2\n# text = Bye\nBye\tO",
        "# id 17\nAda B-PER\ncame O\n\n# 2\nBye O",
    ],
    ids=["tabs", "blanks", "many", "crlf", "documents", "both", "comments", "short comments"],
)
def test_two_columns(text):
    table = parse_conll("a", text)
    assert table.columns == {"tokens": TWO, "tags": TAGS}


def test_the_tag_is_in_the_last_of_up_to_four_columns():
    table = parse_conll("a", "EU NNP I-NP I-ORG\nrejects VBZ I-VP O\n")
    assert list(table.columns) == ["tokens", "column_2", "column_3", "tags"]
    assert table.columns["tags"] == [["I-ORG", "O"]]
    assert table.columns["column_2"] == [["NNP", "VBZ"]]


def test_a_hashtag_is_a_word():
    tabs = parse_conll("a", "#sbb\tB-ORG\n#\tO\nso\tO\n")
    assert tabs.columns["tokens"] == [["#sbb", "#", "so"]]
    assert parse_conll("a", "so O\n#sbb B-ORG\n\n# O\n").columns["tokens"] == [
        ["so", "#sbb"],
        ["#"],
    ]


def test_blanks_of_other_kinds_are_parts_of_words():
    """Python takes U+2028 and U+0085 for the ends of lines and U+00A0 for a blank."""
    text = "a\u2028b\tO\nc\u00a0d\tB-X\ne\x85f\tO\n"
    assert parse_conll("a", text).columns["tokens"] == [["a\u2028b", "c\u00a0d", "e\x85f"]]
    assert parse_conll("a", text.replace("\t", " ")).columns["tags"] == [["O", "B-X", "O"]]
    assert parse_conll("a", "\u00a0\tO\n\tO\n").columns["tokens"] == [["\u00a0", ""]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Ada B-PER\ncame\n", "a, line 2 has 1 column and the others 2"),
        ("Ada B-PER\nNew York O\nis O\n", "a, line 2 has 3 columns and the others 2"),
        ("Ada\ncame\n", "a has 1 column: a CoNLL file has 2 to 4"),
        ("1 2 3 4 5\n", "a has 5 columns"),
        ("\n# nothing\n", "a has no sentences"),
        ("-DOCSTART- -X- O O\n", "a has no sentences"),
        ("x O\n" * 1001, "a, line 1 begins a sentence of 1001 words: write an empty line"),
    ],
)
def test_what_is_no_such_file_is_refused(text, message):
    with pytest.raises(TaskError, match=message):
        parse_conll("a", text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ada B-PER\ncame O\n", True),
        ("Ada\tNNP\tU-PER\n", True),
        ("text\tlabel\ngood O\tO\n", False),
        ("Ada NNP\ncame VBD\n", False),
        ("text\nnothing O\n", False),
        ("a\tO\nb\tO\n", False),
        ("", False),
    ],
)
def test_only_iob_tags_show_that_a_text_file_is_one(text, expected):
    assert is_conll(text) == expected


def test_a_text_file_is_read_as_one_if_it_shows_or_is_said(tmp_path):
    shows, says = tmp_path / "a.txt", tmp_path / "b.txt"
    shows.write_text("Ada B-PER\n\ncame O\n")
    says.write_text("Ada NNP\n\ncame VBD\n")
    assert read_table(shows).columns["tags"] == [["B-PER"], ["O"]]
    assert read_table(says, has_words=True).columns["tags"] == [["NNP"], ["VBD"]]
    assert list(read_table(says).columns) == ["Ada NNP"]


def test_rows_are_named_by_the_line_on_which_a_sentence_begins(tmp_path):
    file = tmp_path / "a.conll"
    file.write_text("\nAda B-PER\n\n\ncame O\n")
    assert read_table(file).places([0, 1]) == "lines 2, 5"
