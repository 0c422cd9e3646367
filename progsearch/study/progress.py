"""What of a study is done and what is left, read from its trials alone.

A search that was killed left nothing else behind, so nothing else is asked.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import datetime

from optuna.trial import FrozenTrial, TrialState

from progsearch.study.folder import StudyFolder

INTERRUPTED = "interrupted"
"""Reason of a trial that was stopped with its search; another trial runs it again."""

STOPPED = "stopped by the scheduler"
"""Reason of a trial that was given up before its end; it is PRUNED."""


def is_interrupted(trial: FrozenTrial) -> bool:
    """Whether the trial was stopped with its search, which says nothing about its schedule."""
    return trial.state == TrialState.FAIL and trial.user_attrs.get("reason") == INTERRUPTED


def is_searched(trial: FrozenTrial) -> bool:
    """Whether the trial was drawn and is no other trial's rest.

    Neither baselines nor interrupted trials are, nor those that go on with a stopped one.
    """
    attributes = trial.user_attrs
    return not {"name", "continues"} & attributes.keys() and not is_interrupted(trial)


def spent(trials: Sequence[FrozenTrial]) -> float:
    """How much of the budget is spent, in whole trials.

    A stopped trial counts as the part of its run that it made, and one that goes on with it as
    the rest; one that runs, as if it were to end. Baselines and interrupted trials cost nothing.

    Args:
        trials: Of a study, those that others go on with among them.
    """
    return _whole(_parts(trials).values())


def latest(trials: Sequence[FrozenTrial], first: int, number: int) -> list[FrozenTrial] | None:
    """The last trials that ended and came to so many whole ones, counted as `spent` does.

    Args:
        trials: Of a study.
        first: The number of the first one to count.
        number: Of whole trials; None is returned where there are fewer.
    """
    parts = _parts(trials)
    ended = [t for t in trials[first:] if t.number in parts and t.state.is_finished()]
    for n in range(1, len(ended) + 1):
        if _whole(parts[trial.number] for trial in ended[-n:]) >= number:
            return ended[-n:]
    return None


def _parts(trials: Sequence[FrozenTrial]) -> dict[int, float]:
    """What each trial costs of the budget, by its number; those that cost nothing left out."""
    by_number = {trial.number: trial for trial in trials}
    return {
        number: reach(trial) - reach(by_number[trial.user_attrs["continues"]])
        if "continues" in trial.user_attrs
        else reach(trial)
        for number, trial in by_number.items()
        if "name" not in trial.user_attrs and not is_interrupted(trial)
    }


def _whole(parts: Iterable[float]) -> float:
    # Three thirds are a whole.
    return round(sum(parts), 6)


def reach(trial: FrozenTrial) -> float:
    """The fraction of its run that a trial made or is to make."""
    records = trial.user_attrs.get("records")
    # Without any it counts whole as well, so that every search comes to its end.
    if trial.state != TrialState.PRUNED or not records:
        return 1.0
    return float(records[-1]["fraction"])


def to_retry(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The interrupted trials that no other trial has run again yet, oldest first."""
    retried = {trial.user_attrs.get("retry_of") for trial in trials}
    return [trial for trial in trials if is_interrupted(trial) and trial.number not in retried]


def left(folder: StudyFolder) -> tuple[int, float]:
    """How many baselines are still to be run, and how much of the budget is not spent."""
    trials = folder.study.get_trials(deepcopy=False)
    retry = to_retry(trials)
    seen = {trial.user_attrs.get("name") for trial in trials}
    new_baselines = set(folder.study.user_attrs["baselines"]) - seen
    n_baselines = len(new_baselines) + sum("name" in trial.user_attrs for trial in retry)
    return n_baselines, max(0.0, folder.recipe.budget - spent(trials))


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
