"""A storage as Optuna's dashboard shows it: short attributes instead of whole configs.

The dashboard prints every attribute of a trial in one line. A trial's config, stages, segments and
measurements make that line thousands of pixels long.
"""

from __future__ import annotations

import copy
from collections.abc import Container, Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from progsearch.numerals import duration, learning_rate, percent
from progsearch.schedule.short import in_short
from progsearch.study.trial import Trial

_LONG_OF_TRIAL = frozenset(
    {
        "schedule", "key", "run", "costs", "segments", "segment_flops", "records", "timings",
        "steps_trained", "peak_memory", "seeds",
    }
)  # fmt: skip
_LONG_OF_STUDY = frozenset(
    {
        "recipe", "space", "earlier", "reference_rates", "contributions", "model", "fingerprint",
        "sessions", "estimates",
    }
)  # fmt: skip


def shown_attributes(frozen: FrozenTrial) -> dict[str, Any]:
    """A trial's user attributes for people: its schedule in short, its rate and its costs."""
    stored = frozen.user_attrs
    if not {"schedule", "run", "costs"} <= stored.keys():
        # A trial of something else in the same database.
        return stored
    trial = Trial(frozen)
    shown = {
        "schedule": in_short(trial.stages, trial.costs.n_blocks),
        "method": trial.run.method.name,
        "learning rate": learning_rate(trial.run.training.learning_rate),
        "updated": percent(trial.updated_parameters),
    }
    if trial.timings is not None:
        shown["time"] = duration(trial.seconds)
    return {**shown, **_without(stored, _LONG_OF_TRIAL)}


def _shown_of_study(stored: Mapping[str, Any]) -> dict[str, Any]:
    recipe = stored.get("recipe")
    if not isinstance(recipe, dict):
        return dict(stored)
    shown = {
        "model": recipe.get("model"),
        "task": (recipe.get("task") or {}).get("name"),
        "budget": recipe.get("budget"),
    }
    return {**shown, **_without(stored, _LONG_OF_STUDY)}


def _without(attributes: Mapping[str, Any], names: Container[str]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if name not in names}


class DashboardStorage(BaseStorage):
    """A storage whose trials and studies have short user attributes; all else is the storage's.

    Args:
        storage: The storage itself.
    """

    def __init__(self, storage: BaseStorage) -> None:
        self._storage = storage

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """The trials with `shown_attributes`."""
        return list(map(_shown, self._storage.get_all_trials(study_id, deepcopy, states)))

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """The trial with `shown_attributes`."""
        return _shown(self._storage.get_trial(trial_id))

    def get_all_studies(self) -> list[Any]:
        """The studies with short attributes."""
        studies = [copy.copy(study) for study in self._storage.get_all_studies()]
        for study in studies:
            study.user_attrs = _shown_of_study(study.user_attrs)
        return studies

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """Short attributes of a study."""
        return _shown_of_study(self._storage.get_study_user_attrs(study_id))

    # -- the storage's own ------------------------------------------------------------------------

    def create_new_study(
        self, directions: Sequence[StudyDirection], study_name: str | None = None
    ) -> int:
        """The storage's own."""
        return self._storage.create_new_study(directions, study_name)

    def delete_study(self, study_id: int) -> None:
        """The storage's own."""
        self._storage.delete_study(study_id)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """The storage's own."""
        self._storage.set_study_user_attr(study_id, key, value)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """The storage's own."""
        self._storage.set_study_system_attr(study_id, key, value)

    def get_study_id_from_name(self, study_name: str) -> int:
        """The storage's own."""
        return self._storage.get_study_id_from_name(study_name)

    def get_study_name_from_id(self, study_id: int) -> str:
        """The storage's own."""
        return self._storage.get_study_name_from_id(study_id)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """The storage's own."""
        return self._storage.get_study_directions(study_id)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """The storage's own."""
        return self._storage.get_study_system_attrs(study_id)

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """The storage's own."""
        return self._storage.create_new_trial(study_id, template_trial)

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        """The storage's own."""
        self._storage.set_trial_param(trial_id, param_name, param_value_internal, distribution)

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """The storage's own."""
        return self._storage.set_trial_state_values(trial_id, state, values)

    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        """The storage's own."""
        self._storage.set_trial_intermediate_value(trial_id, step, intermediate_value)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """The storage's own."""
        self._storage.set_trial_user_attr(trial_id, key, value)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """The storage's own."""
        self._storage.set_trial_system_attr(trial_id, key, value)


def _shown(frozen: FrozenTrial) -> FrozenTrial:
    found = copy.copy(frozen)
    found.user_attrs = shown_attributes(frozen)
    return found
