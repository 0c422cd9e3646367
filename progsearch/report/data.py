"""A study as data: the output of `progsearch report --json`.

Reads a study without changing it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import optuna
from optuna.trial import TrialState

from progsearch.config import Recipe, plain
from progsearch.report import collapsed
from progsearch.report.comparison import confirmed
from progsearch.report.confirmation import Confirmed
from progsearch.report.constant import constant_of, rows_of
from progsearch.report.finite import finite
from progsearch.report.importance import Importance, importance_of
from progsearch.report.indistinct import indistinct
from progsearch.report.payback import Payback, payback_of
from progsearch.report.reuse import Reuse
from progsearch.report.signal import nothing_learned
from progsearch.study.confirmed_runs import ConfirmedRuns
from progsearch.study.dominance import corner, directions, hypervolume
from progsearch.study.front import allowed, front_of, full_of, pick, references_of, usable
from progsearch.study.info import Session, StudyInfo
from progsearch.study.metadata import info_of, recipe_of, sessions_of, trials_of
from progsearch.study.progress import spent, work_of
from progsearch.study.results import Timings
from progsearch.study.trial import Trial

NOTE = (
    "{seeds} The front was chosen on the same {split} data that the metrics were measured on, so "
    "differences smaller than the noise between seeds mean nothing, and the metrics of chosen "
    "trials may be biased upwards; `progsearch confirm` trains the front on new seeds."
)


@dataclass(frozen=True)
class StudyReport:
    """A study's recipe, trials and front.

    Attributes:
        study: The study's name.
        recipe: The recipe of the search.
        metric: Name of the task's metric, the first objective.
        split: The data that it was measured on.
        majority: The metric of a constant prediction (the most frequent class, the mean), if it
            is defined.
        n_blocks: Number of blocks of the model.
        parameters: Number of parameters of the model.
        contributions: One score per block for each contribution metric that was used.
        trials: All trials in the order of their numbers.
        front: The non-dominated trials within the recipe's limits, best metric first.
        info: The study's metadata.
        sessions: Start, seconds and number of trials of each session of the search.
        confirmed_runs: Runs of its schedules on new seeds; None if it was not confirmed.
    """

    study: str
    recipe: Recipe
    metric: str
    split: str
    majority: float | None
    n_blocks: int
    parameters: int
    contributions: dict[str, tuple[float, ...]]
    trials: list[Trial]
    front: list[Trial]
    info: StudyInfo
    sessions: list[Session]
    confirmed_runs: ConfirmedRuns | None = None

    @property
    def objectives(self) -> tuple[str, ...]:
        """The names of the objectives for display, the task's metric first."""
        return (self.metric, *self.recipe.objectives[1:])

    @property
    def note(self) -> str:
        """The limits of the numbers."""
        many = self.recipe.seeds
        seeds = f"Every trial was trained with {'one seed' if many == 1 else f'{many} seeds'}."
        if any(trial.estimate for trial in self.usable):
            seeds = (
                "Metrics are estimates from all runs of the study, of a Gaussian process over "
                "schedules that knows the noise between seeds; ± is their standard error, and "
                "seeds says how many runs a trial has itself."
            )
        if many > 1:
            seeds += (
                f" A run is the mean over {many} seeds: its seconds are sums, its updated "
                "parameters and FLOPs those of one."
            )
        return NOTE.format(seeds=seeds, split=self.split)

    @property
    def baselines(self) -> list[Trial]:
        """The references, each at its best learning rate; without a result, the latest trial."""
        named = {t.name: t for t in self.trials if t.is_baseline and not t.is_interrupted}
        return list((named | references_of(self.trials)).values())

    @property
    def searched(self) -> list[Trial]:
        """The sampled trials that are done."""
        return [t for t in self.trials if t.is_finished and t.is_searched]

    @property
    def spent(self) -> float:
        """The spent budget, in whole trials; a stopped trial counts in part."""
        return spent([t for t in self.trials if t.is_finished])

    @property
    def failed(self) -> list[Trial]:
        """The failed trials; interrupted ones did not fail."""
        return [t for t in self.trials if t.is_failed]

    @property
    def stopped(self) -> list[Trial]:
        """The trials that a judge stopped early; they have records but no values.

        Without those that another trial continued.
        """
        continued = {t.continues for t in self.trials if not t.is_interrupted}
        return [t for t in self.trials if t.is_stopped and t.number not in continued]

    @cached_property
    def reuse(self) -> Reuse:
        """How many optimizer steps the trials reused."""
        return Reuse.of(self.trials, self.recipe.seeds)

    @cached_property
    def payback(self) -> Payback:
        """What the study cost so far, and what one training with each front schedule saves."""
        return payback_of(self.trials, self.front, self.recipe.seeds, self.confirmed_runs)

    @cached_property
    def importance(self) -> Importance:
        """Which dimensions of the space distinguish the best trials."""
        sampled = [trial for trial in self.usable if trial.is_searched and trial.params]
        return importance_of(sampled, self.objectives)

    @property
    def full(self) -> Trial | None:
        """Full fine-tuning, if it has a result."""
        return full_of(self.trials)

    @cached_property
    def nothing_learned(self) -> str | None:
        """A sentence if no result beats the constant answer beyond noise."""
        return nothing_learned(self)

    @cached_property
    def usable(self) -> list[Trial]:
        """The trials with a result."""
        return usable(self.trials)

    @cached_property
    def allowed(self) -> list[Trial]:
        """The trials with a result that are within the recipe's limits."""
        return allowed(self.trials, self.recipe.limits)

    def pick(self, how: str) -> Trial:
        """The trial that a rule chooses within the recipe's limits; see `front.pick`."""
        return pick(self.trials, how, self.recipe.limits)

    @cached_property
    def confirmed(self) -> Confirmed | None:
        """The results on new seeds; None if there are none."""
        if self.confirmed_runs is None:
            return None
        return confirmed(
            self.usable,
            self.confirmed_runs,
            front={trial.number for trial in self.front},
            metric=self.metric,
            majority=self.majority,
            objectives=self.recipe.objectives,
            split=self.split,
        )

    @cached_property
    def reference(self) -> list[float] | None:
        """The reference point of the hypervolume, see `corner`; None before the first result."""
        if not self.usable:
            return None
        values = [trial.values for trial in self.usable]
        full = None if self.full is None else self.full.values
        return corner(values, self.recipe.objectives, self.majority, full)

    def hypervolume(self, trials: Sequence[Trial] | None = None) -> float | None:
        """The hypervolume of ``trials`` (by default all), with costs as a share of `reference`."""
        if self.reference is None:
            return None
        scale = [1.0, *(cost or 1.0 for cost in self.reference[1:])]

        def scaled(values: Sequence[float]) -> list[float]:
            return [value / unit for value, unit in zip(values, scale, strict=True)]

        values = [scaled(t.values) for t in usable(self.allowed if trials is None else trials)]
        return hypervolume(values, scaled(self.reference), directions(len(scale)))

    @property
    def seconds(self) -> float:
        """Seconds that the search ran, over all its sessions."""
        return float(sum(session.seconds for session in self.sessions))

    @property
    def states(self) -> dict[str, int]:
        """Number of trials in each of Optuna's states; see `counts` for words."""
        counts = Counter(trial.state for trial in self.trials)
        return {state.name: counts[state] for state in TrialState}

    @property
    def seconds_left(self) -> float | None:
        """Seconds for the rest of the budget at the pace so far; None before the first result."""
        work = work_of(self.trials, self.recipe, self.info)
        pace = self.seconds / work.done if work.done and self.seconds else None
        return None if pace is None else pace * (work.total - work.done)

    @property
    def front_dicts(self) -> list[dict[str, Any]]:
        """The trials on the front as data, each with what it ``saves``."""
        return [
            {**collapsed.as_data(self, trial), "saves": self.payback.saves(trial)}
            for trial in self.front
        ]

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data; numbers that are not finite become None."""
        timings = [trial.timings for trial in self.trials if trial.timings is not None]
        work = sum(timings, Timings()).to_dict() if timings else {}
        sessions = [session.model_dump() for session in self.sessions]
        data: dict[str, Any] = {
            "study": self.study,
            "task": self.recipe.task.name,
            "model": self.recipe.model,
            "metric": self.metric,
            "split": self.split,
            "majority": self.majority,
            "note": self.note,
            "understood": self.recipe.understood and plain(self.recipe.understood),
            "nothing_learned": self.nothing_learned,
            "constant_answer": (constant := constant_of(self)) and constant.to_dict(),
            "measured_on": (rows := rows_of(self)) and rows.to_dict(),
            "indistinct": indistinct(self.usable, self.metric),
            "objectives": self.objectives,
            "directions": directions(len(self.objectives)),
            "baselines": [collapsed.as_data(self, trial) for trial in self.baselines],
            "front": self.front_dicts,
            "trials": [collapsed.as_data(self, trial) for trial in self.trials],
            "hypervolume": {"value": self.hypervolume(), "reference": self.reference},
            "confirmed": self.confirmed and self.confirmed.to_dict(),
            "timings": {"seconds": self.seconds, "work": work, "sessions": sessions},
            "reuse": self.reuse.to_dict(),
            "cost": self.payback.to_dict(),
            "importance": self.importance.to_dict(),
            "contributions": self.contributions,
            "n_blocks": self.n_blocks,
            "parameters": self.parameters,
            "recipe": plain(self.recipe.model_copy(update={"understood": None})),
        }
        return {key: finite(value) for key, value in data.items()}


def study_report(study: optuna.Study, confirmed_runs: ConfirmedRuns | None = None) -> StudyReport:
    """The report of a study in its current state, running or finished.

    Args:
        study: The study.
        confirmed_runs: Runs of its schedules on new seeds, if there are any.

    Raises:
        ConfigError: The study has no recipe that this version can read.
    """
    recipe, info, trials = recipe_of(study), info_of(study), trials_of(study)
    return StudyReport(
        study=study.study_name,
        recipe=recipe,
        metric=info.metric,
        split=info.split,
        majority=info.majority,
        n_blocks=info.model.n_blocks,
        parameters=info.model.parameters,
        contributions=info.contributions,
        trials=trials,
        front=front_of(allowed(trials, recipe.limits)),
        info=info,
        sessions=sessions_of(study),
        confirmed_runs=confirmed_runs,
    )
