"""The settings of a run that a search space may vary, and which values each can take."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from progsearch.config import (
    DEFAULT_METHOD,
    METHODS,
    Config,
    MethodName,
    MethodSettings,
    TrainingConfig,
    method_of,
    parse,
)
from progsearch.config.searched import SCHEDULE, TRAINING
from progsearch.errors import ConfigError, MetricError, ScheduleError
from progsearch.schedule import ScheduleSpec

_TYPE_NAMES = {int: "a whole number", float: "a number", str: "a word", bool: "true or false"}
# A spec in which any single value is valid that is valid in some spec.
_PERMISSIVE: dict[str, Any] = {"mode": "any_order", "metric": "depth", "final_freeze": 1.0}


@dataclass(frozen=True)
class Choice:
    """One point of a search space, as what it sets."""

    spec: ScheduleSpec
    method: MethodSettings
    training: TrainingConfig


def unknown_setting(name: str) -> str | None:
    """What is wrong with ``name`` as a setting's name, if anything."""
    if _type_of(name) is not None:
        return None
    of_methods = dict.fromkeys(field for method in METHODS for field in method.model_fields)
    known = [*SCHEDULE, "method", *of_methods, *TRAINING]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"choose one of {', '.join(known)}"
    return f"there is no setting {name!r}; {hint}"


def unmeasurable(name: str) -> str | None:
    """Why the setting ``name`` cannot take any number of a range, if it cannot.

    A search measures the costs of a method for each value of the settings that change them.
    """
    owner = None if name in SCHEDULE or name in TRAINING else _owner(name)
    if owner is None or name in owner.free:
        return None
    return (
        f"{name} of the method {owner.name} may change what its parts cost, which is measured for "
        "each value before the first trial: give a list of choices (if it changes no cost, its "
        "class names it in `free`)"
    )


def impossible_value(name: str, value: Any) -> str | None:
    """What is wrong with ``value`` for the setting ``name``, if anything."""
    kind = _type_of(name)
    assert kind is not None, "the setting is known"
    fits = type(value) in (int, float) if kind is float else type(value) is kind
    if not fits:
        return f"must be {_TYPE_NAMES[kind]}, got {value!r}"
    try:
        if name == "metric":
            from progsearch.contribution import get_metric

            get_metric(value)
        elif name == "further_freeze":
            if not 0 <= value <= 1:
                return f"must lie in 0..1, got {value}"
        elif name in SCHEDULE:
            ScheduleSpec(**_PERMISSIVE | {name: value})
        elif name in TRAINING:
            parse(TrainingConfig, {name: value}, name)
        elif name == "method":
            parse(_Named, {"method": value}, name)
        else:
            owner = _owner(name)
            assert owner is not None, "the setting is known"
            parse(owner, {name: value}, name)
    except ConfigError as error:
        return error.problems[0][1]
    except (ScheduleError, MetricError) as error:
        # The place names the setting.
        return str(error).removeprefix(f"{name} ")
    return None


def choice_of(values: Mapping[str, Any], training: TrainingConfig) -> Choice:
    """What the settings ``values`` mean; those not given keep their defaults.

    ``further_freeze`` is the share of what the first stage leaves unfrozen that the last stage
    has frozen as well, so that any two ratios are valid together.

    Args:
        values: Settings by name.
        training: Gives the training settings that are not in ``values``.

    Raises:
        ScheduleError: The schedule settings contradict one another.
    """
    spec = {name: value for name, value in values.items() if name in SCHEDULE}
    further = spec.pop("further_freeze", 0.0)
    if "initial_freeze" in spec or further:
        initial = spec.get("initial_freeze", 0.0)
        spec["final_freeze"] = min(1.0, initial + further * (1 - initial))
    method = str(values.get("method", DEFAULT_METHOD))
    own = {name: values[name] for name in METHODS.get(method).model_fields if name in values}
    changed = {name: values[name] for name in TRAINING if name in values}
    return Choice(
        ScheduleSpec(**spec), method_of(method, **own), training.model_copy(update=changed)
    )


class _Named(Config):
    method: MethodName


def _owner(setting: str) -> type[MethodSettings] | None:
    """The method that has this setting, the first of several."""
    return next((method for method in METHODS if setting in method.model_fields), None)


def _type_of(setting: str) -> type | None:
    if setting == "method":
        return str
    known = SCHEDULE.get(setting) or TRAINING.get(setting)
    if known is not None:
        return known
    owner = _owner(setting)
    if owner is None:
        return None
    kind: type = owner.model_fields[setting].annotation  # type: ignore[assignment]
    return kind
