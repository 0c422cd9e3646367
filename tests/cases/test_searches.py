"""What only a search shows, in processes of their own (S1, S14, C8-C11, P1-P3).

Each failed at commit 80686b9.
"""

import itertools
import json
import os
import signal
import socket

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend

from tests.cases.conftest import begin
from tests.cases.making import rows, save_model, save_tokenizer, write_csv

pytestmark = pytest.mark.slow

PROCESSORS = len(os.sched_getaffinity(0))
# One rate and one seed make the shortest search.
SHORT = ("--epochs", 1, "--budget", 1, "--learning-rate", 1e-3, "--front-seeds", 1)
# Such a short search may end with "nothing was learned", which is no failure here.
ENDED = (0, 1)


@pytest.fixture
def options(bert, data):
    """The shortest search."""
    files = ("--train-file", data[0], "--validation-file", data[1], "--model", bert)
    return ("run", *files, "--study", "own", *SHORT)


def report_of(folder, study="own"):
    return json.loads((folder / "studies" / study / "report.json").read_text())


def test_tables_in_an_encoding_that_lacks_signs(command, options):
    """C8; the siblings are in test_places.py."""
    outcome = command(*options, "--parallel", 1, PYTHONIOENCODING="ascii")
    assert outcome.code in ENDED
    assert "head-only" in outcome.stdout
    assert command("status", "own", PYTHONIOENCODING="ascii").code == 0


def test_a_report_that_cannot_be_written(command, options, tmp_path):
    """C9: `report`, `resume` and, the sibling, `confirm` look before they work."""
    command(*options, "--parallel", 1)
    file = tmp_path / "studies" / "own" / "report.json"
    file.unlink()
    file.mkdir()
    for arguments in (("report", "own"), ("resume", "own"), ("confirm", "own", "--seeds", 1)):
        assert "report.json cannot be written" in command(*arguments).refusal()


def test_columns_are_kept_in_the_study_and_its_report(command, bert, tmp_path):
    """S1."""
    lines = [(text, label, ("bad", "good")[label]) for text, label in rows(64)]
    file = write_csv(tmp_path / "rows.csv", "text,label,label_text", lines)
    files = ("--train-file", file, "--validation-file", file, "--model", bert)
    settings = ("--study", "own", *SHORT, "--parallel", 1)
    assert command("run", *files, *settings, "--quiet").code in ENDED
    understood = report_of(tmp_path)["understood"]
    assert (understood["texts"], understood["label"]) == (["text"], "label")
    assert understood["notes"] == [f"{file}: columns left out: label_text (the same as label)"]
    assert "texts: [text]" in (tmp_path / "studies/own/study.yaml").read_text()


def test_the_prefix_cache_changes_no_number(command, data, tmp_path):
    """S14."""
    dropouts = dict.fromkeys(("hidden_dropout_prob", "activation_dropout"), 0.5)
    model = save_tokenizer(save_model(tmp_path / "model", "biogpt", **dropouts))
    lines = [(text, (0.5, 2.25)[label]) for text, label in rows(64)]
    file = write_csv(tmp_path / "rows.csv", "text,label", lines)
    paths = ("--train-file", file, "--validation-file", file, "--model", model)
    files = (*paths, "--type", "regression")
    found = []
    for number, more in enumerate(((), ("--no-prefix-cache", "--no-reuse"))):
        settings = ("--study", f"s{number}", *SHORT, "--parallel", 1)
        assert command("run", *files, *settings, *more).code in ENDED
        trials = report_of(tmp_path, f"s{number}")["trials"]
        values = {trial.get("name"): trial["user_attrs"]["metrics"] for trial in trials}
        found.append((values["head-only"], values["last-quarter"]))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "name",
    ["SIGUSR1", "SIGHUP"],
    ids=["C11", "C11-sibling"],
)
def test_the_signals_of_batch_systems_stop_a_search(bert, tmp_path, name):
    file = write_csv(tmp_path / "rows.csv", "text,label", rows(4000))
    files = ("--train-file", file, "--validation-file", file, "--model", bert)
    settings = ("--study", "own", *SHORT, "--epochs", 5, "--parallel", 1)
    running = begin(tmp_path, "run", *files, *settings)
    try:
        next(line for line in running.stderr if line.startswith("1 of "))
        os.killpg(running.pid, getattr(signal, name))
        _, said = running.communicate(timeout=60)
    finally:
        running.kill()
    assert running.returncode == (129 if name == "SIGHUP" else 130)
    assert "progsearch resume own" in said


def test_a_worker_that_ray_kills_for_memory(command, options, tmp_path):
    """C10: more is in use than allowed, so every worker is killed."""
    settings = {"RAY_memory_usage_threshold": "0.001", "RAY_memory_monitor_refresh_ms": "100"}
    outcome = command(*options, "--parallel", 1, **settings)
    assert outcome.code == 1
    assert "out of memory: Ray killed its worker at " in outcome.stderr + outcome.stdout


@pytest.mark.parametrize("place", ["TMPDIR", "HOME"], ids=["P1-temporary", "P1-home"])
def test_folders_that_ray_cannot_use(command, options, tmp_path, place):
    folder = tmp_path / ("n" * 100)
    folder.mkdir()
    variables = {place: str(folder) if place == "TMPDIR" else "/proc"}
    assert command(*options, "--parallel", 1, **variables).code in ENDED


def test_an_address_at_which_nothing_listens(command, options):
    """P2."""
    outcome = command(*options, "--address", "127.0.0.1:1", timeout=60)
    assert "cannot connect to a Ray cluster at 127.0.0.1:1" in outcome.refusal()


def test_an_address_at_which_no_cluster_answers(command, options):
    """A sibling of P2."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        # A busy machine needs part of it for the imports.
        outcome = command(*options, "--address", address, timeout=100)
    assert f"cannot connect to a Ray cluster at {address}" in outcome.refusal()


@pytest.mark.skipif(PROCESSORS < 2, reason="one processor is all there is")
def test_no_more_workers_than_processors_that_are_allowed(command, options, tmp_path):
    """P3."""
    first = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})"
    assert command(*options, first=first).code in ENDED
    journal = JournalFileBackend(str(tmp_path / "studies" / "own" / "journal.log"))
    storage = optuna.storages.JournalStorage(journal)
    (summary,) = optuna.get_all_study_summaries(storage)
    trials = optuna.load_study(study_name=summary.study_name, storage=storage).trials
    # Only one trial is in training at any time.
    spans = sorted((trial.datetime_start, trial.datetime_complete) for trial in trials)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
