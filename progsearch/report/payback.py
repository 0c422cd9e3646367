"""What a search cost in full fine-tunings, and after how many trainings it is paid back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from progsearch.study.confirmed_runs import ConfirmedRun, ConfirmedRuns
from progsearch.study.front import full_of
from progsearch.study.trial import Trial, numbered


@dataclass(frozen=True)
class Work:
    """The training of one or more runs.

    FLOPs are those of forward and backward passes of training, as in `RunCost`: work that the
    frozen-prefix cache saves is included, evaluation and block scores are not.

    Attributes:
        steps: Optimizer steps.
        flops: FLOPs of these steps.
        seconds: Seconds of training and evaluation, summed over workers. For a search or a
            confirmation they include each run's setup.
        unknown: Number of ended runs whose work is not known and not included, because they were
            interrupted or failed before their first evaluation.
    """

    steps: float = 0.0
    flops: float = 0.0
    seconds: float = 0.0
    unknown: int = 0

    def __add__(self, other: Work) -> Work:
        """Both together."""
        return Work(
            self.steps + other.steps,
            self.flops + other.flops,
            self.seconds + other.seconds,
            self.unknown + other.unknown,
        )

    def in_units_of(self, one: Work) -> dict[str, float]:
        """Steps, FLOPs and seconds as multiples of those of ``one``."""
        return {
            "steps": _ratio(self.steps, one.steps),
            "flops": _ratio(self.flops, one.flops),
            "seconds": _ratio(self.seconds, one.seconds),
        }

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return {"steps": self.steps, "flops": self.flops, "seconds": self.seconds}


@dataclass(frozen=True)
class Saving:
    """What one training with a schedule saves compared with full fine-tuning.

    A negative saving is a cost. Seconds are measured, so they contain noise.

    Attributes:
        updated_parameters: Share of full fine-tuning's updated parameters that is saved.
        flops: Share of its FLOPs.
        seconds: Seconds of training and evaluation.
        seconds_share: The same as a share.
        peak_memory: Bytes, as predicted. If a study has no prediction, as measured; on a CPU, that
            includes the process's libraries, so a share would mean little. None if it is not
            known, as with several seeds per trial, whose models are in memory together.
        trainings_by_flops: Trainings until their saved FLOPs equal those of the search; None for
            never.
        trainings_by_seconds: The same in seconds.
    """

    updated_parameters: float
    flops: float
    seconds: float
    seconds_share: float
    peak_memory: int | None
    trainings_by_flops: int | None
    trainings_by_seconds: int | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data; a None in ``paid_back_after`` means never."""
        return {
            "updated_parameters": self.updated_parameters,
            "flops": self.flops,
            "seconds": self.seconds,
            "seconds_share": self.seconds_share,
            "peak_memory": self.peak_memory,
            "paid_back_after": {
                "flops": self.trainings_by_flops,
                "seconds": self.trainings_by_seconds,
            },
        }


@dataclass(frozen=True)
class Payback:
    """The cost of a study so far, and what its front saves.

    Attributes:
        search: What all trials trained, references included.
        confirmation: What the runs on new seeds trained; None if there are none. It is not part
            of what has to be paid back.
        full: One full fine-tuning; None if the reference has no result.
        savings: What one training saves, by the number of the trial; without full fine-tuning.
    """

    search: Work
    confirmation: Work | None
    full: Work | None
    savings: dict[int, Saving]

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data, without the savings of single trials."""
        return {
            "full": self.full and self.full.to_dict(),
            "search": self._cost(self.search),
            "confirmation": self.confirmation and self._cost(self.confirmation),
        }

    def saves(self, trial: Trial) -> dict[str, Any] | None:
        """What one training with a trial's schedule saves, as JSON-able data."""
        saving = self.savings.get(trial.number)
        return None if saving is None else saving.to_dict()

    def __str__(self) -> str:
        """The costs in sentences for people."""
        if self.full is None:
            return (
                "the cost of the search in full fine-tunings is not known, because full "
                "fine-tuning has no result"
            )
        text = self._in_words("search", self.search, self.full)
        if self.confirmation is not None:
            text += "; " + self._in_words("confirmation", self.confirmation, self.full)
        return text

    def _cost(self, work: Work) -> dict[str, Any]:
        return {
            **work.to_dict(),
            "unknown": work.unknown,
            "full_fine_tunings": self.full and work.in_units_of(self.full),
        }

    def _in_words(self, name: str, work: Work, full: Work) -> str:
        cost = work.in_units_of(full)
        text = (
            f"the {name} cost {cost['flops']:.1f} full fine-tunings in FLOPs "
            f"({cost['steps']:.1f} in steps, {cost['seconds']:.1f} in seconds)"
        )
        if work.unknown:
            runs = "1 run that was" if work.unknown == 1 else f"{work.unknown} runs that were"
            text += f", not counting {runs} interrupted or failed early"
        return text


def payback_of(
    trials: Sequence[Trial],
    front: Sequence[Trial],
    seeds: int = 1,
    confirmed_runs: ConfirmedRuns | None = None,
) -> Payback:
    """The cost of a study's trials, and what those on its front save.

    Args:
        trials: All trials of the study.
        front: Those to compare with full fine-tuning.
        seeds: Number of seeds per trial.
        confirmed_runs: Runs on new seeds.
    """
    search = _sum(_search_work(trial, seeds) for trial in trials if trial.is_finished)
    full = full_of(trials)
    savings = {}
    if full is not None:
        others = [trial for trial in front if trial.number != full.number]
        savings = {trial.number: _saving(trial, full, seeds, search) for trial in others}
    runs = confirmed_runs.runs if confirmed_runs is not None else ()
    return Payback(
        search=search,
        confirmation=_confirmation(trials, runs) if runs else None,
        full=None if full is None else _one_training(full, seeds),
        savings=savings,
    )


def _one_training(trial: Trial, seeds: int) -> Work:
    """One whole run of a trial with a result, including reused steps."""
    return Work(_end(trial), trial.costs.flops, trial.seconds / seeds)


def _search_work(trial: Trial, seeds: int) -> Work:
    """What a trial trained itself.

    It is not known which steps of a failed trial were reused, so all up to its last evaluation
    count.
    """
    if not trial.records:
        return Work(unknown=1)
    # A repeat is one run.
    seeds = seeds if trial.repeats is None else 1
    last, timings = trial.records[-1], trial.timings
    steps = seeds * last.step if trial.steps_trained is None else trial.steps_trained
    return Work(
        steps=steps,
        flops=seeds * _last_flops(trial, steps / seeds, last.step),
        seconds=last.seconds if timings is None else timings.setup + timings.spent,
    )


def _confirmation(trials: Sequence[Trial], runs: Sequence[ConfirmedRun]) -> Work:
    by_number = numbered(trials)
    return _sum(
        Work(
            steps=run.steps_trained,
            flops=_last_flops(trial := by_number[run.trial], run.steps_trained, _end(trial)),
            seconds=run.timings.setup + run.timings.spent,
        )
        if run.reason is None
        else Work(unknown=1)
        for run in runs
    )


def _last_flops(trial: Trial, steps: float, done: int) -> float:
    """FLOPs of the last ``steps`` of the first ``done`` steps of a trial's run.

    A run reuses its first steps and trains the rest, so these are the FLOPs that it trained,
    exactly if it reused whole segments.
    """
    total, start = 0.0, 0
    for (end, _), flops in zip(trial.segments, trial.segment_flops, strict=True):
        trained = min(end, done) - max(start, done - steps)
        total += flops * max(0.0, trained) / (end - start)
        start = end
    return total


def _saved_memory(trial: Trial, full: Trial, seeds: int) -> int | None:
    """The difference of the predicted peaks, which other tables show; else of the measured."""
    if trial.costs.peak_memory and full.costs.peak_memory:
        return full.costs.peak_memory - trial.costs.peak_memory
    measured = seeds == 1 and trial.peak_memory and full.peak_memory
    return full.peak_memory - trial.peak_memory if measured else None


def _saving(trial: Trial, full: Trial, seeds: int, search: Work) -> Saving:
    one, other = _one_training(full, seeds), _one_training(trial, seeds)
    flops, seconds = one.flops - other.flops, one.seconds - other.seconds
    return Saving(
        updated_parameters=1 - _ratio(trial.updated_parameters, full.updated_parameters),
        flops=_ratio(flops, one.flops),
        seconds=seconds,
        seconds_share=_ratio(seconds, one.seconds),
        peak_memory=_saved_memory(trial, full, seeds),
        trainings_by_flops=_trainings(search.flops, flops),
        trainings_by_seconds=_trainings(search.seconds, seconds),
    )


def _trainings(cost: float, saved: float) -> int | None:
    """How many trainings save ``cost``; None for never."""
    # A share of 1e-9 is rounding.
    if saved <= 1e-9 * cost:
        return None
    return max(0, math.ceil(round(cost / saved, 6)))


def _end(trial: Trial) -> int:
    """Steps of a trial's whole run."""
    return trial.segments[-1][0]


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def _sum(works: Iterable[Work]) -> Work:
    return sum(works, Work())
