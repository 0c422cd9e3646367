"""Separators and quotes are recognised from the whole file; cells stay what it says."""

from __future__ import annotations

import csv
import io

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from progsearch.errors import TaskError
from progsearch.tasks.sources.delimited import parse_delimited, parse_unquoted

ROWS = [("good, really", "pos"), ("bad", "neg")] * 5


def parse(text, usual=",", separator=None):
    return parse_delimited("data", text, usual, separator)


def joined(separator, header=("text", "label"), rows=ROWS):
    quoted = [[f'"{c}"' if separator in c else c for c in row] for row in rows]
    return "\n".join(separator.join(row) for row in [header, *quoted]) + "\n"


@pytest.mark.parametrize("usual", [",", "\t"])
@pytest.mark.parametrize("separator", [",", ";", "|", "\t"])
def test_the_separator_is_recognised_whatever_the_extension(usual, separator):
    table = parse(joined(separator), usual)

    assert table.columns == {"text": [r[0] for r in ROWS], "label": [r[1] for r in ROWS]}
    assert bool(table.notes) == (separator != usual)
    assert all("the separator is the " in note for note in table.notes)


def test_of_several_separators_the_one_that_all_rows_fit():
    assert list(parse("text;pos, neg\na;b\nc, d;e\n").columns) == ["text", "pos, neg"]
    assert list(parse("text|a;label\nx,y|z\n").columns) == ["text", "a;label"]


def test_a_separator_that_is_not_clear_is_asked_for():
    text = "a,b;c\nd,e;f\n"
    with pytest.raises(TaskError, match="may be the comma or the semicolon: give it with --sep"):
        parse(text)
    assert list(parse(text, separator=";").columns) == ["a,b", "c"]
    assert list(parse(text, separator=",").columns) == ["a", "b;c"]


@pytest.mark.parametrize("given", ["tab", "\\t", "\t"])
def test_the_tab_can_be_typed(given):
    assert list(parse("a,b\tc\nd,e\tf\n", separator=given).columns) == ["a,b", "c"]


def test_any_other_character_can_be_given():
    assert list(parse("a~b\nc~d\n", separator="~").columns) == ["a", "b"]
    for wrong in ("ab", '"', "\n"):
        with pytest.raises(TaskError, match="is not one character"):
            parse("a,b\n", separator=wrong)


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        # Whole columns in quotes, all of them or one.
        ('"text"\t"label"\n"a b"\t"x"\n"c"\t"y"\n', {"text": ["a b", "c"], "label": ["x", "y"]}),
        ('text\tlabel\n"a b"\t0\n"c"\t1\n', {"text": ["a b", "c"], "label": ["0", "1"]}),
        ('"text"\t"n"\na\t"0"\n"b"\t1\n', {"text": ["a", "b"], "n": ["0", "1"]}),
        ('text\tn\n"a"\t0\nNA\t1\n', {"text": ["a", "NA"], "n": ["0", "1"]}),
        # Only the cells that need it.
        ('text\tn\na ""b\t0\n"say ""c"""\t1\n', {"text": ['a ""b', 'say "c"'], "n": ["0", "1"]}),
        ('text\tn\n"a\tb"\t0\n', {"text": ["a\tb"], "n": ["0"]}),
        ('text\tn\n"a\nb"\t0\n', {"text": ["a\nb"], "n": ["0"]}),
        # Plain characters: they do not end, or what is between needs no quotes.
        ('text\tn\n"a\t0\nb"\t1\n', {"text": ['"a', 'b"'], "n": ["0", "1"]}),
        ('text\tn\n"a" b\t0\nc\t1\n', {"text": ['"a" b', "c"], "n": ["0", "1"]}),
        ('text\tn\n"a"\t0\nc\t1\n', {"text": ['"a"', "c"], "n": ["0", "1"]}),
        ('text\tn\n5" disk\t0\n', {"text": ['5" disk'], "n": ["0"]}),
    ],
)
def test_quotes_between_tabs(text, columns):
    assert parse(text, "\t").columns == columns


def test_glue_is_read_without_quotes():
    assert parse_unquoted('"a"\t"b"\n"c\td"\n') == [['"a"', '"b"'], ['"c', 'd"']]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('text,label\na,0\n"he said "good" twice",1\n', "line 3 has a quote inside a quoted"),
        (
            'text,label\n"a\nb",0\n"he "said",1\n',
            "line 4 has a quote inside a quoted",
        ),
        ('text,label\na,0\n"open,1\nb,0\n', "line 3 begins a quoted text that does not end"),
        (
            'text,label\n"a\nb",0\nc,d,1\n',
            r"line 4 has 3 fields, but the header has 2 \(separated",
        ),
        ("text\na, b\n", None),
        ("text,label\na;b;c\n", "line 2 has 1 field,"),
        ("text;label\na;b;c\n", "line 2 has 3 fields.*by the semicolon"),
        (" text,text \na,0\n", "two columns named 'text'"),
    ],
)
def test_a_line_that_is_wrong_is_named(text, message):
    if message is None:
        message = "line 2 has 2 fields, but the header has 1 .*: remove the lines before the"
    with pytest.raises(TaskError, match=message):
        parse(text)


def test_blanks_around_names_and_after_separators():
    table = parse('text, label, id\nfilm a, 0, 1\n"a, b", "x, y", 2\n')
    assert table.columns == {"text": ["film a", "a, b"], "label": ["0", "x, y"], "id": ["1", "2"]}
    # A blank before a text belongs to it if names do not have it.
    assert parse("n,text\n0, a\n").column("text") == [" a"]


def test_empty_columns_without_a_name_are_left_out():
    table = parse("v1,v2,,\nham,one,,\nspam,two,,\n")
    assert table.columns == {"v1": ["ham", "spam"], "v2": ["one", "two"]}
    assert list(parse("v1,v2\nham,one,\nspam,two,,\n").columns) == ["v1", "v2"]
    assert list(parse(",text,label\n0,a,x\n1,b,y\n").columns) == ["column 1", "text", "label"]


def test_decimal_commas_between_semicolons():
    table = parse("text;score;n;more\ngut, ja;0,5;1;1,2,3\nschlecht;-12,25;2;4\nna;;3;5\n")

    assert table.column("score") == ["0.5", "-12.25", ""]
    assert table.column("text") == ["gut, ja", "schlecht", "na"]
    assert (table.column("n"), table.column("more")) == (["1", "2", "3"], ["1,2,3", "4", "5"])
    assert "decimal commas in column score are read as points" in table.notes[-1]
    assert parse("text|score\na|0,5\n").column("score") == ["0,5"]


def test_rows_know_their_lines():
    table = parse('text,label\n"a\nb",0\n\nc,1\n')
    assert table.lines == (2, 5)
    assert table.places([0, 1]) == "lines 2, 5"
    assert table.subset([1]).places([0]) == "line 5"


CELLS = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=12
)
LABELS = st.sampled_from(["1_1", "2.10", "2.1", "007", "NA", "", "1e5", "x", "-0", "0x10"])


@given(
    st.lists(st.tuples(CELLS, LABELS), min_size=1, max_size=8),
    st.sampled_from([(",", ","), (";", ","), ("|", ","), ("\t", "\t"), ("\t", ",")]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
)
def test_what_pandas_writes_is_read_the_same(rows, separators, quoting):
    separator, usual = separators
    frame = pandas.DataFrame(rows, columns=["text", "label"], dtype=object)
    file = io.StringIO()
    frame.to_csv(file, sep=separator, index=False, quoting=quoting, lineterminator="\n")

    found = parse(file.getvalue(), usual)

    filled = [row for row in rows if any(map(str.strip, row))]
    assert list(zip(*found.columns.values(), strict=True)) == filled
