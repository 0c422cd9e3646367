"""A study as data: what `progsearch report --json` and `progsearch status --json` print.

Reads a study and changes nothing in it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from progsearch.config import Recipe, parse
from progsearch.report.comparison import confirmed
from progsearch.report.confirmation import Confirmed
from progsearch.report.importance import Importance, importance_of
from progsearch.report.reuse import Reuse
from progsearch.study.confirmed_runs import KeptRuns
from progsearch.study.front import corner, directions, front_of, hypervolume, pick, usable
from progsearch.study.progress import is_interrupted, is_searched, spent
from progsearch.study.trial import Trial

NOTE = (
    "Every trial was trained with {seeds}, and the front was chosen on the same {split} data "
    "that the metrics were measured on. Differences smaller than the noise between seeds are no "
    "findings, and the metrics of chosen trials lean to the optimistic side."
)


@dataclass(frozen=True)
class StudyReport:
    """A study's recipe, trials and front.

    Attributes:
        study: The study's name.
        recipe: What was searched.
        metric: Name of the task's metric, the first objective.
        split: The data it was measured on.
        majority: The metric of always giving the same answer (the most frequent class, the mean),
            where it has one.
        n_blocks: Blocks of the model.
        parameters: Parameters of the model.
        contributions: One score per block for each contribution metric that was used.
        trials: All trials in the order they were asked.
        front: The trials within the recipe's limits that no other such trial beats, best metric
            first.
        planned: The names of the baselines that the study is to have.
        sessions: When the search ran, for how many seconds and how many trials.
        kept: Runs of its schedules on new seeds; None where it was not confirmed.
    """

    study: str
    recipe: Recipe
    metric: str
    split: str
    majority: float | None
    n_blocks: int
    parameters: int
    contributions: dict[str, list[float]]
    trials: list[FrozenTrial]
    front: list[FrozenTrial]
    planned: frozenset[str]
    sessions: list[dict[str, Any]]
    kept: KeptRuns | None = None

    @property
    def objectives(self) -> tuple[str, ...]:
        """The objectives by the names people know, the task's metric first."""
        return (self.metric, *self.recipe.objectives[1:])

    @property
    def note(self) -> str:
        """What the numbers do not say."""
        many = self.recipe.seeds
        seeds = "one seed"
        if many > 1:
            seeds = (
                f"{many} seeds (metrics are means over them, seconds sums, updated parameters "
                "and FLOPs those of one run)"
            )
        return NOTE.format(seeds=seeds, split=self.split)

    @property
    def baselines(self) -> list[FrozenTrial]:
        """The trials that every study starts with; without those a stop cut short."""
        return [t for t in self.trials if "name" in t.user_attrs and not is_interrupted(t)]

    @property
    def searched(self) -> list[FrozenTrial]:
        """The drawn trials that are done."""
        return [t for t in self.trials if t.state.is_finished() and is_searched(t)]

    @property
    def spent(self) -> float:
        """What is spent of the budget, in whole trials; a stopped one counts in part."""
        return spent([Trial(t) for t in self.trials if t.state.is_finished()])

    @property
    def failed(self) -> list[FrozenTrial]:
        """The trials that could not go on; those a stop cut short are none of them."""
        return [t for t in self.trials if t.state == TrialState.FAIL and not is_interrupted(t)]

    @property
    def stopped(self) -> list[FrozenTrial]:
        """The trials that the scheduler stopped early; they have records and no values.

        Without those that another trial went on with.
        """
        gone_on = {t.user_attrs.get("continues") for t in self.trials if not is_interrupted(t)}
        return [t for t in self.trials if t.state == TrialState.PRUNED and t.number not in gone_on]

    @cached_property
    def reuse(self) -> Reuse:
        """How many optimizer steps the trials found trained."""
        return Reuse.of(self.trials, self.recipe.seeds)

    @cached_property
    def importance(self) -> Importance:
        """Which dimensions of the space set the best trials apart."""
        drawn = [trial for trial in self.usable if is_searched(trial) and trial.params]
        return importance_of(drawn, self.objectives)

    @property
    def full(self) -> FrozenTrial | None:
        """The full fine-tuning baseline, where it has a result."""
        return next((t for t in self.usable if t.user_attrs.get("name") == "full"), None)

    @cached_property
    def usable(self) -> list[FrozenTrial]:
        """The trials with a result."""
        return [trial for trial in self.trials if Trial(trial).is_usable]

    @cached_property
    def allowed(self) -> list[FrozenTrial]:
        """The trials with a result that keep to the recipe's limits."""
        return [trial for trial in self.usable if Trial(trial).keeps_to(self.recipe.limits)]

    def pick(self, how: str) -> FrozenTrial:
        """The trial that a rule chooses within the recipe's limits; see `front.pick`."""
        return pick([Trial(t) for t in self.trials], how, self.recipe.limits).frozen

    @cached_property
    def confirmed(self) -> Confirmed | None:
        """What the runs on new seeds say; None where there are none."""
        return None if self.kept is None else confirmed(self, self.kept)

    @cached_property
    def reference(self) -> list[float] | None:
        """The `corner` the hypervolume is measured from; None before the first result."""
        if not self.usable:
            return None
        values = [trial.values for trial in self.usable]
        full = None if self.full is None else self.full.values
        return corner(values, self.recipe.objectives, self.majority, full)

    def hypervolume(self, trials: Sequence[FrozenTrial] | None = None) -> float | None:
        """The hypervolume of ``trials`` (by default all), every cost as a share of `reference`."""
        if self.reference is None:
            return None
        scale = [1.0, *(cost or 1.0 for cost in self.reference[1:])]

        def scaled(values: Sequence[float]) -> list[float]:
            return [value / unit for value, unit in zip(values, scale, strict=True)]

        chosen = self.allowed if trials is None else trials
        values = [scaled(t.values) for t in chosen if Trial(t).is_usable]
        return hypervolume(values, scaled(self.reference), directions(len(scale)))

    @property
    def seconds(self) -> float:
        """Seconds for which the search ran, over all its sessions."""
        return float(sum(session["seconds"] for session in self.sessions))

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data; numbers that are not finite become None."""
        work: Counter[str] = Counter()
        for trial in self.trials:
            work.update(trial.user_attrs.get("timings", {}))
        data: dict[str, Any] = {
            "study": self.study,
            "task": self.recipe.task.name,
            "model": self.recipe.model,
            "metric": self.metric,
            "split": self.split,
            "majority": self.majority,
            "note": self.note,
            "objectives": self.objectives,
            "directions": directions(len(self.objectives)),
            "baselines": [trial_dict(trial) for trial in self.baselines],
            "front": [trial_dict(trial) for trial in self.front],
            "trials": [trial_dict(trial) for trial in self.trials],
            "hypervolume": {"value": self.hypervolume(), "reference": self.reference},
            "confirmed": self.confirmed and self.confirmed.to_dict(),
            "timings": {"seconds": self.seconds, "work": dict(work), "sessions": self.sessions},
            "reuse": self.reuse.to_dict(),
            "importance": self.importance.to_dict(),
            "contributions": self.contributions,
            "n_blocks": self.n_blocks,
            "parameters": self.parameters,
            "recipe": self.recipe.model_dump(mode="json", exclude_none=True),
        }
        return {key: finite(value) for key, value in data.items()}


def study_report(study: optuna.Study, kept: KeptRuns | None = None) -> StudyReport:
    """The report of a study as it stands, running or finished.

    Args:
        study: The study.
        kept: Runs of its schedules on new seeds, where there are any.

    Raises:
        ConfigError: The study does not hold a recipe that this version understands.
    """
    attrs = study.user_attrs
    recipe = parse(Recipe, attrs.get("recipe"), f"study {study.study_name}")
    trials = study.get_trials(deepcopy=False)
    model = attrs.get("model", {})
    return StudyReport(
        study=study.study_name,
        recipe=recipe,
        metric=attrs.get("metric", "metric"),
        split=attrs.get("split", "validation"),
        majority=attrs.get("majority"),
        n_blocks=model.get("n_blocks", 0),
        parameters=model.get("parameters", 0),
        contributions=attrs.get("contributions", {}),
        trials=trials,
        front=[
            t.frozen
            for t in front_of(
                [t for t in usable(list(map(Trial, trials))) if t.keeps_to(recipe.limits)]
            )
        ],
        planned=frozenset(attrs.get("baselines", [])),
        sessions=attrs.get("sessions", []),
        kept=kept,
    )


def status(report: StudyReport) -> dict[str, Any]:
    """What `progsearch status --json` prints.

    ``searched`` counts the searched trials that are done; ``spent`` is what they come to in whole
    trials, of the ``budget``; ``seconds_left`` is what the rest of it takes at the pace so far,
    None before the first result.
    """
    states = Counter(trial.state for trial in report.trials)
    done = {b.user_attrs["name"] for b in report.baselines if b.state.is_finished()}
    left = report.recipe.budget - report.spent + len(report.planned - done)
    n_done = report.spent + len(done)
    pace = report.seconds / n_done if n_done and report.seconds else None
    data: dict[str, Any] = {
        "study": report.study,
        "states": {state.name: states[state] for state in TrialState},
        "front": [trial_dict(trial) for trial in report.front],
        "objectives": report.objectives,
        "budget": report.recipe.budget,
        "spent": report.spent,
        "searched": len(report.searched),
        "seconds": report.seconds,
        "seconds_left": None if pace is None else pace * max(0, left),
        "reuse": report.reuse.to_dict(),
    }
    return {key: finite(value) for key, value in data.items()}


def trial_dict(trial: FrozenTrial) -> dict[str, Any]:
    """A trial as JSON-able data; ``name`` is there for baselines only."""
    attrs = dict(trial.user_attrs)
    name = {"name": attrs["name"]} if "name" in attrs else {}
    return {
        "number": trial.number,
        "state": trial.state.name,
        **name,
        "params": trial.params,
        "schedule": attrs.get("schedule"),
        "values": trial.values,
        "user_attrs": attrs,
    }


def finite(data: Any) -> Any:
    """``data`` with None for every number that JSON cannot hold."""
    if isinstance(data, dict):
        return {key: finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [finite(value) for value in data]
    if isinstance(data, float) and not math.isfinite(data):
        return None
    return data
