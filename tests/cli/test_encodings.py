"""Output to terminals and pipes with limited encodings."""

import os
import subprocess
import sys
from io import BytesIO, TextIOWrapper

import pytest
from rich.table import Table

from progsearch.show.output import any_encoding, console

TEXT = "blocks 0–2 → 2 at 50 % · 0.9 ± 0.1 \N{MINUS SIGN}3 pt \N{SNOWMAN}"


def written(encoding, write):
    raw = BytesIO()
    stream = TextIOWrapper(raw, encoding=encoding, errors="strict", write_through=True)
    any_encoding(stream)
    write(stream)
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("ascii", "blocks 0-2 > 2 at 50 % - 0.9 +- 0.1 -3 pt ?"),
        ("latin-1", "blocks 0-2 > 2 at 50 % · 0.9 ± 0.1 -3 pt ?"),
        ("utf-8", TEXT),
        ("koi8-r", "blocks 0-2 > 2 at 50 % · 0.9 +- 0.1 -3 pt ?"),
    ],
)
def test_a_line_in_any_encoding(encoding, expected):
    assert written(encoding, lambda stream: print(TEXT, file=stream)) == f"{expected}\n"


def test_a_file_name_that_is_no_text():
    assert written("utf-8", lambda stream: print(os.fsdecode(b"\xff"), file=stream)) == "?\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_table_in_any_encoding(encoding):
    table = Table("trained")
    table.add_row("blocks 0–2 → 2")
    lines = written(encoding, lambda stream: console(stream).print(table))
    assert "blocks 0-2 > 2" in lines
    assert lines.isascii()


@pytest.mark.parametrize("arguments", [("ls", "spaces"), ("cp", "quick", "raum-ü.yaml")])
def test_the_command_in_ascii(tmp_path, arguments):
    command = [sys.executable, "-c", "from progsearch.cli import main; main()", *arguments]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.isascii() and done.stdout
