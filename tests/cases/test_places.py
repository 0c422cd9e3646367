"""Places and encodings that do not fit are no surprise after the work (C8, C9).

Each failed at commit 80686b9.
"""

import json
import sys
from io import BytesIO, TextIOWrapper

import pytest

pytestmark = pytest.mark.slow

LONG = "n" * 300


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()


@pytest.fixture
def config(bert, data, tmp_path):
    stage = {"start": 0, "end": 1, "trainable_blocks": [1], "embeddings": False}
    content = {
        "progsearch_version": "0.1.0",
        "model": str(bert),
        "task": {"name": "own", "train_file": data[0], "validation_file": data[1]},
        "stages": [stage],
    }
    (tmp_path / "best.yaml").write_text(json.dumps(content))
    return "best.yaml"


@pytest.mark.parametrize(
    "place",
    ["file", "file/below", "/proc/new", LONG, f"new/{LONG}"],
    ids=["C9-file", "C9-below", "C9-read-only", "C9-long", "C9-sibling"],
)
def test_a_folder_for_a_model(progsearch, config, place):
    sentence = progsearch("train", config, "--output-dir", place).refusal()
    assert sentence.startswith(f"Error: --output-dir: {place} cannot be written: ")


@pytest.mark.parametrize("place", ["/proc/new.yaml", f"{LONG}.yaml"], ids=["C9", "C9-sibling"])
def test_a_copy_of_a_space(progsearch, place):
    assert place in progsearch("cp", "quick", place).refusal()


def test_the_name_of_a_study(progsearch, data):
    """C9."""
    sentence = progsearch("run", "--train-file", data[0], "--study", LONG).refusal()
    assert sentence.startswith("Error: --study: ") and "File name too long" in sentence


def test_a_figure(progsearch, bert, data):
    """A sibling of C9."""
    files = ("--train-file", data[0], "--validation-file", data[1])
    arguments = ("--model", bert, *files, "--metric", "depth", "--out", f"{LONG}.html")
    assert "--out: " in progsearch("contributions", *arguments).refusal()


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("ascii", "blocks 0-1 - embeddings never"),
        ("latin-1", "blocks 0-1 · embeddings never"),
        ("cp437", "blocks 0-1 · embeddings never"),
    ],
    ids=["C8-ascii", "C8-latin-1", "C8-sibling"],
)
def test_words_in_an_encoding_that_lacks_signs(
    train, bert, data, tmp_path, monkeypatch, encoding, words
):
    """The table at the end of a search is in test_searches.py."""
    written = BytesIO()
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(written, encoding, write_through=True))
    assert train(bert, *data, embeddings=False).code == 0
    assert words in written.getvalue().decode(encoding)
