import io
from types import SimpleNamespace

import pytest
from progsearch.driver.confirm_view import ConfirmView
from rich.console import Console

from progsearch.cli.show.confirm_live import ConfirmLines, ConfirmLive, watching
from progsearch.report.data import study_report
from progsearch.study.confirmed_runs import KeptRun
from tests.support.fake_runs import kept_run
from tests.support.fake_study import fake_study


@pytest.fixture
def report():
    return study_report(fake_study())


def job(number, seed, **attributes):
    return SimpleNamespace(trial=SimpleNamespace(number=number, user_attrs=attributes), seed=seed)


def screen():
    return Console(file=io.StringIO(), width=140)


def test_a_line_for_each_finished_run(report):
    view = ConfirmLines(screen())
    view.started(report, [1, 2, 3], 4, 9)
    view.preparing("starting Ray")
    view.run_finished(job(0, 1, name="full"), kept_run(0, 1, 0.8, 0.79))
    view.run_finished(job(7, 2), KeptRun(trial=7, seed=2, reason="loss is [not] a number"))
    view.run_finished(job(7, 3), kept_run(7, 3, 0.75))
    assert view.console.file.getvalue().splitlines() == [
        "study fake: 4 schedules on 3 new seeds (1 to 3): 9 runs to train, 3 are done",
        "starting Ray",
        "1 of 9  full, seed 1: accuracy 0.8000, test 0.7900",
        "2 of 9  #7, seed 2 failed: loss is [not] a number",
        "3 of 9  #7, seed 3: accuracy 0.7500",
    ]


def test_the_live_view_shows_running_runs_and_failures(report):
    view = ConfirmLive(screen())
    try:
        view.started(report, [1, 2], 4, 8)
        view.preparing("starting Ray")
        view.console.print(view.drawing())
        for number, seed in ((0, 1), (7, 2), (7, 1)):
            view.run_started(job(number, seed))
        view.run_finished(job(0, 1), kept_run(0, 1, 0.8))
        view.run_finished(job(7, 1), KeptRun(trial=7, seed=1, reason="out of memory"))
        record = {"fraction": 1 / 3, "epoch": 1, "metrics": {"accuracy": 0.71}, "seconds": 9}
        view.record(job(7, 2), record)
        view.console.print(view.drawing())
    finally:
        view.finished(interrupted=False)
    text = view.console.file.getvalue()
    assert "starting Ray ..." in text
    lines = text[text.rindex("2 of 8 runs") :].splitlines()
    assert "left" in lines[0] and lines[0].rstrip().endswith("1 failed")
    (row,) = [line.split() for line in lines if line.lstrip().startswith("#")]
    assert row == ["#7", "2", "33%", "1", "0.7100"]


def test_only_a_terminal_gets_the_live_view(monkeypatch):
    monkeypatch.setattr("sys.stderr", io.StringIO())
    with watching(quiet=False) as view:
        assert type(view) is ConfirmLines
    with watching(quiet=True) as view:
        assert type(view) is ConfirmView
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stderr", terminal)
    with watching(quiet=False) as view:
        assert type(view) is ConfirmLive
