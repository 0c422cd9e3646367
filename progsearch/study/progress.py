"""What of a study is done and what is left, read from its trials alone.

A search that was killed left nothing else behind, so nothing else is asked.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import datetime

from optuna.trial import FrozenTrial, TrialState

from progsearch.study.folder import StudyFolder
from progsearch.study.info import Session as SessionInfo
from progsearch.study.trial import INTERRUPTED, Trial, keep_sessions, numbered, sessions_of


def is_interrupted(trial: FrozenTrial) -> bool:
    """Whether the trial was stopped with its search, which says nothing about its schedule."""
    return Trial(trial).is_interrupted


def is_searched(trial: FrozenTrial) -> bool:
    """Whether the trial was sampled and does not continue a stopped one."""
    return Trial(trial).is_searched


def spent(trials: Sequence[Trial]) -> float:
    """How much of the budget is spent, in whole trials.

    A stopped trial counts as the part of its run that it made, and one that goes on with it as
    the rest; one that runs, as if it were to end. Baselines and interrupted trials cost nothing.

    Args:
        trials: Of a study, those that others go on with among them.
    """
    return _whole(_parts(trials).values())


def latest(trials: Sequence[Trial], first: int, number: int) -> list[Trial] | None:
    """The last trials that ended and came to ``number`` whole ones, counted as `spent` does.

    Args:
        trials: Of a study.
        first: The number of the first one to count.
        number: Of whole trials; None is returned if there are fewer.
    """
    parts = _parts(trials)
    ended = [t for t in trials[first:] if t.number in parts and t.is_finished]
    for n in range(1, len(ended) + 1):
        if _whole(parts[trial.number] for trial in ended[-n:]) >= number:
            return ended[-n:]
    return None


def _parts(trials: Sequence[Trial]) -> dict[int, float]:
    """What each trial costs of the budget, by its number; those that cost nothing left out."""
    by_number = numbered(trials)
    return {
        trial.number: trial.reach
        if trial.continues is None
        else trial.reach - by_number[trial.continues].reach
        for trial in trials
        if not trial.is_baseline and not trial.is_interrupted
    }


def _whole(parts: Iterable[float]) -> float:
    # Three thirds are a whole.
    return round(sum(parts), 6)


def reach(trial: FrozenTrial) -> float:
    """The fraction of its run that a trial made or is to make."""
    return Trial(trial).reach


def to_retry(trials: Sequence[Trial]) -> list[Trial]:
    """The interrupted trials that no other trial has run again yet, oldest first."""
    retried = {trial.retry_of for trial in trials}
    return [trial for trial in trials if trial.is_interrupted and trial.number not in retried]


def left(folder: StudyFolder) -> tuple[int, float]:
    """How many baselines are still to be run, and how much of the budget is not spent."""
    trials = folder.trials()
    retry = to_retry(trials)
    seen = {trial.name for trial in trials}
    new_baselines = set(folder.info.baselines) - seen
    n_baselines = len(new_baselines) + sum(trial.is_baseline for trial in retry)
    return n_baselines, max(0.0, folder.recipe.budget - spent(trials))


def interrupt_running(folder: StudyFolder) -> int:
    """Tell every trial that is still RUNNING as interrupted; returns how many there were.

    Only while nothing runs: after a search, and before the next one if it was killed.
    """
    running = [trial for trial in folder.trials() if trial.is_running]
    for trial in running:
        folder.keep(trial.number, {"reason": INTERRUPTED})
        folder.study.tell(trial.number, state=TrialState.FAIL)
    return len(running)


class Session:
    """One stretch of searching in a study: when, how long, how many trials ended."""

    def __init__(self, folder: StudyFolder) -> None:
        self._folder = folder
        self._earlier = sessions_of(folder.study)
        self._started = datetime.now().astimezone().isoformat(timespec="seconds")
        self._since = time.monotonic()
        self._trials = 0
        self.save()

    def count_trial(self) -> None:
        """One more trial ended."""
        self._trials += 1
        self.save()

    def save(self) -> None:
        """Keep the session's length in the study, so that a killed one is not lost."""
        seconds = round(time.monotonic() - self._since, 3)
        session = SessionInfo(started=self._started, seconds=seconds, trials=self._trials)
        keep_sessions(self._folder.study, [*self._earlier, session])
