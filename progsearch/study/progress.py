"""What is done and what is left of a study, read only from its trials.

A killed search leaves nothing else behind.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import datetime

from optuna.trial import TrialState

from progsearch.study.folder import StudyFolder
from progsearch.study.info import Session as SessionInfo
from progsearch.study.trial import INTERRUPTED, Trial, keep_sessions, numbered, sessions_of


def spent(trials: Sequence[Trial]) -> float:
    """How much of the budget is spent, in whole trials.

    A stopped trial counts as the fraction of its run that was trained, and a trial that continues
    it as the rest. A running trial counts in full. References and interrupted trials are free.

    Args:
        trials: All trials of a study, including those that others continue.
    """
    return _whole(_parts(trials).values())


def latest(trials: Sequence[Trial], first: int, number: int) -> list[Trial] | None:
    """The latest ended trials that add up to ``number`` whole trials, counted as in `spent`.

    Args:
        trials: All trials of a study.
        first: The number of the first trial to count.
        number: How many whole trials are needed.

    Returns:
        None if there are fewer.
    """
    parts = _parts(trials)
    ended = [t for t in trials[first:] if t.number in parts and t.is_finished]
    for n in range(1, len(ended) + 1):
        if _whole(parts[trial.number] for trial in ended[-n:]) >= number:
            return ended[-n:]
    return None


def _parts(trials: Sequence[Trial]) -> dict[int, float]:
    """The share of the budget that each trial costs, by number; without those that are free."""
    by_number = numbered(trials)
    return {
        trial.number: trial.reach
        if trial.continues is None
        else trial.reach - by_number[trial.continues].reach
        for trial in trials
        if not trial.is_baseline and not trial.is_interrupted
    }


def _whole(parts: Iterable[float]) -> float:
    # Rounded, so that three thirds make one.
    return round(sum(parts), 6)


def to_retry(trials: Sequence[Trial]) -> list[Trial]:
    """The interrupted trials that have not been run again yet, oldest first."""
    retried = {trial.retry_of for trial in trials}
    return [trial for trial in trials if trial.is_interrupted and trial.number not in retried]


def left(folder: StudyFolder) -> tuple[int, float]:
    """The number of references that are still to be trained, and the budget that is left."""
    trials = folder.trials()
    retry = to_retry(trials)
    seen = {trial.name for trial in trials}
    unseen = set(folder.info.baselines) - seen
    n_baselines = len(unseen) + sum(trial.is_baseline for trial in retry)
    return n_baselines, max(0.0, folder.recipe.budget - spent(trials))


def interrupt_running(folder: StudyFolder) -> int:
    """Mark all trials that are still RUNNING as interrupted; returns how many there were.

    Call it only while no trial runs: after a search, or before the next one if it was killed.
    """
    running = [trial for trial in folder.trials() if trial.is_running]
    for trial in running:
        folder.keep(trial.number, {"reason": INTERRUPTED})
        folder.study.tell(trial.number, state=TrialState.FAIL)
    return len(running)


class Session:
    """Records one session of a search: its start, its duration and the trials that ended."""

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
        """Store the session's duration in the study, so that it survives a kill."""
        seconds = round(time.monotonic() - self._since, 3)
        session = SessionInfo(started=self._started, seconds=seconds, trials=self._trials)
        keep_sessions(self._folder.study, [*self._earlier, session])
