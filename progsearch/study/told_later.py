"""A study that is told to its database in the background.

A search must not wait for a database that restarts. So the process that works in a study reads a
copy in its memory; each change is made there, kept in the study's folder and told by a thread.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from progsearch.errors import MachineFailed, ProgsearchError
from progsearch.numerals import counted
from progsearch.study.outbox import Change, Outbox
from progsearch.study.patient import PatientStorage

# After an error or a signal nobody waits longer: the next command tells the rest.
_SHORT = 5.0
_log = logging.getLogger(__name__)


class Teller:
    """Tells the changes of an outbox to a storage, in their order and each once.

    Args:
        outbox: The changes.
        storage: Where they go.
        study: The name of the study there.
        advice: How to continue if the database does not answer, for the message.
    """

    def __init__(self, outbox: Outbox, storage: PatientStorage, study: str, advice: str) -> None:
        self._outbox = outbox
        self._storage = storage
        self._advice = advice
        self._study = study
        self._study_id: int | None = None
        self._error: Exception | None = None
        self._failing_since: float | None = None
        self._reason = "no answer"
        self._is_closing = False
        # Notified of each change that is new or told.
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="database", daemon=True)
        self._thread.start()

    def put(self, change: Change) -> None:
        """Keep a change and tell it soon.

        Raises:
            MachineFailed: The database has not answered for too long.
            OSError: The change cannot be kept.
        """
        with self._changed:
            self._outbox.put(change)
            self._changed.notify_all()
        self._check()

    def flush(self, patience: float | None = None) -> None:
        """Wait until all is told, but no longer than ``patience`` seconds if it is given.

        Raises:
            MachineFailed: The database has not answered for too long.
        """
        deadline = None if patience is None else time.monotonic() + patience
        while len(self._outbox) and (deadline is None or time.monotonic() < deadline):
            self._check()
            with self._changed:
                self._changed.wait(0.1)

    def close(self) -> None:
        """End the thread; what was not told stays in the outbox."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        # It may hang in a call, which nobody waits for.
        self._thread.join(_SHORT)

    def _check(self) -> None:
        if self._error is not None:
            raise self._error
        since, patience = self._failing_since, self._storage.database.patience
        if since is not None and time.monotonic() - since > patience:
            waiting = counted(len(self._outbox), "change")
            database = self._storage.database
            raise MachineFailed(
                f"{database.complaint(self._reason)}; {waiting} of the study wait for it in "
                f"{self._outbox.path}, and {self._advice}"
            )

    def _run(self) -> None:
        while (change := self._next()) is not None:
            try:
                self._tell(change)
            except Exception as error:
                # Raised by the next call, in the thread that can end the work.
                self._error = error
                return
            with self._changed:
                self._changed.notify_all()

    def _next(self) -> Change | None:
        """The oldest change, once there is one; None at the end."""
        with self._changed:
            while not self._is_closing and self._outbox.first() is None:
                self._changed.wait()
            return None if self._is_closing else self._outbox.first()

    def _tell(self, change: Change) -> None:
        database = self._storage.database
        # Also of a call that hangs.
        self._failing_since = began = time.monotonic()
        is_told = False
        for pause in database.pauses():
            try:
                storage = self._storage.storage
                if self._study_id is None:
                    self._study_id = storage.get_study_id_from_name(self._study)
                change.apply(storage, self._study_id)
                break
            except Exception as error:
                reason = database.outage(error)
                if reason is None:
                    raise
                if not is_told:
                    text = "%s does not answer and is tried again; results wait in %s: %s"
                    _log.warning(text, database.url, self._outbox.path, reason)
                is_told, self._reason = True, reason
            with self._changed:
                if self._changed.wait_for(lambda: self._is_closing, timeout=pause):
                    return
        if is_told:
            _log.warning("%s answers again after %.1f s", database.url, time.monotonic() - began)
        self._failing_since = None
        self._outbox.done()


class ToldLater(InMemoryStorage):
    """A copy of one study in memory, whose changes are told to a storage.

    Args:
        storage: Holds the study.
        study: Its name.
        teller: Tells the changes.
    """

    def __init__(self, storage: BaseStorage, study: str, teller: Teller) -> None:
        super().__init__()
        study_id = storage.get_study_id_from_name(study)
        with _quiet_optuna():
            own_id = super().create_new_study(storage.get_study_directions(study_id), study)
        for name, value in storage.get_study_user_attrs(study_id).items():
            super().set_study_user_attr(own_id, name, value)
        for name, value in storage.get_study_system_attrs(study_id).items():
            super().set_study_system_attr(own_id, name, value)
        for trial in storage.get_all_trials(study_id, deepcopy=False):
            super().create_new_trial(own_id, trial)
        self._teller = teller

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """Now in the copy, soon in the database."""
        value = _as_stored(value)
        super().set_study_user_attr(study_id, key, value)
        self._teller.put(Change("study user", -1, key, value))

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Now in the copy, soon in the database."""
        value = _as_stored(value)
        super().set_study_system_attr(study_id, key, value)
        self._teller.put(Change("study system", -1, key, value))

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Now in the copy, soon in the database."""
        trial_id = super().create_new_trial(study_id, template_trial)
        trial = self.get_trial(trial_id)
        trial.user_attrs = _as_stored(trial.user_attrs)
        trial.system_attrs = _as_stored(trial.system_attrs)
        self._teller.put(Change.adding(trial.number, trial))
        return trial_id

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Now in the copy, soon in the database."""
        value = _as_stored(value)
        super().set_trial_user_attr(trial_id, key, value)
        self._teller.put(Change("user", self.get_trial_number_from_id(trial_id), key, value))

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Now in the copy, soon in the database."""
        value = _as_stored(value)
        super().set_trial_system_attr(trial_id, key, value)
        self._teller.put(Change("system", self.get_trial_number_from_id(trial_id), key, value))

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Now in the copy, soon in the database."""
        is_set = super().set_trial_state_values(trial_id, state, values)
        if is_set:
            number = self.get_trial_number_from_id(trial_id)
            self._teller.put(Change.ending(number, state, values))
        return is_set

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        """Not there: trials enter a study with all parameters."""
        raise NotImplementedError

    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        """Not there: measurements are attributes."""
        raise NotImplementedError


@contextmanager
def told_later(
    storage: PatientStorage, study: str, path: Path, advice: str
) -> Iterator[ToldLater]:
    """While active, the study's changes are told to its database in the background.

    What an earlier process could not tell is told first. At the end all is told, unless an error
    or a signal ends the work.

    Args:
        storage: The storage of the database.
        study: The name of the study.
        path: The file for changes that were not told yet.
        advice: How to continue if the database does not answer, for the message.

    Raises:
        MachineFailed: The database has not answered for too long.
    """
    outbox = Outbox(path)
    teller = Teller(outbox, storage, study, advice)
    try:
        teller.flush()
        yield ToldLater(storage, study, teller)
        teller.flush()
    except BaseException:
        # What cannot be told now waits, and the error says what to do.
        with suppress(ProgsearchError):
            teller.flush(_SHORT)
        raise
    finally:
        teller.close()


def _as_stored(value: Any) -> Any:
    """A value as a database gives it back."""
    return json.loads(json.dumps(value))


@contextmanager
def _quiet_optuna() -> Iterator[None]:
    # It would say that a study was created.
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)
