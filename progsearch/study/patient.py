"""A storage whose calls are tried again while its database does not answer."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from progsearch.study.database import Database


class PatientStorage(BaseStorage):
    """Tries again what may be done twice; what may not is done once.

    `progsearch.study.told_later` adds trials and ends them, and never twice.

    Args:
        storage: The storage itself.
        database: Where it is.

    Attributes:
        storage: The storage itself.
        database: Where it is.
    """

    def __init__(self, storage: BaseStorage, database: Database) -> None:
        self.storage = storage
        self.database = database

    # -- done once --------------------------------------------------------------------------------

    def create_new_study(
        self, directions: Sequence[StudyDirection], study_name: str | None = None
    ) -> int:
        """The storage's own, tried again; the first try may have worked before it failed."""
        tries = 0

        def create() -> int:
            nonlocal tries
            tries += 1
            try:
                return self.storage.create_new_study(directions, study_name)
            except DuplicatedStudyError:
                if tries == 1 or study_name is None:
                    raise
                return self.storage.get_study_id_from_name(study_name)

        return self.database.patiently(create)

    def delete_study(self, study_id: int) -> None:
        """The storage's own, tried again; the first try may have worked before it failed."""
        tries = 0

        def delete() -> None:
            nonlocal tries
            tries += 1
            try:
                self.storage.delete_study(study_id)
            except KeyError:
                if tries == 1:
                    raise

        self.database.patiently(delete)

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """The storage's own."""
        return self.storage.create_new_trial(study_id, template_trial)

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """The storage's own."""
        return self.storage.set_trial_state_values(trial_id, state, values)

    def remove_session(self) -> None:
        """The storage's own."""
        self.storage.remove_session()

    # -- tried again ------------------------------------------------------------------------------

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """The storage's own, tried again."""
        self._try(self.storage.set_study_user_attr, study_id, key, value)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """The storage's own, tried again."""
        self._try(self.storage.set_study_system_attr, study_id, key, value)

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        """The storage's own, tried again."""
        self._try(
            self.storage.set_trial_param, trial_id, param_name, param_value_internal, distribution
        )

    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        """The storage's own, tried again."""
        self._try(self.storage.set_trial_intermediate_value, trial_id, step, intermediate_value)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """The storage's own, tried again."""
        self._try(self.storage.set_trial_user_attr, trial_id, key, value)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """The storage's own, tried again."""
        self._try(self.storage.set_trial_system_attr, trial_id, key, value)

    def get_study_id_from_name(self, study_name: str) -> int:
        """The storage's own, tried again."""
        return int(self._try(self.storage.get_study_id_from_name, study_name))

    def get_study_name_from_id(self, study_id: int) -> str:
        """The storage's own, tried again."""
        return str(self._try(self.storage.get_study_name_from_id, study_id))

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """The storage's own, tried again."""
        found: list[StudyDirection] = self._try(self.storage.get_study_directions, study_id)
        return found

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """The storage's own, tried again."""
        return dict(self._try(self.storage.get_study_user_attrs, study_id))

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """The storage's own, tried again."""
        return dict(self._try(self.storage.get_study_system_attrs, study_id))

    def get_all_studies(self) -> list[Any]:
        """The storage's own, tried again."""
        return list(self._try(self.storage.get_all_studies))

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """The storage's own, tried again."""
        found: FrozenTrial = self._try(self.storage.get_trial, trial_id)
        return found

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """The storage's own, tried again."""
        found: list[FrozenTrial] = self._try(
            self.storage.get_all_trials, study_id, deepcopy, states
        )
        return found

    def _try(self, method: Any, *arguments: Any) -> Any:
        return self.database.patiently(lambda: method(*arguments))
