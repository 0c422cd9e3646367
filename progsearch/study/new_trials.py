"""Creates trials, and gives them the attributes that `Trial` reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from progsearch.study.results import Outcome, Record
from progsearch.study.trial import INTERRUPTED, Plan, Trial

# The attributes of a trial's plan.
_PLAN = ("name", "schedule", "key", "run", "costs", "segments", "segment_flops")

# MySQL holds attributes of at most 64 KiB.
_MOST_CLASSES = 300


@dataclass(frozen=True)
class Sampled:
    """The sampled parameters of a trial, as Optuna stores them."""

    params: dict[str, Any]
    distributions: dict[str, BaseDistribution]
    system_attrs: dict[str, Any]

    @classmethod
    def of(cls, trial: Trial) -> Sampled | None:
        """The sampled parameters of an existing trial; None if it was not sampled."""
        frozen = trial.frozen
        if not frozen.params:
            return None
        return cls(frozen.params, frozen.distributions, frozen.system_attrs)


NewTrial = FrozenTrial
"""A running trial that is not in its study yet; see `StudyFolder.add`."""


def new_trial(plan: Plan, *, name: str | None = None, sampled: Sampled | None = None) -> NewTrial:
    """A new running trial, to be added to a study."""
    attributes = {
        **({} if name is None else {"name": name}),
        "schedule": plan.schedule.to_dicts(),
        "key": plan.key,
        "run": plan.run.model_dump(mode="json", exclude_none=True),
        "costs": plan.costs.to_dict(),
        "segments": [list(segment) for segment in plan.segments],
        "segment_flops": list(plan.segment_flops),
    }
    return _running(attributes, sampled)


def retrying(trial: Trial) -> NewTrial:
    """A running trial that runs an interrupted one again, or one that `is_lost`.

    Its tries begin again if the search had stopped trying.
    """
    kept = trial.frozen.user_attrs
    attributes = {name: kept[name] for name in (*_PLAN, "continues", "repeats") if name in kept}
    attributes["retry_of"] = trial.number
    if trial.reason == INTERRUPTED:
        attributes |= {name: kept[name] for name in ("tries", "alone") if name in kept}
    elif trial.is_interrupted:
        attributes["tries"] = trial.tries + 1
        attributes["alone"] = trial.is_alone or not trial.is_lost
    return _running(attributes, Sampled.of(trial))


def continuing(trial: Trial) -> NewTrial:
    """A running trial that continues a stopped one from its stored steps."""
    known = trial.frozen.user_attrs
    attributes = {name: known[name] for name in _PLAN if name in known}
    attributes["continues"] = trial.number
    return _running(attributes, Sampled.of(trial))


def repeating(trial: Trial, plan: Plan) -> NewTrial:
    """A running trial that runs another again, by a plan with another seed."""
    new = new_trial(plan, name=trial.name, sampled=Sampled.of(trial))
    new.set_user_attr("repeats", trial.number)
    return new


def _running(attributes: Mapping[str, Any], sampled: Sampled | None) -> NewTrial:
    return create_trial(
        state=TrialState.RUNNING,
        params=sampled.params if sampled else None,
        distributions=sampled.distributions if sampled else None,
        system_attrs=sampled.system_attrs if sampled else None,
        user_attrs=dict(attributes),
    )


def outcome_attributes(outcome: Outcome) -> dict[str, Any]:
    """The attributes that a finished run adds to its trial."""
    found: dict[str, Any] = {"metrics": outcome.metrics, **outcome.spent.to_dict()}
    if outcome.seeds is not None:
        found["seeds"] = list(outcome.seeds)
    if outcome.test_metrics is not None:
        found["test_metrics"] = outcome.test_metrics
    if outcome.per_class is not None and len(outcome.per_class) <= _MOST_CLASSES:
        found["per_class"] = outcome.per_class
    if outcome.chosen is not None:
        chosen = outcome.chosen
        found |= {"schedule": chosen.schedule, "run": chosen.run, "costs": chosen.costs}
    return found


def record_attributes(records: Sequence[Record]) -> dict[str, Any]:
    """The attributes with a run's measurements, stored when it ends."""
    return {"records": [record.to_dict() for record in records]}
