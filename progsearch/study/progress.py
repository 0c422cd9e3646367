"""What is done and what is left of a study, read only from its trials.

A killed search leaves nothing else behind.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from optuna.trial import TrialState

from progsearch.config import Recipe
from progsearch.study.folder import StudyFolder
from progsearch.study.front import allowed, front_of, full_of
from progsearch.study.info import Session as SessionInfo
from progsearch.study.info import StudyInfo
from progsearch.study.metadata import keep_sessions, sessions_of
from progsearch.study.trial import INTERRUPTED, Trial, numbered

# Sums of fractions of runs differ from whole numbers by less.
_ROUNDING = 1e-6


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
    # A repeat is no attempt at a better schedule.
    ended = [
        t for t in trials[first:] if t.number in parts and t.is_finished and t.repeats is None
    ]
    for n in range(1, len(ended) + 1):
        if _whole(parts[trial.number] for trial in ended[-n:]) >= number:
            return ended[-n:]
    return None


def rungs(recipe: Recipe) -> list[int]:
    """The epochs after which the worse half of a reference's learning rates is dropped.

    None without reuse: a run that waits for others would begin again.
    """
    n_rungs = math.ceil(math.log2(recipe.training.epochs)) if recipe.reuse else 0
    return [2**n for n in range(n_rungs)]


def tuning_work(n_rates: int, recipe: Recipe) -> float:
    """How many whole trials it takes to tune a reference over ``n_rates`` learning rates."""
    total, done, left = 0.0, 0, n_rates
    for epoch in [*rungs(recipe), recipe.training.epochs]:
        total += left * (epoch - done) / recipe.training.epochs
        done, left = epoch, math.ceil(left / 2)
    return total


def tuned(trials: Sequence[Trial]) -> dict[str, float]:
    """How much of each reference was trained, in whole trials, by name; without repeats."""
    by_number = numbered(trials)
    missing = {trial.number for trial in missing_references(trials)}
    done: dict[str, float] = {}
    for trial in trials:
        counts = trial.is_finished and not trial.is_interrupted and trial.repeats is None
        counts = counts and trial.number not in missing
        if trial.name is not None and counts:
            done[trial.name] = done.get(trial.name, 0.0) + _part(trial, by_number)
    return done


def _parts(trials: Sequence[Trial]) -> dict[int, float]:
    """The share of the budget that each trial costs, by number; without those that are free."""
    by_number = numbered(trials)
    return {
        trial.number: _part(trial, by_number)
        for trial in trials
        if not trial.is_baseline and not trial.is_interrupted
    }


def _part(trial: Trial, by_number: Mapping[int, Trial]) -> float:
    """The fraction of its run that a trial trained, without that of the trial it continues."""
    before = 0.0 if trial.continues is None else by_number[trial.continues].reach
    return trial.reach - before


def _whole(parts: Iterable[float]) -> float:
    # Rounded, so that three thirds make one.
    return round(sum(parts), 6)


def to_retry(trials: Sequence[Trial]) -> list[Trial]:
    """The interrupted trials that have not been run again yet, oldest first."""
    retried = {trial.retry_of for trial in trials}
    return [trial for trial in trials if trial.is_interrupted and trial.number not in retried]


def missing_references(trials: Sequence[Trial]) -> list[Trial]:
    """The runs of references that a search stopped trying after it had lost worker after worker.

    The next session runs them again, since all is compared with references.
    """
    retried = {trial.retry_of for trial in trials}
    return [
        trial
        for trial in trials
        if trial.is_baseline and trial.is_lost and trial.is_failed and trial.number not in retried
    ]


class Left(NamedTuple):
    """What is left of a study.

    Attributes:
        n_baselines: The number of references that are not tuned yet.
        baseline_work: Their rest, in whole trials.
        budget: The budget that is left, in whole trials.
        n_repeats: The number of runs of tuned references with other seeds that were not begun.
    """

    n_baselines: int
    baseline_work: float
    budget: float
    n_repeats: int = 0

    @property
    def is_nothing(self) -> bool:
        """Whether all is done."""
        return not (self.baseline_work or self.budget or self.n_repeats)


def left(folder: StudyFolder) -> Left:
    """What is left of a study, read from its trials."""
    return left_of(folder.trials(), folder.recipe, folder.info)


def untuned(trials: Sequence[Trial], recipe: Recipe, info: StudyInfo) -> dict[str, float]:
    """The references that are not tuned yet, each with its rest in whole trials."""
    done = tuned(trials)
    rests = {
        name: tuning_work(len(info.reference_rates.get(name, (0,))), recipe) - done.get(name, 0.0)
        for name in info.baselines
    }
    return {name: rest for name, rest in rests.items() if rest > _ROUNDING}


def left_of(trials: Sequence[Trial], recipe: Recipe, info: StudyInfo) -> Left:
    """What is left of a study with these trials."""
    interrupted = sum(trial.is_baseline for trial in to_retry(trials))
    interrupted += len(missing_references(trials))
    unfinished = untuned(trials, recipe, info).values()
    seeds = seeds_of(trials, recipe)
    lacking = baselines_to_repeat(trials, recipe)
    return Left(
        len(unfinished),
        _whole(unfinished) or float(interrupted),
        max(0.0, recipe.budget - spent(trials)),
        sum(recipe.front_seeds - seeds[trial.number] for trial in lacking),
    )


class Work(NamedTuple):
    """The work of a whole study, in whole trials.

    Attributes:
        done: What has ended: searched trials, references and their repeats.
        total: The same and what is still to come, as far as it is known: never less than
            ``done`` and what runs now. It grows if references turn out to need more learning
            rates or repeats.
    """

    done: float
    total: float


def work_of(trials: Sequence[Trial], recipe: Recipe, info: StudyInfo) -> Work:
    """What a study with these trials has done and what it will have done at its end."""
    by_number = numbered(trials)
    resting = [trial for trial in trials if not trial.is_running]
    running = [trial for trial in trials if trial.is_running]
    rest = left_of(resting, recipe, info)

    def whole(chosen: Iterable[Trial]) -> float:
        return _whole(_part(trial, by_number) for trial in chosen)

    done = whole(trial for trial in resting if not trial.is_interrupted)
    references = [trial for trial in running if trial.is_baseline]
    total = (
        done
        + max(rest.baseline_work, whole(t for t in references if t.repeats is None))
        + max(rest.n_repeats, whole(t for t in references if t.repeats is not None))
        + max(rest.budget, whole(trial for trial in running if not trial.is_baseline))
    )
    return Work(done, total)


def seeds_of(trials: Sequence[Trial], recipe: Recipe) -> dict[int, int]:
    """The number of seeds that each trial was or is being trained with, by its number."""
    found = {trial.number: recipe.seeds for trial in trials if trial.repeats is None}
    for trial in trials:
        # A seed that failed counts, since it would fail again.
        if trial.repeats is not None and not trial.is_interrupted:
            found[trial.repeats] += 1
    return found


def baselines_to_repeat(trials: Sequence[Trial], recipe: Recipe) -> list[Trial]:
    """The references that lack seeds: full fine-tuning and those on the front.

    They cost no budget, so they are trained even if none is left.
    """
    if recipe.front_seeds <= recipe.seeds:
        return []
    full = full_of(trials)
    named = [trial for trial in front_of(allowed(trials, recipe.limits)) if trial.is_baseline]
    if full is not None and full.number not in {trial.number for trial in named}:
        named.append(full)
    seeds = seeds_of(trials, recipe)
    return [trial for trial in named if seeds[trial.number] < recipe.front_seeds]


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
        self._n_trials = len(folder.trials())
        self._ended = False
        self.save()

    @property
    def follows_end_at(self) -> int:
        """The number of trials that the study had when its search last ended by itself."""
        first = self._n_trials
        for session in reversed(self._earlier):
            # Sessions of earlier versions do not know how they ended.
            if session.ended or session.n_trials is None:
                return first
            first = session.n_trials
        return first

    def end(self) -> None:
        """Nothing is left to do."""
        self._ended = True
        self.save()

    def count_trial(self) -> None:
        """One more trial ended."""
        self._trials += 1
        self.save()

    def save(self) -> None:
        """Store the session's duration in the study, so that it survives a kill."""
        seconds = round(time.monotonic() - self._since, 3)
        session = SessionInfo(
            started=self._started,
            seconds=seconds,
            trials=self._trials,
            n_trials=self._n_trials,
            ended=self._ended,
        )
        keep_sessions(self._folder.study, [*self._earlier, session])
