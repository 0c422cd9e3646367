import io
from types import SimpleNamespace

import pytest
from optuna.trial import TrialState, create_trial
from rich.console import Console

from progsearch.show.live import LineView, LiveView
from progsearch.study.confirmed_runs import ConfirmedRun
from progsearch.study.metadata import info_of
from progsearch.study.results import Record
from progsearch.study.trial import Trial
from progsearch.study.view import ConfirmGoal, Run
from tests.support.fake_runs import confirmed_run
from tests.support.fake_study import fake_study


@pytest.fixture
def folder():
    study = fake_study()
    return SimpleNamespace(name="fake", study=study, info=info_of(study))


def run(number, seed, kept=None, **attributes):
    trial = create_trial(state=TrialState.COMPLETE, value=0.5, user_attrs=attributes)
    trial.number = number
    return Run(Trial(trial), seed, kept)


def screen():
    return Console(file=io.StringIO(), width=140)


def printed(view):
    assert isinstance(view.console.file, io.StringIO)
    return view.console.file.getvalue()


def test_a_line_for_each_finished_run(folder):
    view = LineView(screen())
    view.preparing("starting Ray")
    view.started(folder, ConfirmGoal((1, 2, 3), 4, 9))
    view.run_ended(run(0, 1, confirmed_run(0, 1, 0.8, 0.79), name="full"))
    view.run_ended(run(7, 2, ConfirmedRun(trial=7, seed=2, reason="loss is [not] a number")))
    view.run_ended(run(7, 3, confirmed_run(7, 3, 0.75)))
    view.finished("budget")
    assert printed(view).splitlines() == [
        "starting Ray",
        "study fake: 4 schedules on 3 new seeds (1 to 3): 9 runs to train, 3 are done",
        "1 of 9  full, seed 1: accuracy 0.8000, test 0.7900",
        "2 of 9  #7, seed 2 failed: loss is [not] a number",
        "3 of 9  #7, seed 3: accuracy 0.7500",
    ]


def test_the_live_view_shows_running_runs_and_failures(folder):
    view = LiveView(screen())
    try:
        view.preparing("starting Ray")
        view.console.print(view.drawing())
        view.started(folder, ConfirmGoal((1, 2), 4, 8))
        for number, seed in ((0, 1), (7, 2), (7, 1)):
            view.run_started(run(number, seed))
        view.run_ended(run(0, 1, confirmed_run(0, 1, 0.8)))
        view.run_ended(run(7, 1, ConfirmedRun(trial=7, seed=1, reason="out of memory")))
        view.record(run(7, 2), Record(10, 1 / 3, 1, {"accuracy": 0.71}, 9))
        view.console.print(view.drawing())
    finally:
        view.finished("budget")
    text = printed(view)
    assert "starting Ray ..." in text
    lines = text[text.rindex("2 of 8 runs") :].splitlines()
    assert "left" in lines[0] and lines[0].rstrip().endswith("1 failed")
    titles, (row,) = (
        [line.split() for line in lines if line.lstrip().startswith(start)]
        for start in ("running", "#")
    )
    assert titles == [["running", "seed", "done", "epoch", "accuracy"]]
    assert row == ["#7", "2", "33", "%", "1", "0.7100"]
    assert "budget" not in text, "its results say that it is done"
