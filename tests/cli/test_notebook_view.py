"""The progress in the output of a notebook's cell."""

import re
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from progsearch.schedule import Schedule
from progsearch.show import notebook
from progsearch.study.trial import Trial
from progsearch.study.view import Run, SearchGoal
from tests.support.fake_study import FakeStudy


@pytest.fixture
def shown(monkeypatch):
    """What the cell has shown, one text per drawing."""
    texts = []

    class Handle:
        def update(self, page):
            texts.append(re.sub("<[^>]+>", "", page))

    def display(page, display_id):
        texts.append(re.sub("<[^>]+>", "", page))
        return Handle()

    shell = SimpleNamespace(kernel=object())
    ipython = SimpleNamespace(get_ipython=lambda: shell)
    ipython.display = SimpleNamespace(HTML=str, display=display)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython.display)
    return texts


def test_a_search_is_drawn_in_one_output(shown, tmp_path):
    fake = FakeStudy(budget=2)
    fake.baselines()
    folder: Any = SimpleNamespace(study=fake.study, path=tmp_path, recipe=fake.recipe, name="fake")
    with notebook.watching_here(True) as view:
        view.preparing("starting Ray")
        assert "starting Ray ..." in shown[-1]
        view.note("train: 240 rows [of 1,000]")
        view.started(folder, SearchGoal(0, 0.0, 2.0))
        fake.complete(Schedule.last_blocks(6, 3), 0.79)
        run = Run(Trial(fake.study.trials[-1]))
        view.run_started(run)
        view.run_ended(run)
        assert "1 of 2" in shown[-1] and "#4" in shown[-1]
        view.finished("budget")
    text = shown[-1]
    assert "train: 240 rows [of 1,000]" in text and "the budget is spent" in text
    assert "starting Ray" not in text and "1 of 2" not in text


def test_progress_can_be_off_and_needs_a_notebook(shown, monkeypatch, capsys):
    with notebook.watching_here(False) as view:
        view.preparing("starting Ray")
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    with notebook.watching_here(True) as view:
        view.preparing("loading")
    assert shown == []
    assert capsys.readouterr().err == "loading\n"


def test_what_stops_a_search_leaves_no_drawing(shown):
    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), notebook.watching_here(True) as view:
        view.preparing("starting Ray")
        stop()
    assert "starting Ray" not in shown[-1]
