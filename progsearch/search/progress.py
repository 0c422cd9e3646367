"""What of a study is done and what is left, read from its trials alone.

A search that was killed left nothing else behind, so nothing else is asked.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime

from optuna.trial import FrozenTrial, TrialState

from progsearch.search.study import StudyFolder

INTERRUPTED = "interrupted"
"""Reason of a trial that was stopped with its search; another trial runs it again."""

STOPPED = "stopped by the scheduler"
"""Reason of a trial that was given up before its end; it is PRUNED."""


def is_interrupted(trial: FrozenTrial) -> bool:
    """Whether the trial was stopped with its search, which says nothing about its schedule."""
    return trial.state == TrialState.FAIL and trial.user_attrs.get("reason") == INTERRUPTED


def is_searched(trial: FrozenTrial) -> bool:
    """Whether the trial counts for the budget.

    Neither baselines nor interrupted trials do, nor those that go on with a stopped one.
    """
    attributes = trial.user_attrs
    return not {"name", "continues"} & attributes.keys() and not is_interrupted(trial)


def n_searched(trials: Sequence[FrozenTrial]) -> int:
    """How much of the budget is spent."""
    return sum(map(is_searched, trials))


def to_retry(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The interrupted trials that no other trial has run again yet, oldest first."""
    retried = {trial.user_attrs.get("retry_of") for trial in trials}
    return [trial for trial in trials if is_interrupted(trial) and trial.number not in retried]


def left(folder: StudyFolder) -> tuple[int, int]:
    """How many baselines and how many searched trials are still to be run."""
    trials = folder.study.get_trials(deepcopy=False)
    retry = to_retry(trials)
    seen = {trial.user_attrs.get("name") for trial in trials}
    new_baselines = set(folder.study.user_attrs["baselines"]) - seen
    n_baselines = len(new_baselines) + sum("name" in trial.user_attrs for trial in retry)
    return n_baselines, max(0, folder.recipe.budget - n_searched(trials))


def interrupt_running(folder: StudyFolder) -> int:
    """Tell every trial that is still RUNNING as interrupted; returns how many there were.

    Only while nothing runs: after a search, and before the next one if it was killed.
    """
    running = folder.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    for trial in running:
        folder.set_trial_attr(trial.number, "reason", INTERRUPTED)
        folder.study.tell(trial.number, state=TrialState.FAIL)
    return len(running)


class Session:
    """One stretch of searching in a study: when, how long, how many trials ended."""

    def __init__(self, folder: StudyFolder) -> None:
        self._folder = folder
        self._earlier = folder.study.user_attrs.get("sessions", [])
        self._started = datetime.now().astimezone().isoformat(timespec="seconds")
        self._since = time.monotonic()
        self._trials = 0
        self.save()

    @property
    def number(self) -> int:
        """1 for the first session of a study."""
        return len(self._earlier) + 1

    def count_trial(self) -> None:
        """One more trial ended."""
        self._trials += 1
        self.save()

    def save(self) -> None:
        """Keep the session's length in the study, so that a killed one is not lost."""
        session = {
            "started": self._started,
            "seconds": round(time.monotonic() - self._since, 3),
            "trials": self._trials,
        }
        self._folder.study.set_user_attr("sessions", [*self._earlier, session])
