"""What a running confirmation shows, and its results."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from progsearch.cli.show.live import progress_line
from progsearch.cli.show.tables import confirmed_table, console
from progsearch.report.confirmation import seeds_in_words
from progsearch.report.data import StudyReport, study_report
from progsearch.report.formatting import duration
from progsearch.report.rows import trial_name
from progsearch.study.folder import StudyFolder
from progsearch.study.results import Record
from progsearch.study.view import ConfirmGoal, Ending, Run, SearchGoal, View


@contextmanager
def watching(quiet: bool) -> Iterator[View]:
    """Gives the view that fits where stderr goes; results alone are for stdout."""
    where = console(sys.stderr)
    if quiet:
        yield View()
    elif where.is_terminal:
        view = ConfirmLive(where)
        try:
            yield view
        finally:
            view.stop()
    else:
        yield ConfirmLines(where)


def print_confirmed(report: StudyReport, folder: StudyFolder) -> None:
    """Print the schedules on new seeds, what the numbers mean and where the report is."""
    where = console()
    if report.confirmed is not None:
        where.print(confirmed_table(report, report.confirmed))
        for trial, reason in report.confirmed.failed:
            where.print(f"{trial_name(trial)}: no run has a result: {reason}", markup=False)
        where.print(report.confirmed.note, markup=False, soft_wrap=True)
    where.print(f"report: {folder.path / 'report.html'}", markup=False, soft_wrap=True)


class ConfirmLines(View):
    """One line for each step of the preparation and for each finished run."""

    def __init__(self, where: Console) -> None:
        self.console = where
        self.metric = "metric"
        self.n_runs = 0
        self.n_finished = 0

    def preparing(self, message: str) -> None:
        """Show what takes its time."""
        self.print(message)

    def started(self, folder: StudyFolder, goal: SearchGoal | ConfirmGoal) -> None:
        """Say what will be trained."""
        assert isinstance(goal, ConfirmGoal)
        seeds, n_schedules, n_left = goal.seeds, goal.n_schedules, goal.n_left
        report = study_report(folder.study)
        self.metric = report.metric
        self.n_runs = n_left
        word = "seed" if len(seeds) == 1 else "seeds"
        done = len(seeds) * n_schedules - n_left
        self.print(
            f"study {report.study}: {n_schedules} schedules on {len(seeds)} new {word} "
            f"({seeds_in_words(tuple(seeds))}): {n_left} runs to train"
            + (f", {done} are done" if done else "")
        )

    def run_ended(self, run: Run) -> None:
        """Say what came out of it."""
        self.n_finished += 1
        name, kept = run.label, run.kept
        assert kept is not None
        if kept.reason is not None:
            text = f"{name} failed: {kept.reason}"
        else:
            text = (
                f"{name}: {self.metric.replace('_', ' ')} {(kept.metrics or {})[self.metric]:.4f}"
            )
            if kept.test_metrics:
                text += f", test {kept.test_metrics[self.metric]:.4f}"
        self.print(f"{self.n_finished} of {self.n_runs}  {text}")

    def print(self, message: str) -> None:
        """Print a line as it is, without reading markup in it."""
        self.console.print(message, markup=False, soft_wrap=True)


class ConfirmLive(ConfirmLines):
    """The running runs and the time left, drawn over and over in place."""

    def __init__(self, where: Console) -> None:
        super().__init__(where)
        self._running: dict[tuple[int, int | None], tuple[Run, dict[str, Any]]] = {}
        self._message = ""
        self._n_failed = 0
        self._since = time.monotonic()
        self._live = Live(
            console=where, get_renderable=self.drawing, refresh_per_second=4, transient=True
        )

    def preparing(self, message: str) -> None:
        """Show it until the next one."""
        self._message = message
        self._live.start()

    def run_started(self, run: Run) -> None:
        """Add it to the running ones."""
        if self._message:
            self._message = ""
            self._since = time.monotonic()
        self._running[run.trial.number, run.seed] = run, {"fraction": 0.0, "metrics": {}}

    def record(self, run: Run, record: Record) -> None:
        """Show how far a run is."""
        self._running[run.trial.number, run.seed] = run, record.to_dict()

    def run_ended(self, run: Run) -> None:
        """Take it away and say what came out."""
        self._running.pop((run.trial.number, run.seed), None)
        self._n_failed += run.kept is not None and run.kept.reason is not None
        super().run_ended(run)

    def finished(self, ending: Ending) -> None:
        """Take the drawing away."""
        self.stop()

    def stop(self) -> None:
        """Take the drawing away, however it run."""
        self._live.stop()

    def drawing(self) -> RenderableType:
        """All that is shown now."""
        if self._message:
            return Text(f"{self._message} ...", style="dim")
        done = self.n_finished + sum(record["fraction"] for _, record in self._running.values())
        seconds = time.monotonic() - self._since
        words = [f"{self.n_finished} of {self.n_runs} runs", duration(seconds)]
        if self.n_finished:
            words.append(f"about {duration(seconds / done * (self.n_runs - done))} left")
        if self._n_failed:
            words.append(f"{self._n_failed} failed")
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for title in ("running", "seed", "done", "epoch", self.metric.replace("_", " ")):
            table.add_column(title, justify="left" if title == "running" else "right")
        for job, record in self._running.values():
            metric = record["metrics"].get(self.metric)
            table.add_row(
                escape(job.trial.label),
                str(job.seed),
                f"{record['fraction']:.0%}",
                f"{record.get('epoch', 0):.3g}",
                "" if metric is None else f"{metric:.4f}",
            )
        return Group(progress_line(done, self.n_runs, words), table)
