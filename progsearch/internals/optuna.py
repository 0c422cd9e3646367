"""What Optuna does not promise."""

from __future__ import annotations

from collections.abc import Mapping

from optuna.storages import BaseStorage, RDBStorage, get_storage
from optuna.storages.journal._storage import JournalOperation
from optuna.study import Study
from optuna.trial import Trial

ADDS_TRIAL = int(JournalOperation.CREATE_TRIAL)
"""The ``op_code`` of a line of a journal that adds a trial."""


def cached(storage: RDBStorage) -> BaseStorage:
    """A storage that reads finished trials once, as studies use it."""
    return get_storage(storage)


def trial_of(study: Study, number: int) -> Trial:
    """A `Trial` of a study, which alone can be given constraints and notes."""
    # Only the trial's number in its storage, which Optuna keeps for itself, makes a `Trial` of one
    # that was asked for elsewhere.
    return Trial(study, study.get_trials(deepcopy=False)[number]._trial_id)


def set_constraints(study: Study, number: int, violations: Mapping[str, float]) -> None:
    """Tell a study by how much an unfinished trial misses each limit.

    Args:
        study: Holds the trial.
        number: The trial's.
        violations: By the limits' names; at most 0 if the trial keeps to the limit.
    """
    if violations:
        trial = trial_of(study, number)
        for name, violation in violations.items():
            trial.set_constraint(name, violation)
