"""What commands print fits the width of the terminal, and no name is cut."""

import io
import logging
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from progsearch.report.data import study_report
from progsearch.show.live import LiveView
from progsearch.show.output import log_shown
from progsearch.show.sheet import Sheet
from progsearch.show.tables import confirmed_table, front_table, payback_table, scores_table
from progsearch.show.training import TrainingBar
from progsearch.show.wrapping import command_lines, width_of, wrapped
from progsearch.study.confirmed_runs import write_confirmed
from progsearch.study.folder import create_study
from progsearch.study.metadata import info_of
from progsearch.study.view import Run, SearchGoal
from tests.support.fake_runs import fake_runs
from tests.support.fake_study import FakeStudy

WIDTHS = [40, 80, 120]
NAMES = ["full", "progtuning-3", "last-quarter", "head-only"]


@pytest.fixture(scope="module")
def fake():
    made = FakeStudy(budget=3, rows=408)
    made.baselines()
    made.searched(3)
    return made


@pytest.fixture(scope="module")
def report(fake):
    return study_report(fake.study, fake_runs(fake.study))


def drawn(sheet, width):
    file = io.StringIO()
    Console(file=file, width=width, soft_wrap=True).print(sheet)
    text = file.getvalue()
    assert "…" not in text
    assert all(len(line) <= width for line in text.splitlines())
    return text


@pytest.mark.parametrize("width", WIDTHS)
def test_tables_fit(report, width):
    front = drawn(front_table(report), width)
    for name in NAMES:
        assert re.search(rf"^{name}( \(\w+\))*\s", front, re.MULTILINE)
    assert " ".join(front.split()).count("embeddings") == front.count("\n  block") + front.count(
        "\n  no blocks"
    )
    beaten = front.index("not on the front:")
    assert all(front.index(f"\n{trial.label}") < beaten for trial in report.front)
    assert "updated" in drawn(payback_table(report), width)
    verdicts = [s.verdict for s in report.confirmed.schedules if s.verdict]
    shown = " ".join(drawn(confirmed_table(report, report.confirmed), width).split())
    assert all(shown.count(verdict) >= verdicts.count(verdict) for verdict in verdicts)


def test_columns_go_by_rank_and_the_objectives_stay(report):
    titles = {width: drawn(front_table(report), width).split("─")[0] for width in (40, 60, 120)}
    assert titles[40].split() == ["trial", "accuracy", "updated"]
    assert titles[60].split() == ["trial", "accuracy", "to", "full", "updated", "time"]
    assert "FLOPs" in titles[120]


def test_a_row_becomes_lines_where_its_required_columns_do_not_fit():
    sheet = Sheet("trial", ("accuracy", "updated"), 2)
    sheet.row("progtuning-3", {"accuracy": "0.8124", "updated": "8.5 %"}, below="block 5")
    assert drawn(sheet, 20).splitlines() == [
        "progtuning-3",
        "  accuracy: 0.8124",
        "  updated: 8.5 %",
        "  block 5",
    ]


def test_no_score_is_left_out():
    scores = {f"metric_{n}": [0.123456, 1234.5] for n in range(9)}
    assert drawn(scores_table(scores), 40).count("0.1235") == 9


def test_tags_go_below_a_name_where_they_do_not_fit_beside_it():
    sheet = Sheet("trial", ("accuracy",), 1)
    sheet.row("last-quarter", {"accuracy": "0.8124 ± 0.0089"}, tags=("knee", "best"))
    assert "last-quarter (knee) (best)  0.8124" in drawn(sheet, 60)
    assert "\n  knee, best\n" in drawn(sheet, 30)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("command", ["status fake", "confirm fake --seeds 2", "ls samplers"])
def test_commands_fit(progsearch, fake, tmp_path, monkeypatch, width, command):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", str(width))
    folder = create_study(fake.recipe, "studies", info_of(fake.study))
    folder.study.add_trials(fake.study.trials)
    write_confirmed(folder.path, fake_runs(fake.study, n_seeds=2, first=100))
    outcome = progsearch(*command.split())
    assert outcome.code == 0
    for line in (outcome.stdout + outcome.stderr).splitlines():
        # A path cannot be broken.
        assert len(line) <= width or "/" in line.split()[-1], line
        assert "…" not in line


@pytest.mark.parametrize("width", WIDTHS)
def test_the_live_view_fits(fake, width):
    file = io.StringIO()
    view = LiveView(Console(file=file, width=width, force_terminal=True, color_system=None))
    folder: Any = SimpleNamespace(study=fake.study, recipe=fake.recipe, path=Path("studies/fake"))
    try:
        view.started(folder, SearchGoal(4, 4, 3))
        for trial in fake.trials:
            view.run_started(Run(trial))
            view.run_ended(Run(trial))
        view.run_started(Run(fake.trials[-1]))
    finally:
        view.stop()
    view.console.print(view.drawing())
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue())
    assert all(len(line) <= width for line in text.splitlines())
    assert "…" not in text
    assert "3 of 3 whole trials" in text
    assert text.count("progtuning-3 at 1e-4") == 1


@pytest.mark.parametrize("width", WIDTHS)
def test_a_training_fits(width):
    file = io.StringIO()
    where = Console(file=file, width=width, force_terminal=True, color_system=None)
    bar = TrainingBar(where, 10, 3)
    bar.step(5)
    bar.note("bert-base-uncased on reviews, 67.9 % of full fine-tuning's parameter updates")
    bar.step(10)
    bar.record(10, "accuracy 0.8089  f1_macro 0.8012")
    bar.close()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue())
    assert all(len(line) <= width for line in re.split(r"[\r\n]+", text))
    assert "epoch 1.00 of 3" in text and "left" in text
    assert "…" not in text


def test_words_stay_whole():
    assert wrapped("one two three", 7, indent="  ") == "one two\n  three"
    assert wrapped("a-very-long-word b", 5) == "a-very-long-word\nb"
    assert wrapped("it has 67.9 % of all", 11) == "it has\n67.9 % of\nall"
    assert wrapped("has accuracy 0.8089", 15) == "has\naccuracy 0.8089"
    assert wrapped("one two three", None) == "one two three"
    assert wrapped("a:\n  b c d", 5) == "a:\n  b c\n  d"


def test_a_broken_command_can_be_copied():
    line = "progsearch export small --out best.yaml"
    assert command_lines("export", line, None) == f"export: {line}"
    broken = command_lines("export", line, 30)
    assert broken == "export:\n  progsearch export small \\\n    --out best.yaml"
    assert broken.split(":\n")[1].replace("\\\n", "").split() == line.split()


def test_the_width_is_that_of_the_terminal(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert width_of(io.StringIO()) is None
    monkeypatch.setenv("COLUMNS", "53")
    assert width_of(io.StringIO()) == 53


@pytest.mark.parametrize("width", WIDTHS)
def test_the_log_of_a_command_without_a_bar_is_wrapped(width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    said = "the validation data has 30 rows, so one row is worth 3.3 points of accuracy: give more"
    with log_shown():
        logging.getLogger("progsearch.tasks").warning(said)
    lines = capsys.readouterr().err.splitlines()
    assert " ".join(line.strip() for line in lines) == said
    assert all(len(line) <= width for line in lines)
