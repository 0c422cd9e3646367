"""The dimensions of a search space as they stand in a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from progsearch.config import Config

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

_LARGEST_FACTOR = 100.0
# Of a range with a step: each is checked with the settings that depend on it.
_MOST_VALUES = 100_000

Value = bool | int | float | str
Condition = dict[str, Value | tuple[Value, ...]]


class _Dimension(Config):
    """What all dimensions have: the setting, by default their own name, and when they apply."""

    sets: str | None = None
    when: Condition | tuple[Condition, ...] = ()

    def applies(self, values: Mapping[str, Any]) -> bool:
        """Whether the dimension is sampled, given the settings sampled before it."""
        return not self.when or any(
            all(name in values and values[name] in allowed for name, allowed in alternative)
            for alternative in self.alternatives()
        )

    def alternatives(self) -> list[list[tuple[str, tuple[Value, ...]]]]:
        """The alternatives of ``when``: one must hold, with all of its (setting, values)."""
        alternatives = self.when if isinstance(self.when, tuple) else (self.when,)
        return [
            [(name, v if isinstance(v, tuple) else (v,)) for name, v in alternative.items()]
            for alternative in alternatives
        ]


class _Range(_Dimension):
    low: float
    high: float
    step: float | None = None
    log: bool = False

    @model_validator(mode="after")
    def _check(self) -> _Range:
        if not self.low <= self.high:
            raise ValueError(f"high must be at least low ({self.low:g}), got {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"low must be greater than 0 if log is true, got {self.low:g}")
        if self.step is None:
            return self
        if self.log:
            raise ValueError("step and log cannot be combined")
        if self.step <= 0:
            raise ValueError(f"step must be greater than 0, got {self.step:g}")
        _check_number_of_values(self.high - self.low, self.step)
        steps = (self.high - self.low) / self.step
        if abs(steps - round(steps)) > 1e-6:
            raise ValueError(f"high must be low plus a whole number of steps of {self.step:g}")
        return self

    def extremes(self) -> dict[str, Value]:
        """The values that decide whether all are possible, by their place in the file."""
        return {"low": self.low, "high": self.high}

    def holds(self, value: Any) -> bool:
        """Whether ``value`` can be sampled."""
        if isinstance(value, (str, bool)) or not self.low <= value <= self.high:
            return False
        steps = (value - self.low) / self.step if self.step else 0.0
        return bool(abs(steps - round(steps)) < 1e-6)


def _check_number_of_values(width: float, step: float) -> None:
    if width / step > _MOST_VALUES:
        raise ValueError(
            f"has {width / step + 1:.4g} values, more than {_MOST_VALUES:,}; give a larger step"
        )


class IntDimension(_Range):
    """A whole number, ``low`` and ``high`` included."""

    type: Literal["int"]
    low: int
    high: int
    step: int | None = None

    @model_validator(mode="after")
    def _check_number(self) -> IntDimension:
        _check_number_of_values(self.high - self.low, self.step or 1)
        return self

    def suggest(self, trial: BaseTrial, name: str) -> int:
        """Sample a value."""
        return trial.suggest_int(name, self.low, self.high, step=self.step or 1, log=self.log)

    def values(self) -> list[Value]:
        """Every value that can be sampled."""
        return list(range(self.low, self.high + 1, self.step or 1))


class FloatDimension(_Range):
    """A number, ``low`` and ``high`` included."""

    type: Literal["float"]

    def suggest(self, trial: BaseTrial, name: str) -> float:
        """Sample a value."""
        return trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)

    def values(self) -> list[Value]:
        """Every value that can be sampled, if there is a step.

        Raises:
            ValueError: There is no step.
        """
        if self.step is None:
            raise ValueError("a range without a step has no list of values")
        steps = round((self.high - self.low) / self.step)
        return [self.low + index * self.step for index in range(steps + 1)]


class CategoricalDimension(_Dimension):
    """One of a list of values."""

    type: Literal["categorical"]
    choices: tuple[Value, ...] = Field(min_length=1)

    def suggest(self, trial: BaseTrial, name: str) -> Value:
        """Sample a value."""
        value = trial.suggest_categorical(name, self.choices)
        assert value is not None, "no choice is None"
        return value

    def extremes(self) -> dict[str, Value]:
        """The values that decide whether all are possible, by their place in the file."""
        return {f"choices.{index}": choice for index, choice in enumerate(self.choices)}

    def holds(self, value: Any) -> bool:
        """Whether ``value`` can be sampled."""
        return value in self.choices

    def values(self) -> list[Value]:
        """Every value that can be sampled."""
        return list(self.choices)


class RatesDimension(_Dimension):
    """Learning rates that follow from the model and the method; `Space.at` lists them."""

    type: Literal["rates"]
    factors: tuple[float, ...] = Field(default=(0.25, 0.5, 1.0, 2.0), min_length=1)

    @model_validator(mode="after")
    def _check(self) -> RatesDimension:
        for factor in self.factors:
            # Of the highest default, times what a method asks for, this is still below 1.
            if not 0 < factor <= _LARGEST_FACTOR:
                raise ValueError(f"factors must lie in 0..{_LARGEST_FACTOR:g}, got {factor:g}")
        return self

    def at(self, rate: float) -> tuple[float, ...]:
        """The multiples of ``rate``, to two digits."""
        return tuple(float(f"{factor * rate:.1e}") for factor in self.factors)


def _type_of(data: Any) -> Any:
    return data.get("type") if isinstance(data, dict) else getattr(data, "type", None)


ListedDimension = IntDimension | FloatDimension | CategoricalDimension
"""A dimension that names its values."""

Dimension = Annotated[
    Annotated[IntDimension, Tag("int")]
    | Annotated[FloatDimension, Tag("float")]
    | Annotated[CategoricalDimension, Tag("categorical")]
    | Annotated[RatesDimension, Tag("rates")],
    Discriminator(
        _type_of,
        custom_error_type="dimension_type",
        custom_error_message="type must be int, float, categorical or rates",
    ),
]
