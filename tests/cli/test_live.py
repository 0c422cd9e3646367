import io
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from optuna.trial import TrialState, create_trial
from rich.console import Console

from progsearch.schedule import Schedule
from progsearch.show.live import LineView, LiveView, watching
from progsearch.study.results import Record
from progsearch.study.trial import Trial
from progsearch.study.view import Run, SearchGoal, View
from tests.support.fake_study import FakeStudy

SCHEDULE = {"schedule": Schedule.progtuning(6, 2).to_dicts()}


def running(number, **attributes):
    trial = create_trial(state=TrialState.RUNNING, user_attrs={**attributes, **SCHEDULE})
    trial.number = number
    return Run(Trial(trial))


def ended(fake, number=-1):
    return Run(fake.trials[number])


@pytest.fixture
def fake():
    return FakeStudy(budget=2)


@pytest.fixture
def folder(fake):
    return SimpleNamespace(study=fake.study, recipe=fake.recipe, path=Path("studies/fake"))


def shown(view):
    view.console.print(view.drawing())
    return printed(view)


def bar(view):
    """The bar of what is done, first of all that is drawn."""
    return view.drawing().renderables[0].columns[0]._cells[0]


def screen(**settings):
    return Console(file=io.StringIO(), width=140, **settings)


def printed(view):
    assert isinstance(view.console.file, io.StringIO)
    return view.console.file.getvalue()


def test_a_line_for_each_finished_trial(fake, folder):
    view = LineView(screen())
    view.preparing("starting Ray")
    view.started(folder, SearchGoal(1, 1, 1))
    fake.complete(Schedule.last_blocks(6, 1), 0.75, name="last-quarter")
    view.run_ended(ended(fake, 0))
    fake.fail("loss is [not] a number at step 7")
    view.run_ended(ended(fake, 1))
    view.finished("budget")
    assert printed(view).splitlines() == [
        "starting Ray",
        "study fake: 1 reference, then a budget of 1 whole trial; studies/fake",
        "0 of 2  #0 last-quarter at 1e-4: accuracy 0.7500, updated parameters 8.5 % "
        "(block 5 · embeddings never)",
        "1 of 2  #1 failed: loss is [not] a number at step 7",
        "the budget is spent",
    ]


def test_the_live_view_says_what_it_prepares():
    view = LiveView(screen())
    view.preparing("loading mrpc")
    view.stop()
    assert "loading mrpc ... 0 s" in shown(view)


def test_in_a_terminal_something_is_shown_before_the_libraries_are_loaded():
    script = """
import sys, io
terminal = io.StringIO()
terminal.isatty = lambda: True
sys.stderr = terminal
from progsearch.show.live import watching
with watching(quiet=False) as view:
    text = terminal.getvalue()
    assert "loading libraries ... 0 s" in text, text
print([name for name in ("torch", "ray", "optuna", "transformers") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("[]", 0)


def test_the_live_view_shows_front_running_trials_and_failures(fake, folder):
    view = LiveView(screen())
    try:
        view.started(folder, SearchGoal(4, 4, 3))
        fake.baselines()
        for trial in fake.trials:
            view.run_started(Run(trial))
            view.run_ended(Run(trial))
        fake.fail("out of memory")
        view.run_ended(ended(fake, -1))
        fake.stop(0.7)
        view.run_ended(ended(fake, -1))
        view.run_started(running(6))
        view.record(running(6), Record(10, 1 / 3, 1, {"accuracy": 0.71}, 9))
    finally:
        view.stop()
    text = shown(view)
    # A failure, and a third of a trial that was stopped after an epoch; references are free.
    lines = text[text.rindex("1.33 of 2 whole trials of the budget") :].splitlines()
    assert "left" in lines[0] and lines[0].rstrip().endswith("1 stopped early · 1 failed")
    (row,) = [line.split() for line in lines if line.lstrip().startswith("#6 ")]
    assert row[:5] == ["#6", "33", "%", "1", "0.7100"]
    assert [line.split()[0] for line in lines if "0.8015" in line] == ["progtuning-3"]


def test_what_a_stopped_trial_made_counts_once(fake, folder):
    view = LiveView(screen())
    try:
        view.started(folder, SearchGoal(0, 0, 2))
        fake.stop(0.7)
        view.run_ended(ended(fake, 0))
        view.run_started(running(1, continues=0))
        assert bar(view).completed == pytest.approx(1 / 3)
        view.record(running(1, continues=0), Record(20, 2 / 3, 2, {}, 9))
        assert bar(view).completed == pytest.approx(2 / 3)
    finally:
        view.stop()


def test_the_time_left_ends_with_the_time_limit(fake, folder):
    view = LiveView(screen())
    folder.recipe = fake.recipe.model_copy(update={"time_limit": 60.0})
    try:
        view.started(folder, SearchGoal(4, 4, 1000))
        fake.complete(Schedule.full(6), 0.8, name="full")
        view.run_ended(ended(fake, 0))
        view._since -= 20
    finally:
        view.stop()
    assert "about 40 s left" in shown(view)


def test_only_a_terminal_gets_the_live_view(monkeypatch):
    monkeypatch.setattr("sys.stderr", io.StringIO())
    with watching(quiet=False) as view:
        assert type(view) is LineView
    with watching(quiet=True) as view:
        assert type(view) is View
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stderr", terminal)
    with watching(quiet=False) as view:
        assert type(view) is LiveView


def test_what_was_not_foreseen_changes_no_total_and_moves_no_bar_back(fake, folder):
    view = LiveView(screen())
    try:
        view.started(folder, SearchGoal(4, 4, 2))
        assert "tuning the references, 0 of 2 whole trials of the budget" in shown(view)
        fake.baselines()
        # A reference gets another learning rate, and a repeat.
        fake.stop(0.7, name="full")
        fake.complete(Schedule.full(6), 0.79, name="full", repeats=0)
        fake.stop(0.7)
        fake.stop(0.7)
        fake.complete(Schedule.full(6), 0.8)
        fake.complete(Schedule.full(6), 0.81)
        bars = []
        for trial in fake.trials:
            view.run_ended(Run(trial))
            bars.append(bar(view).completed / bar(view).total)
    finally:
        view.stop()
    assert bars == sorted(bars) and bars[-1] == 1
    lines = [line for line in printed(view).splitlines() if " of 2  #" in line]
    assert [line.split(" of ")[0] for line in lines] == ["2"] * len(fake.trials)


def test_a_reference_that_waits_is_not_called_stopped(fake, folder):
    fake.stop(0.7, name="full")
    view = LineView(screen())
    view.started(folder, SearchGoal(4, 4, 2))
    view.run_ended(ended(fake, 0))
    line = printed(view).splitlines()[1]
    assert (
        "#0 full at 1e-4 waits at epoch 1 of 3 for its other learning rates: accuracy 0.7" in line
    )
    assert "stopped" not in line
    fake.complete(Schedule.full(6), 0.8, name="full")
    view.run_ended(ended(fake, 0))
    assert "#0 full at 1e-4 stopped early at epoch 1 of 3" in printed(view).splitlines()[2]
