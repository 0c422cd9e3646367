"""What a search or a confirmation has to do and has done, in words."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import RenderableType
from rich.text import Text

from progsearch.numerals import counted, whole_percent
from progsearch.report.confirmation import seeds_in_words
from progsearch.report.counts import counts
from progsearch.report.data import study_report
from progsearch.report.formatting import in_words, spent_in_words, whole_trials
from progsearch.show.results import name_of, trial_line
from progsearch.show.tables import front_table
from progsearch.study.folder import StudyFolder
from progsearch.study.progress import Work, untuned, work_of
from progsearch.study.results import Record
from progsearch.study.trial import STOPPED_EARLY
from progsearch.study.view import ConfirmGoal, Run, SearchGoal


@dataclass(frozen=True)
class ActiveRow:
    """An active run as a row of a table: its name, its cells by column title, its schedule."""

    name: str
    cells: dict[str, str]
    below: str = ""


class Tally(ABC):
    """Counts what is done of a search or a confirmation.

    Attributes:
        unit: What is counted.
        tells_ending: Whether the reason of its end is worth a line.
        metric: Name of the task's metric.
        total: The whole work; that of a search is an estimate, which may grow.
        done: The part that is done, without active runs.
        before: What was done before this command began.
        n_failed: Runs without a result.
        seconds_allowed: How long all may take.
    """

    unit: str
    tells_ending = True

    def __init__(
        self, metric: str, total: float, seconds_allowed: float = math.inf, done: float = 0.0
    ) -> None:
        self.metric = metric
        self.total = total
        self.done = self.before = done
        self.n_failed = 0
        self.seconds_allowed = seconds_allowed

    @property
    def done_of_total(self) -> str:
        """Such as ``5.33 of 7``."""
        return f"{whole_trials(self.done)} of {whole_trials(self.total)}"

    @property
    def progress(self) -> str:
        """The same with its unit."""
        return f"{self.done_of_total} {self.unit}"

    @property
    @abstractmethod
    def opening(self) -> str:
        """What will be trained, in a sentence."""

    @abstractmethod
    def count(self, run: Run) -> str:
        """Count a run that has ended; returns its result."""

    @abstractmethod
    def begun(self, run: Run, fraction: float) -> float:
        """How much an active run counts after ``fraction`` of its steps."""

    @abstractmethod
    def row(self, run: Run, record: Record | None) -> ActiveRow:
        """An active run and its last record."""

    @property
    def remarks(self) -> Sequence[str]:
        """Failures and early stops."""
        return [f"{self.n_failed} failed"] if self.n_failed else []

    @property
    def results(self) -> Sequence[RenderableType]:
        """The results so far."""
        return ()

    def _progress(self, record: Record | None) -> dict[str, str]:
        metric = None if record is None else record.metrics.get(self.metric)
        return {
            "done": whole_percent(0.0 if record is None else record.fraction),
            "epoch": f"{0 if record is None else record.epoch:.3g}",
            self.metric.replace("_", " "): "" if metric is None else f"{metric:.4f}",
        }


class SearchTally(Tally):
    """Counts a search in whole trials.

    Its work includes the references, of which some may need more learning rates than planned. So
    what is shown as a number is the budget, which does not change; references cost none of it.
    """

    unit = "whole trials"

    def __init__(self, folder: StudyFolder, goal: SearchGoal) -> None:
        self._folder = folder
        self._goal = goal
        self._report = study_report(folder.study)
        work = self._work
        super().__init__(
            self._report.metric, work.total, folder.recipe.time_limit or math.inf, work.done
        )

    @property
    def done_of_total(self) -> str:
        """The spent part of the budget."""
        budget = self._report.recipe.budget
        return f"{whole_trials(min(self._report.spent, budget))} of {whole_trials(budget)}"

    @property
    def progress(self) -> str:
        """The spent part of the budget, and whether references are tuned before."""
        report = self._report
        text = f"{spent_in_words(report.spent, report.recipe.budget)} of the budget"
        resting = [trial for trial in report.trials if not trial.is_running]
        tuning = untuned(resting, report.recipe, report.info)
        return f"tuning the references, {text}" if tuning else text

    @property
    def opening(self) -> str:
        """What will be trained, and the folder of the results."""
        goal = self._goal
        again = f" and {counted(goal.n_repeats, 'more run')} of them" if goal.n_repeats else ""
        unit = "whole trial" if goal.budget == 1 else self.unit
        return (
            f"study {self._report.study}: {counted(goal.n_baselines, 'reference')}{again}, then a "
            f"budget of {whole_trials(goal.budget)} {unit}; {self._folder.path}"
        )

    def count(self, run: Run) -> str:
        """Read the study again, since a trial has ended."""
        self._report = study_report(self._folder.study)
        self.n_failed += run.trial.is_failed
        self.done, self.total = self._work
        return trial_line(self._report, run.trial)

    @property
    def _work(self) -> Work:
        return work_of(self._report.trials, self._report.recipe, self._report.info)

    def begun(self, run: Run, fraction: float) -> float:
        """The part that a trial trained itself, without that of the trial it continues."""
        stopped = run.trial.continues
        counted = 0.0 if stopped is None else self._report.trials[stopped].reach
        return max(0.0, fraction - counted)

    def row(self, run: Run, record: Record | None) -> ActiveRow:
        """The trial, its progress and its schedule."""
        words = in_words(run.trial.stages, self._report.n_blocks)
        return ActiveRow(name_of(run.trial), self._progress(record), words)

    @property
    def remarks(self) -> Sequence[str]:
        """How many trials were stopped early or failed."""
        n_stopped = counts(self._report).get(STOPPED_EARLY, 0)
        stopped = [f"{n_stopped} {STOPPED_EARLY}"] if n_stopped else []
        return [*stopped, *super().remarks]

    @property
    def results(self) -> Sequence[RenderableType]:
        """The front so far."""
        if not self._report.front:
            return []
        # Without schedules, so that more of the front fits on the screen.
        return [Text(""), front_table(self._report, schedules=False)]


class ConfirmTally(Tally):
    """Counts a confirmation in runs."""

    unit = "runs"
    tells_ending = False

    def __init__(self, folder: StudyFolder, goal: ConfirmGoal) -> None:
        self._name = folder.name
        self._goal = goal
        super().__init__(folder.info.metric, goal.n_left)

    @property
    def opening(self) -> str:
        """What will be trained, and what is done already."""
        seeds, n_left = self._goal.seeds, self._goal.n_left
        n_done = len(seeds) * self._goal.n_schedules - n_left
        return (
            f"study {self._name}: {self._goal.n_schedules} schedules on {len(seeds)} new "
            f"{'seed' if len(seeds) == 1 else 'seeds'} ({seeds_in_words(seeds)}): "
            f"{n_left} runs to train" + (f", {n_done} are done" if n_done else "")
        )

    def count(self, run: Run) -> str:
        """The metrics of a run, or why it failed."""
        assert run.kept is not None, "a run of a confirmation that has ended is kept"
        self.done += 1
        if run.kept.reason is not None:
            self.n_failed += 1
            return f"{run.label} failed: {run.kept.reason}"
        metrics, test_metrics = run.kept.metrics or {}, run.kept.test_metrics
        text = f"{run.label}: {self.metric.replace('_', ' ')} {metrics[self.metric]:.4f}"
        return text + (f", test {test_metrics[self.metric]:.4f}" if test_metrics else "")

    def begun(self, run: Run, fraction: float) -> float:
        """What the run has made."""
        return fraction

    def row(self, run: Run, record: Record | None) -> ActiveRow:
        """The trial, the new seed and the progress of the run."""
        return ActiveRow(run.trial.label, {"seed": str(run.seed), **self._progress(record)})


def tally_of(folder: StudyFolder, goal: SearchGoal | ConfirmGoal) -> Tally:
    """The tally of what begins now."""
    if isinstance(goal, SearchGoal):
        return SearchTally(folder, goal)
    return ConfirmTally(folder, goal)
