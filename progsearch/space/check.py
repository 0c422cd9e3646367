"""What is wrong with a search space beyond its form: unknown settings, impossible values."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from progsearch.config import METHODS, TrainingConfig
from progsearch.errors import ConfigError, ScheduleError
from progsearch.space.dimensions import (
    Dimension,
    FloatDimension,
    RatesDimension,
    Value,
)
from progsearch.space.settings import choice_of, impossible_value, unknown_setting, unmeasurable

if TYPE_CHECKING:
    from progsearch.space.space import Space

# Points sampled to find dimensions that contradict one another. A contradiction that all of them
# miss is too rare to matter in a search.
_DRAWS = 1000


def check(space: Space, source: str) -> None:
    """Refuse a space that cannot be searched.

    Raises:
        ConfigError: With every mistake and its place in ``source``.
    """
    problems = [
        (f"fixed.{name}", text)
        for name, value in space.config.fixed.items()
        if (text := unknown_setting(name) or impossible_value(name, value))
    ]
    known: dict[str, list[Value] | None] = {n: [v] for n, v in space.config.fixed.items()}
    for name, dimension in space.config.dimensions.items():
        problems += [
            (f"dimensions.{name}{place}", text)
            for place, text in _problems(name, dimension, known, space.possible("method"))
        ]
        setting = dimension.sets or name
        values = (
            None if isinstance(dimension, FloatDimension | RatesDimension) else dimension.values()
        )
        known[setting] = None if values is None else [*(known.get(setting) or []), *values]
    if not space.config.dimensions:
        problems.append(("dimensions", "must hold at least one dimension"))
    # Only a space that is sound in itself can be sampled from.
    problems = problems or _contradictions(space)
    if problems:
        raise ConfigError(source, problems)


def also_wrong(
    data: Mapping[str, Any],
    found: Sequence[tuple[str, str]],
    read: Callable[[dict[str, Any]], Space],
) -> list[tuple[str, str]]:
    """What is wrong with a space beside the mistakes of its form that were ``found``.

    Args:
        data: The content of its file.
        found: The places of the mistakes, and what they are.
        read: Makes a space of a part of ``data``.
    """
    wrong = {tuple(path.split(".")[:2]) for path, _ in found}
    rest: dict[str, Any] = {}
    for key in ("dimensions", "fixed"):
        items = data.get(key, {})
        if not isinstance(items, dict):
            return []
        rest[key] = {name: value for name, value in items.items() if (key, name) not in wrong}
    names = [place[1] for place in wrong if place[1:]]
    try:
        if rest["dimensions"]:
            check(read(rest), "")
    except ConfigError as error:
        # Dimensions may depend on those that were left out here.
        return [
            (path, text)
            for path, text in error.problems
            if path != "dimensions" and not any(name in f"{path} {text}" for name in names)
        ]
    return []


def _problems(
    name: str,
    dimension: Dimension,
    known: dict[str, list[Value] | None],
    methods: Sequence[str],
) -> list[tuple[str, str]]:
    """What is wrong with a dimension, given the values of the settings that stand before it."""
    setting = dimension.sets or name
    if text := unknown_setting(setting):
        return [(".sets" if dimension.sets else "", text)]
    if isinstance(dimension, FloatDimension) and (text := unmeasurable(setting)):
        return [("", text)]
    if isinstance(dimension, RatesDimension):
        found = _problems_of_rates(setting, known, methods)
    else:
        found = [
            (f".{place}", text)
            for place, value in dimension.extremes().items()
            if (text := impossible_value(setting, value))
        ]
    for wanted, values in (item for items in dimension.alternatives() for item in items):
        if wanted not in known:
            found.append((".when", f"{wanted!r} is neither fixed nor a dimension above this one"))
        elif (possible := known[wanted]) is not None:
            found += [
                (f".when.{wanted}", f"{value!r} is not among its values {possible}")
                for value in values
                if value not in possible
            ]
    return found


def _problems_of_rates(
    setting: str, known: Mapping[str, list[Value] | None], methods: Sequence[str]
) -> list[tuple[str, str]]:
    if setting != "learning_rate":
        return [(".type", f"rates are learning rates, so it cannot set {setting}")]
    factors = {METHODS.get(method).rate_factor for method in methods}
    if len(factors) > 1 and "method" not in known:
        return [("", "must stand below method, since the rates follow it")]
    return []


def _contradictions(space: Space) -> list[tuple[str, str]]:
    """What can be wrong with a point whose single values are all possible."""
    # No model is known yet; any rate shows the contradictions.
    space = space.at(TrainingConfig().learning_rate)
    draw = _RandomDraw()
    found: dict[tuple[str, str], None] = {}
    for _ in range(_DRAWS):
        set_by: dict[str, str] = dict.fromkeys(space.config.fixed, "fixed")
        values: dict[str, Any] = dict(space.config.fixed)
        for name, dimension in space.listed_dimensions():
            if dimension.applies(values):
                setting = dimension.sets or name
                if setting in set_by:
                    text = (
                        f"sets {setting}, which {set_by[setting]} also sets; separate them by when"
                    )
                    found[f"dimensions.{name}", text] = None
                set_by[setting] = name
                values[setting] = dimension.suggest(draw, name)  # type: ignore[arg-type]
        try:
            choice_of(values, TrainingConfig())
        except ScheduleError as error:
            found["dimensions", f"some points do not give a schedule: {error}"] = None
    return list(found)


class _RandomDraw:
    """Samples as an Optuna trial does, without Optuna."""

    def __init__(self) -> None:
        self._random = random.Random(0)

    def suggest_int(self, name: str, low: int, high: int, *, step: int, log: bool) -> int:
        return self._random.randrange(low, high + 1, step)

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None, log: bool
    ) -> float:
        return self._random.choice((low, high, self._random.uniform(low, high)))

    def suggest_categorical(self, name: str, choices: Sequence[Value]) -> Value:
        return self._random.choice(choices)
