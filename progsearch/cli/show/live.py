"""What a running search shows: a live table in a terminal, else a line a trial."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from optuna.trial import FrozenTrial, TrialState
from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from progsearch.cli.show.results import trial_line
from progsearch.cli.show.tables import console, front_table
from progsearch.report.data import StudyReport, study_report
from progsearch.report.formatting import duration, in_words, whole_trials
from progsearch.report.rows import trial_name
from progsearch.study.folder import StudyFolder
from progsearch.study.progress import reach
from progsearch.study.results import Record
from progsearch.study.view import ConfirmGoal, Ending, Run, SearchGoal, View

# Of an interrupted search the command says how to go on with it.
_ENDINGS: dict[Ending, str] = {
    "budget": "the budget is spent",
    "exhausted": "the search space has no schedule left that was not tried",
    "plateau": "the last trials made the front no better (--patience)",
    "time limit": "the time is up",
    "GPU hours": "the GPU hours are used up",
    "interrupted": "stopped",
}


@contextmanager
def watching(quiet: bool) -> Iterator[View]:
    """Gives the view that fits where stderr goes; results alone are for stdout."""
    where = console(sys.stderr)
    if quiet:
        yield View()
    elif where.is_terminal:
        view = LiveView(where)
        try:
            yield view
        finally:
            view.stop()
    else:
        yield LineView(where)


class LineView(View):
    """One line for each step of the preparation and for each finished trial."""

    def __init__(self, where: Console) -> None:
        self.console = where
        # In whole trials, baselines included: what this session has to do, and has done.
        self.total = 0.0
        self.done = 0.0
        self._n_baselines = 0
        self._spent_before = 0.0
        self.report: StudyReport | None = None
        self._folder: StudyFolder | None = None

    def preparing(self, message: str) -> None:
        """Show what takes its time."""
        self.print(message)

    def note(self, message: str) -> None:
        """Show it."""
        self.print(message)

    def started(self, folder: StudyFolder, goal: SearchGoal | ConfirmGoal) -> None:
        """Say what will be trained."""
        assert isinstance(goal, SearchGoal)
        n_baselines, budget = goal.n_baselines, goal.budget
        self._folder = folder
        self.total = n_baselines + budget
        self.report = study_report(folder.study)
        self._spent_before = self.report.spent
        self.print(
            f"study {self.report.study}: {n_baselines} baselines, then a budget of "
            f"{whole_trials(budget)} trials; {folder.path}"
        )

    def run_ended(self, run: Run) -> None:
        """Say what came out of it."""
        trial = run.trial.frozen
        assert self._folder is not None, "a search starts before its trials finish"
        self.report = study_report(self._folder.study)
        self._n_baselines += "name" in trial.user_attrs
        self.done = self._n_baselines + self.report.spent - self._spent_before
        self.print(f"{self._done_of_total()}  {trial_line(self.report, trial)}")

    def _done_of_total(self) -> str:
        return f"{whole_trials(self.done)} of {whole_trials(self.total)}"

    def finished(self, ending: Ending) -> None:
        """Say why the search ended."""
        self.print(_ENDINGS[ending])

    def print(self, message: str) -> None:
        """Print a line as it is, without reading markup in it."""
        self.console.print(message, markup=False, soft_wrap=True)


@dataclass
class _Running:
    trial: FrozenTrial
    record: dict[str, Any] = field(default_factory=lambda: {"fraction": 0.0, "metrics": {}})


class LiveView(LineView):
    """The front so far, the running trials and the time left, drawn over and over in place."""

    def __init__(self, where: Console) -> None:
        super().__init__(where)
        self.n_failed = 0
        self._running: dict[int, _Running] = {}
        self._message = ""
        self._since = time.monotonic()
        self._seconds_allowed = math.inf
        self._live = Live(
            console=where, get_renderable=self.drawing, refresh_per_second=4, transient=True
        )

    def preparing(self, message: str) -> None:
        """Show it until the next one."""
        self._message = message
        self._live.start()

    def started(self, folder: StudyFolder, goal: SearchGoal | ConfirmGoal) -> None:
        """Say what will be trained, above the drawing."""
        super().started(folder, goal)
        self._message = ""
        self._since = time.monotonic()
        self._seconds_allowed = folder.recipe.time_limit or math.inf
        self._live.start()

    def run_started(self, run: Run) -> None:
        """Add it to the running trials."""
        self._running[run.trial.number] = _Running(run.trial.frozen)

    def record(self, run: Run, record: Record) -> None:
        """Show how far a trial is."""
        self._running[run.trial.number] = _Running(run.trial.frozen, record.to_dict())

    def run_ended(self, run: Run) -> None:
        """Move a trial from the running ones into the front, or say why it has no place there."""
        self._running.pop(run.trial.number, None)
        self.n_failed += run.trial.state == TrialState.FAIL
        super().run_ended(run)

    def finished(self, ending: Ending) -> None:
        """Take the drawing away and say why the search ended."""
        self.stop()
        super().finished(ending)

    def stop(self) -> None:
        """Take the drawing away, however the search ended."""
        self._live.stop()

    def drawing(self) -> RenderableType:
        """All that is shown now."""
        if self.report is None or self._message:
            return Text(f"{self._message} ...", style="dim")
        # What does not fit on the screen is cut off at its end.
        parts: list[RenderableType] = [self._progress(self.report)]
        if self._running:
            parts.append(self._running_table(self.report))
        if self.report.front:
            parts.append(front_table(self.report))
        return Group(*parts)

    def _running_table(self, report: StudyReport) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for title in ("running", "done", "epoch", report.metric.replace("_", " "), "trained"):
            table.add_column(title, justify="left" if title in ("running", "trained") else "right")
        for number in sorted(self._running):
            running = self._running[number]
            metric = running.record["metrics"].get(report.metric)
            table.add_row(
                escape(trial_name(running.trial)),
                f"{running.record['fraction']:.0%}",
                f"{running.record.get('epoch', 0):.3g}",
                "" if metric is None else f"{metric:.4f}",
                in_words(running.trial.user_attrs["schedule"], report.n_blocks),
            )
        return table

    def _progress(self, report: StudyReport) -> Table:
        done = self.done + sum(_begun(running, report) for running in self._running.values())
        seconds = time.monotonic() - self._since
        words = [f"{self._done_of_total()} trials", duration(seconds)]
        if self.done:
            left = max(0.0, seconds / done * (self.total - done))
            words.append(f"about {duration(min(left, self._seconds_allowed - seconds))} left")
        if report.stopped:
            words.append(f"{len(report.stopped)} stopped early")
        if self.n_failed:
            words.append(f"{self.n_failed} failed")
        return progress_line(done, self.total, words)


def _begun(running: _Running, report: StudyReport) -> float:
    """The part of its run that a trial has made, without that of the one it goes on with."""
    stopped = running.trial.user_attrs.get("continues")
    counted = 0.0 if stopped is None else reach(report.trials[stopped])
    return max(0.0, float(running.record["fraction"]) - counted)


def progress_line(done: float, total: float, words: Sequence[str]) -> Table:
    """A bar with words behind it."""
    line = Table.grid(padding=(0, 1))
    line.add_row(ProgressBar(total=total, completed=done, width=30), " · ".join(words))
    return line
