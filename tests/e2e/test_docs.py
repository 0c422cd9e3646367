"""The commands of the pages of docs run as they stand, in a user's folder, with tiny settings."""

import csv
import itertools
import json
import random
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.conftest import run_in
from tests.support.language import save_language_model
from tests.support.markdown import ROOT, blocks, commands

pytestmark = pytest.mark.slow

PAGES = (
    "first-steps",
    "own-data",
    "confirm",
    "schedules",
    "search-spaces",
    "tasks",
    "contributions",
    "faq",
)
# What a page names that is not here, and what stands for it.
HERE = {
    "bbc-headlines-minilm-l6": "reviews",
    "/models/bert-base-uncased": "bert-base-uncased",
    "bert-base-cased": "bert-base-uncased",
    "Qwen/Qwen2.5-0.5B": "llama",
    "--task bbc-headlines --budget": "--train-file train.csv --model bert-base-uncased --budget",
    "--task bbc-headlines": "--train-file train.csv",
    "--task mrpc --data-dir GLUE/MRPC": "--train-file train.csv",
    "--task mrpc": "--train-file train.csv",
    "--budget 12": "--budget 3",
    "--seeds 20": "--seeds 2",
    "--seeds 5": "--seeds 2",
}
# Files of other types than classification, which pages name.
_TEXT = "good bad bad good bad"
_ARTICLE = {
    "title": "one",
    "paragraphs": [
        {
            "context": _TEXT,
            "qas": [
                {
                    "id": str(number),
                    "question": "good bad",
                    "answers": [{"text": "bad bad", "answer_start": 5}],
                }
                for number in range(8)
            ],
        }
    ],
}
_CHOICE = {"question": "good", "choices": ["good good", "bad bad"], "label": 0}
_TAGGED = {"tokens": ["good", "bad", "good"], "ner_tags": ["B-A", "O", "B-B"]}
_SOLVED = [
    json.dumps({"question": f"{n} and {n}?", "answer": f"it is so, sum {n}\n#### {n + n}"}) + "\n"
    for n in range(28)
]
_SQUAD = json.dumps({"version": "v2.0", "data": [_ARTICLE, _ARTICLE | {"title": "two"}]})
FILES = {
    "train-v2.0.json": _SQUAD,
    "dev-v2.0.json": _SQUAD,
    "questions.csv": "question,context,answer,answer_start\n"
    + f"good bad,{_TEXT},bad bad,5\n" * 20,
    "questions.jsonl": "".join(
        json.dumps(_CHOICE | {"question": f"good {n}", "label": n % 2}) + "\n" for n in range(20)
    ),
    "train.conll": "good B-A\nbad O\nbad B-B\n\n" * 20,
    "dev.conll": "good B-A\nbad O\nbad B-B\n\n" * 8,
    "train.jsonl": (json.dumps(_TAGGED) + "\n") * 20,
    "corpus.txt": "good and bad and one and two. " * 200,
    "gsm8k-train.jsonl": "".join(_SOLVED[:20]),
    "gsm8k-dev.jsonl": "".join(_SOLVED[20:]),
}
# They need a browser, a hub or a network, or remove what the next command needs.
NOT_HERE = ("--open", "dashboard", "--push-to-hub", "progsearch rm")
TINY = {"export": ("--anyway", "--force"), "train": ("--overwrite",)}


def write_rows(path, options):
    """A file with the columns that a command names, which a model can learn."""
    draw = random.Random(0)
    given = dict(itertools.pairwise(options))
    labels = given.get("--label-column", "label").split(",")
    texts = given.get("--text-columns", "text").split(",")
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow([*texts, *labels])
        for number in range(64):
            answers = [draw.randrange(2) if number > 1 else number for _ in labels]
            words = " ".join(("bad", "good")[answer] for answer in answers)
            rows.writerow([*(f"{words} {number}" for _ in texts), *answers])


def as_here(script):
    for shown, here in HERE.items():
        script = script.replace(shown, here)
    return script


@pytest.fixture(scope="module")
def progsearch(home, tmp_path_factory):
    """Runs a command in a folder of its own, which has a study."""
    folder = tmp_path_factory.mktemp("pages")
    shutil.copytree(home / "bert-base-uncased", folder / "bert-base-uncased")
    for name in ("train.csv", "dev.csv", "words.yaml"):
        shutil.copy(home / name, folder)
    for name, content in FILES.items():
        (folder / name).write_text(content)
    save_language_model(folder / "llama")
    shutil.copy(folder / "words.yaml", folder / "my-study.yaml")

    def run(*arguments):
        return run_in(folder, *arguments)

    return folder, run


@pytest.mark.parametrize("page", PAGES)
def test_commands_run(page, progsearch):
    folder, run = progsearch
    if not (folder / "studies" / "reviews").is_dir():
        assert run("run", "words.yaml", "--study", "reviews").returncode in (0, 1)
    own = (folder / "train.csv").read_text()
    for script in blocks(ROOT / "docs" / f"{page}.md", "sh"):
        for words in commands(as_here(script)):
            line = shlex.join(words)
            if words[0] != "progsearch" or any(part in line for part in NOT_HERE):
                continue
            _, name, *options = words
            if name == "run":
                write_rows(folder / "train.csv", options)
                options.append("--dry-run")
            done = run(name, *options, *TINY.get(name, ()))
            (folder / "train.csv").write_text(own)
            assert done.returncode == 0, f"{line}\n{done.stderr}"


@pytest.fixture
def cluster(monkeypatch):
    """The address of a Ray cluster of this machine alone, which needs a token."""
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # The paths of Ray's sockets must be short.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        ray = str(Path(sys.executable).with_name("ray"))
        options = ["--head", "--block", "--num-cpus=2", "--include-dashboard=false"]
        place = [f"--port={port}", f"--temp-dir={folder}", "--node-ip-address=127.0.0.1"]
        head = subprocess.Popen(
            [ray, "start", *options, *place],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert head.stdout is not None
        for line in head.stdout:
            if "Ray runtime started" in line:
                break
        yield f"127.0.0.1:{port}"
        head.send_signal(signal.SIGTERM)
        head.wait(60)


def test_the_command_for_clusters_runs_on_one(progsearch, cluster):
    folder, run = progsearch
    script = blocks(ROOT / "docs" / "cluster.md", "sh")[0]
    script = as_here(
        script.replace("ADDRESS", cluster, 1).replace("postgresql://user@host/db", "")
    )
    ((_, *words),) = commands(script)
    tiny = ("--model", "bert-base-uncased", "--space", "quick", "--epochs", 1, "--budget", 1)
    few = ("--front-seeds", 1, "--learning-rate", 1e-2, "--study", "far")
    done = run(*words, "sqlite:///history.db", *tiny, *few)
    assert done.returncode in (0, 1), done.stderr
    assert (folder / "history.db").is_file()
    assert "1 of 1 whole trial of the budget" in run("status", "far").stdout
