"""Changes of a study that its database was not told yet, in a file of the study's folder."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

from optuna.distributions import distribution_to_json, json_to_distribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from progsearch.cache import checksum
from progsearch.errors import StudyError

Kind = Literal["study user", "study system", "add", "user", "system", "end"]


@dataclass(frozen=True)
class Change:
    """A change of a study, as JSON-able data.

    Attributes:
        kind: An attribute of the study or of a trial, a new trial, or the end of one.
        number: The trial's number; -1 for the study.
        name: The name of the attribute, or the state in which the trial ends.
        value: The attribute, the new trial or the values.
    """

    kind: Kind
    number: int
    name: str
    value: Any

    @classmethod
    def adding(cls, number: int, trial: FrozenTrial) -> Change:
        """A new trial."""
        started = trial.datetime_start
        value = {
            "values": trial.values,
            "params": trial.params,
            "distributions": {n: distribution_to_json(d) for n, d in trial.distributions.items()},
            "user_attrs": trial.user_attrs,
            "system_attrs": trial.system_attrs,
            "started": None if started is None else started.isoformat(),
        }
        return cls("add", number, trial.state.name, json.loads(json.dumps(value)))

    @classmethod
    def ending(cls, number: int, state: TrialState, values: Sequence[float] | None) -> Change:
        """The end of a trial."""
        return cls("end", number, state.name, None if values is None else list(values))

    def apply(self, storage: BaseStorage, study_id: int) -> None:
        """Make the change; nothing if it was made before."""
        if self.kind == "study user":
            storage.set_study_user_attr(study_id, self.name, self.value)
            return
        if self.kind == "study system":
            storage.set_study_system_attr(study_id, self.name, self.value)
            return
        if self.kind == "add":
            self._add(storage, study_id)
            return
        if storage.get_n_trials(study_id) <= self.number:
            raise StudyError(
                f"the database does not have trial {self.number} of the study, of which a result "
                "waits; restore it from a newer copy"
            )
        trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, self.number)
        # It has ended only if it was told this change and what follows before.
        with suppress(UpdateFinishedTrialError):
            if self.kind == "user":
                storage.set_trial_user_attr(trial_id, self.name, self.value)
            elif self.kind == "system":
                storage.set_trial_system_attr(trial_id, self.name, self.value)
            elif not storage.get_trial(trial_id).state.is_finished():
                storage.set_trial_state_values(trial_id, TrialState[self.name], self.value)

    def _add(self, storage: BaseStorage, study_id: int) -> None:
        count = storage.get_n_trials(study_id)
        if count > self.number:
            return
        if count < self.number:
            raise StudyError(
                f"the database has {count} trials of the study where it had {self.number}; "
                "restore it from a newer copy"
            )
        storage.create_new_trial(study_id, self._trial())

    def _trial(self) -> FrozenTrial:
        """The new trial."""
        kinds = {n: json_to_distribution(text) for n, text in self.value["distributions"].items()}
        trial = create_trial(
            state=TrialState[self.name],
            values=self.value["values"],
            params=self.value["params"],
            distributions=kinds,
            user_attrs=self.value["user_attrs"],
            system_attrs=self.value["system_attrs"],
        )
        if self.value["started"] is not None:
            trial.datetime_start = datetime.fromisoformat(self.value["started"])
        return trial


class Outbox:
    """Changes in their order, kept in a file until they are made.

    Args:
        path: The file; it exists only while there are changes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._waiting = deque(_read(path))

    def __len__(self) -> int:
        """The number of changes."""
        return len(self._waiting)

    def put(self, change: Change) -> None:
        """Add a change.

        Raises:
            OSError: The disk is full or broken; the change is not added.
        """
        fields = astuple(change)
        line = json.dumps([*fields, checksum(fields)]).encode() + b"\n"
        with self._lock:
            with self.path.open("ab", buffering=0) as file:
                size, rest = file.tell(), memoryview(line)
                try:
                    while rest:
                        rest = rest[file.write(rest) :]
                except OSError:
                    file.truncate(size)
                    raise
            self._waiting.append(change)

    def first(self) -> Change | None:
        """The oldest change; None if there is none."""
        return self._waiting[0] if self._waiting else None

    def done(self) -> None:
        """The oldest change is made."""
        with self._lock:
            self._waiting.popleft()
            if not self._waiting:
                self.path.unlink(missing_ok=True)


def _read(path: Path) -> list[Change]:
    """The changes in a file; a last line that a killed process left incomplete is removed."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    whole = content[: content.rfind(b"\n") + 1]
    try:
        changes = [_change_in(line) for line in whole.splitlines()]
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise StudyError(
            f"{path} is damaged, so its results cannot be told to the database; restore it from "
            "a copy, or delete it to run these trials again"
        ) from None
    if whole != content:
        path.write_bytes(whole)
    return changes


def _change_in(line: bytes) -> Change:
    """The change in a line of the file; raises an error of Python's if it is damaged."""
    kind, number, name, value, *check = json.loads(line)
    change = Change(kind, number, name, value)
    # Earlier versions wrote no checksum.
    if check and check != [checksum(astuple(change))]:
        raise ValueError("its checksum is wrong")
    if kind not in get_args(Kind) or not (isinstance(number, int) and isinstance(name, str)):
        raise ValueError("it is no change")
    if kind == "add":
        change._trial()
    elif kind == "end":
        TrialState[name]
    return change
