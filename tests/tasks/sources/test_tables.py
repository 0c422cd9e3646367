from __future__ import annotations

import json

import pyarrow as pa
import pytest
from pyarrow import parquet

from progsearch.errors import TaskError
from progsearch.tasks.sources.tables import read_glue_tsv, read_table


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_csv_with_quotes_line_breaks_and_byte_order_mark(tmp_path):
    path = write(tmp_path, "a.CSV", '\ufefftext,label\n"one, two\nlines",0\n\nthree,1\n')

    assert read_table(path).columns == {"text": ["one, two\nlines", "three"], "label": ["0", "1"]}


def test_csv_keeps_long_texts_and_words_that_look_like_missing_values(tmp_path):
    long = "word " * 40_000
    path = write(tmp_path, "a.csv", f"text,label\n{long},0\nNA,1\n")

    assert read_table(path).column("text") == [long, "NA"]


def test_tsv_takes_a_quote_as_a_character(tmp_path):
    path = write(tmp_path, "a.tsv", 'text\tlabel\n"open\t0\nclose"\t1\n')

    assert read_table(path).column("text") == ['"open', 'close"']


def test_tsv_with_quoted_tabs_is_read_with_quotes(tmp_path):
    path = write(tmp_path, "a.tsv", 'text\tlabel\n"one\ttwo"\t0\n')

    assert read_table(path).columns == {"text": ["one\ttwo"], "label": ["0"]}


def test_json_lines_keep_types_and_fill_missing_keys(tmp_path):
    records = [{"text": "a", "label": 1}, {"text": "b", "label": 2.5, "extra": None}]
    path = write(tmp_path, "a.jsonl", "\n\n".join(map(json.dumps, records)))

    assert read_table(path).columns == {
        "text": ["a", "b"],
        "label": [1, 2.5],
        "extra": [None, None],
    }


def test_parquet(tmp_path):
    columns = {"text": ["a", "b"], "label": [0, None]}
    parquet.write_table(pa.table(columns), tmp_path / "a.parquet")

    assert read_table(tmp_path / "a.parquet").columns == columns


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()])
def test_parquet_with_texts_as_bytes(tmp_path, kind):
    texts = ["a", "café \U0001f600", None]
    column = pa.array([text and text.encode() for text in texts], pa.binary()).cast(kind)
    parquet.write_table(pa.table({"text": column, "label": [0, 1, 0]}), tmp_path / "a.parquet")

    assert read_table(tmp_path / "a.parquet").column("text") == texts


def test_cells_of_parquet_that_are_not_utf8_stay_bytes(tmp_path):
    image = pa.array([b"\x89PNG", b"a"])
    text = pa.array([b"a", b"caf\xe9"]).view(pa.utf8())
    parquet.write_table(pa.table({"image": image, "text": text}), tmp_path / "a.parquet")

    columns = read_table(tmp_path / "a.parquet").columns
    assert columns == {"image": [b"\x89PNG", "a"], "text": ["a", b"caf\xe9"]}


def test_a_whole_character_of_two_escapes_is_text(tmp_path):
    path = write(tmp_path, "a.jsonl", '{"text": "\\ud83d\\ude00"}\n')

    assert read_table(path).column("text") == ["\U0001f600"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "text,label\na,0\nb,c,1\n", r"line 3 has 3 fields, but the header has 2"),
        ("a.csv", "text,label\na,0\nb\n", r"line 3 has 1 field, but the header has 2"),
        ("a.csv", "", "has no rows"),
        ("a.csv", "text,label\n", "has no rows"),
        ("a.csv", "text,text\na,0\n", "two columns named 'text'"),
        ("a.csv", 'text,label\n"a,0\n', "line 2 begins a quoted text that does not end"),
        ("a.csv", b"text,label\nna\xefve,0\n", "line 2 is not UTF-8"),
        # Far after the first block that is read.
        ("a.csv", b"text,label\n" + b"a,0\n" * 9000 + b"na\xefve,0\n", "line 9002 is not UTF-8"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "na\xefve"}\n', "line 2 is not UTF-8"),
        ("a.jsonl", '{"text": "a"}\n\n{"text": "\\ud83d"}\n', "line 3 holds half a character"),
        ("a.jsonl", '{"text": "a", "label": "x\\uDE00"}\n', "line 1 holds half a character"),
        ("a.jsonl", '{"text": [{"\\udfff": 1}]}\n', "line 1 holds half a character"),
        ("a.tsv", "text\tlabel\na\tb\t0\n", "has 3 fields"),
        ("a.jsonl", '{"text": "a"}\n{"text": \n', "line 2 is not JSON"),
        ("a.jsonl", "[1, 2]\n", "item 1 must be an object"),
        ("a.jsonl", "", "has no rows"),
        ("a.parquet", "text,label\n", "not a Parquet file"),
        ("a.xlsx", "x", "is not an Excel file"),
        ("a.doc", "x", r"convert it to one of \.csv, \.tsv, \.txt, .*\.jsonl, \.json, \.parquet"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path, name, content, message):
    path = write(tmp_path, name, content)

    with pytest.raises(TaskError, match=message) as error:
        read_table(path)

    assert str(path) in str(error.value)


def test_a_missing_file_and_a_directory_are_named(tmp_path):
    with pytest.raises(TaskError, match=r"there is no file .*a\.csv"):
        read_table(tmp_path / "a.csv")
    (tmp_path / "b.csv").mkdir()
    with pytest.raises(TaskError, match=r"b\.csv is a directory"):
        read_table(tmp_path / "b.csv")


def test_a_missing_column_names_those_there_are(tmp_path):
    table = read_table(write(tmp_path, "a.csv", "text,label\na,0\n"))

    with pytest.raises(TaskError, match="no column 'labels': its columns are text, label"):
        table.column("labels")


def test_glue_files_leave_out_short_rows_and_may_lack_a_header(tmp_path):
    path = write(tmp_path, "train.tsv", 'q1\tq2\n"one\ttwo\nshort\nthree\tfour\tmore\n')

    assert read_glue_tsv(path).columns == {"q1": ['"one', "three"], "q2": ["two", "four"]}
    assert read_glue_tsv(path, ("x", "y")).column("x") == ["q1", '"one', "three"]
