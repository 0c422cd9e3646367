"""Files in the encodings, compressions and formats that people have: read, or the cure is said."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from typing import Any

import pandas
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from progsearch.config import TaskConfig
from progsearch.errors import TaskError
from progsearch.tasks.sources.own_data import read_files
from progsearch.tasks.sources.tables import read_table

CSV = "text,label\nein schöner Film – „gut“,0\nnaïve,1\n"
COLUMNS = {"text": ["ein schöner Film – „gut“", "naïve"], "label": ["0", "1"]}


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("name", ["a.csv", "a.TXT"])
def test_a_mark_says_the_encoding(tmp_path, name, encoding):
    path = write(tmp_path, name, CSV.encode(encoding))
    assert read_table(path).columns == COLUMNS
    assert read_table(path, encoding=encoding).columns == COLUMNS


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_not_guessed(tmp_path, order):
    path = write(tmp_path, "a.csv", CSV.encode(order))
    with pytest.raises(TaskError, match=r"a\.csv, line 1 .* --encoding"):
        read_table(path)
    assert read_table(path, encoding=order).columns == COLUMNS
    assert read_table(write(tmp_path, "b.csv", ("\ufeff" + CSV).encode(order))).columns == COLUMNS


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_another_encoding_must_be_given(tmp_path, mark):
    path = write(tmp_path, "a.csv", mark + CSV.encode("windows-1252"))
    with pytest.raises(TaskError, match="line 2 is not UTF-8: .* --encoding windows-1252"):
        read_table(path)
    assert read_table(path, encoding="windows-1252").columns == COLUMNS


@pytest.mark.parametrize(
    ("content", "encoding", "message"),
    [
        (CSV.encode(), "latin-1", "is UTF-8 and would be misread as latin-1: leave --encoding"),
        (CSV.encode("cp1252"), "utf-8", "line 2 is not utf-8: give another --encoding"),
        (CSV.encode("cp1252"), "ascii", "line 2 is not ascii: give another --encoding"),
        (CSV.encode(), "utf8-with-extras", "no encoding 'utf8-with-extras': give --encoding utf"),
        (b"text,label\na,0\n", "base64", "cannot be read as base64"),
        (CSV.encode("utf-16")[:-1], None, "begins as UTF-16 but does not go on so"),
        (b"text,label\na\0b,0\n", None, "line 2 has a NUL character"),
        (gzip.compress(b"text,label\na,0\n", mtime=0), None, r"compressed with gzip, .* in \.gz"),
        (b"PK\x03\x04...", None, r"is an Excel or ZIP file, .* end in \.xlsx"),
    ],
)
def test_what_is_no_text_is_named(tmp_path, content, encoding, message):
    with pytest.raises(TaskError, match=message):
        read_table(write(tmp_path, "a.csv", content), encoding=encoding)


def test_ascii_is_every_encoding(tmp_path):
    path = write(tmp_path, "a.csv", "text,label\na,0\n")
    assert read_table(path, encoding="latin-1").column("text") == ["a"]


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)],
)
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_compressed_files(tmp_path, name, suffix, compress):
    frame = pandas.DataFrame(COLUMNS)
    match name:
        case "a.csv":
            raw = CSV.encode()
        case "a.jsonl":
            raw = frame.to_json(orient="records", lines=True).encode()
        case _:
            raw = frame.to_parquet(index=False)
    assert read_table(write(tmp_path, name + suffix, compress(raw))).columns == COLUMNS


def test_compressed_with_zstandard(tmp_path):
    path = tmp_path / "a.csv.zst"
    with pa.output_stream(str(path), compression="zstd") as stream:
        stream.write(CSV.encode())
    assert read_table(path).columns == COLUMNS


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
def test_a_damaged_compressed_file(tmp_path, suffix):
    with pytest.raises(TaskError, match=f"is damaged or not a {suffix} file"):
        read_table(write(tmp_path, f"a.csv{suffix}", CSV))
    if suffix == ".gz":
        with pytest.raises(TaskError, match="is damaged"):
            read_table(write(tmp_path, "b.csv.gz", gzip.compress(CSV.encode())[:-12]))


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("indent", [None, 1])
def test_json_arrays_and_lines(tmp_path, name, lines, indent):
    records = [{"text": "é", "label": 1}, {"text": "b", "label": 2.5}]
    text = "\n".join(map(json.dumps, records)) if lines else json.dumps(records, indent=indent)
    assert read_table(write(tmp_path, name, text)).columns == {
        "text": ["é", "b"],
        "label": [1, 2.5],
    }


def test_nested_objects_have_dotted_names_and_lists_stay(tmp_path):
    records = [
        {"meta": {"id": 1, "by": {"name": "x"}}, "review": {"text": "a"}, "tags": ["t"]},
        {"meta": {"id": 2}, "review": {"text": "b"}, "tags": []},
    ]
    columns = {
        "meta.id": [1, 2],
        "meta.by.name": ["x", None],
        "review.text": ["a", "b"],
        "tags": [["t"], []],
    }
    path = write(tmp_path, "a.jsonl", "\n".join(map(json.dumps, records)))
    assert read_table(path).columns == columns
    parquet.write_table(pa.Table.from_pylist(records), tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet").columns == columns


def test_json_by_columns(tmp_path):
    frame = pandas.DataFrame(COLUMNS)
    for orient in ("columns", "list"):
        path = write(tmp_path, f"{orient}.json", json.dumps(frame.to_dict("list")))
        if orient == "columns":
            frame.to_json(path)
        assert read_table(path).columns == COLUMNS
    frame.to_json(tmp_path / "split.json", orient="split")
    with pytest.raises(
        TaskError, match="is one object with the keys .*, not a table of rows: write an array"
    ):
        read_table(tmp_path / "split.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"text": {"0": "a"}}\n{"text": 1}\nx', "line 3 is not JSON: .*array of objects or have"),
        ('{\n"a": 1}\n{\n"a": 1}', "line 1 is not JSON"),
        ('[{"a": 1}, 2]', "item 2 must be an object"),
        ('[{"a": "\\ud800"}]', "item 1 holds half a character"),
        ("[]", "has no rows"),
    ],
)
def test_json_that_is_no_table(tmp_path, text, message):
    with pytest.raises(TaskError, match=message):
        read_table(write(tmp_path, "a.json", text))


def test_a_line_of_json_is_found_again(tmp_path):
    path = write(tmp_path, "a.jsonl", '{"text": "a"}\n\n{"text": null}\n')
    assert read_table(path).places([1]) == "line 3"


def test_a_sheet_of_excel(tmp_path):
    pytest.importorskip("openpyxl")
    frame = pandas.DataFrame({" text ": ["é, ü", "b", None], "label": [1, 2, 3], "x": [0.5, 1, 2]})
    frame.to_excel(tmp_path / "a.xlsx", index=False)

    table = read_table(tmp_path / "a.xlsx")

    assert table.columns == {"text": ["é, ü", "b", None], "label": [1, 2, 3], "x": [0.5, 1, 2]}
    assert table.has_header
    with pandas.ExcelWriter(tmp_path / "b.xlsx") as book:
        frame.to_excel(book, sheet_name="one")
        pandas.DataFrame({"a": [1]}).to_excel(book, sheet_name="two", index=False)
        pandas.DataFrame().to_excel(book, sheet_name="empty", index=False)
    with pytest.raises(TaskError, match=r"several sheets \(one, two\): .* with --sheet"):
        read_table(tmp_path / "b.xlsx")
    assert read_table(tmp_path / "b.xlsx", sheet="two").columns == {"a": [1]}
    with pytest.raises(TaskError, match="has no sheet 'three', only one, two, empty: correct --s"):
        read_table(tmp_path / "b.xlsx", sheet="three")
    with pytest.raises(TaskError, match="has no rows"):
        read_table(tmp_path / "b.xlsx", sheet="empty")
    pandas.DataFrame().to_excel(tmp_path / "c.xlsx", index=False)
    with pytest.raises(TaskError, match="has no rows"):
        read_table(tmp_path / "c.xlsx")


def test_excel_needs_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(TaskError, match=r"pip install .*\[excel\]', or save the sheet"):
        read_table(write(tmp_path, "a.xlsx", "PK"))


def test_an_option_that_no_file_needs_is_refused(tmp_path):
    pandas.DataFrame(COLUMNS).to_parquet(tmp_path / "a.parquet")
    lines = write(tmp_path, "a.jsonl", '{"text": "a"}\n')
    for option, path in (("encoding", tmp_path / "a.parquet"), ("separator", lines)):
        config = TaskConfig(name="own", train_file=str(path), **{option: ";"})
        with pytest.raises(TaskError, match=f"--{option} ; is for files that end in"):
            read_files(config)


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=12)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(
            st.one_of(st.none(), TEXT),
            st.one_of(st.none(), st.integers(-(2**40), 2**40)),
            st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
        ),
        min_size=1,
        max_size=6,
    ),
    form=st.sampled_from(["csv", "csv.gz", "utf-16", "windows", "jsonl", "json", "parquet"]),
)
def test_what_pandas_writes_is_read_the_same(tmp_path, rows, form):
    """Text files give strings; other files give the types that they have."""
    names = ["text", "number", "decimal"]
    frame = pandas.DataFrame(
        {
            "text": pandas.array([row[0] for row in rows], dtype="string"),
            "number": pandas.array([row[1] for row in rows], dtype="Int64"),
            "decimal": pandas.array([row[2] for row in rows], dtype="Float64"),
        }
    )
    options: dict[str, Any] = {}
    path, expected = tmp_path / f"a.{form}", rows
    match form:
        case "jsonl" | "json":
            frame.to_json(path, orient="records", lines=form == "jsonl", double_precision=15)
            kept = read_table(path).columns
            assert kept["text"] == [row[0] for row in rows]
            assert kept["number"] == [row[1] for row in rows]
            return
        case "parquet":
            frame.to_parquet(path, index=False)
        case _:
            encoding = {"utf-16": "utf-16", "windows": "windows-1252"}.get(form, "utf-8")
            path = path if form.startswith("csv") else tmp_path / "a.csv"
            if form == "windows":
                options = {"encoding": encoding}
                frame["text"] = [
                    value if value is None else value.encode(encoding, "ignore").decode(encoding)
                    for value in (row[0] for row in rows)
                ]
            frame.to_csv(path, index=False, encoding=encoding, lineterminator="\n")
            expected = [
                tuple("" if pandas.isna(cell) else str(cell) for cell in row)
                for row in frame.itertuples(index=False)
            ]
            expected = [row for row in expected if any(map(str.strip, row))]
            if not expected:
                with pytest.raises(TaskError, match="has no rows"):
                    read_table(path, **options)
                return
    table = read_table(path, **options)
    assert list(table.columns) == names
    assert list(zip(*table.columns.values(), strict=True)) == expected
