"""Search spaces: which settings of a run are varied, and how, read from YAML.

The format is explained at the top of ``search_spaces/progtuning.yaml``.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os.path import isfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from progsearch.config import (
    DEFAULT_METHOD,
    METHODS,
    Config,
    MethodName,
    MethodSettings,
    TrainingConfig,
    parse,
    read_yaml,
)
from progsearch.config.searched import SCHEDULE
from progsearch.errors import ConfigError
from progsearch.space.dimensions import (
    CategoricalDimension,
    Condition,
    Dimension,
    FloatDimension,
    ListedDimension,
    RatesDimension,
    Value,
)
from progsearch.space.settings import Choice, choice_of
from progsearch.space.shipped import shipped_files

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

_TYPE_IN_PATH = re.compile(r"^(dimensions\.[^.]+)\.(?:int|float|categorical|rates)\b")
# How many learning rates of a range the references are tried at.
_RATES_OF_A_RANGE = 4


class SpaceConfig(Config):
    """A search space as written in a file."""

    description: str = ""
    dimensions: dict[str, Dimension]
    fixed: dict[str, Value] = Field(default_factory=dict)


@dataclass(frozen=True)
class Space:
    """A search space without mistakes.

    Attributes:
        config: What its file says.

    Example:
        >>> Space.load("paper").methods()
        [Full()]
    """

    config: SpaceConfig

    @classmethod
    def load(cls, space: str | Path, methods: Sequence[MethodName] | None = None) -> Space:
        """The built-in space of that name, or the space of that file.

        Args:
            space: A name that `progsearch ls spaces` lists, or a file.
            methods: The fine-tuning methods to search over; by default what the space says.

        Raises:
            ConfigError: There is no such space, or its file has mistakes; all of them are named.
        """
        built_in = shipped_files("search_spaces")
        path = built_in.get(str(space), Path(space))
        if not isfile(path) and path.suffix not in (".yaml", ".yml"):
            close = difflib.get_close_matches(str(space), built_in, n=1)
            hint = f"did you mean {close[0]}?" if close else f"choose one of {', '.join(built_in)}"
            raise ConfigError(
                str(space), [("", f"is not a search space; {hint} or give a YAML file")]
            )
        return cls.of(read_yaml(path), str(space), methods)

    @classmethod
    def of(cls, data: Any, source: str, methods: Sequence[MethodName] | None = None) -> Space:
        """The space that ``data``, the content of ``source``, describes; see `load`."""
        from progsearch.space.check import also_wrong, check

        if not isinstance(data, dict):
            raise ConfigError(source, [("", "is not a search space: it must hold dimensions")])
        try:
            space = cls(parse(SpaceConfig, data, source))
        except ConfigError as error:
            # pydantic names a dimension's type as one more step of the path.
            found = [(_TYPE_IN_PATH.sub(r"\1", path), text) for path, text in error.problems]

            def read(rest: dict[str, Any]) -> Space:
                return cls(parse(SpaceConfig, rest, source))

            raise ConfigError(source, [*found, *also_wrong(data, found, read)]) from None
        check(space, source)
        return space if methods is None else space._with_methods(methods)

    def _with_methods(self, methods: Sequence[MethodName]) -> Space:
        others = {n: d for n, d in self.config.dimensions.items() if (d.sets or n) != "method"}
        fixed = {name: value for name, value in self.config.fixed.items() if name != "method"}
        if len(methods) == 1:
            fixed["method"] = methods[0]
        else:
            # First, since other dimensions may depend on it.
            sampled = CategoricalDimension(type="categorical", choices=tuple(methods))
            others = {"method": sampled, **others}
        return Space(self.config.model_copy(update={"dimensions": others, "fixed": fixed}))

    def at(self, rate: float, *, given: bool = False) -> Space:
        """The space for a model, with every learning rate listed.

        Args:
            rate: The model's default for full fine-tuning; a dimension of type ``rates`` becomes
                a list of multiples of it, times what the method asks for.
            given: Whether the user gave the rate instead: then it is that of every run.
        """
        dimensions: dict[str, Dimension] = {}
        fixed = dict(self.config.fixed)
        for name, dimension in self.config.dimensions.items():
            if given and (dimension.sets or name) == "learning_rate":
                fixed["learning_rate"] = rate
            elif isinstance(dimension, RatesDimension):
                dimensions |= self._listed(name, dimension, rate)
            else:
                dimensions[name] = dimension
        if given and "learning_rate" in fixed:
            fixed["learning_rate"] = rate
        return Space(self.config.model_copy(update={"dimensions": dimensions, "fixed": fixed}))

    def _listed(
        self, name: str, dimension: RatesDimension, rate: float
    ) -> dict[str, CategoricalDimension]:
        """A list of rates for each group of methods that ask for the same ones."""
        groups: dict[float, list[Value]] = {}
        for method in self.possible("method") or [DEFAULT_METHOD]:
            groups.setdefault(METHODS.get(method).rate_factor, []).append(method)
        found: dict[str, CategoricalDimension] = {}
        for factor, methods in groups.items():
            when = dimension.when if len(groups) == 1 else _and_method(dimension, methods)
            if when is not None:
                found[name if not found else f"{name}_x{factor:g}"] = CategoricalDimension(
                    type="categorical",
                    choices=dimension.at(rate * factor),
                    sets=dimension.sets or (name if found else None),
                    when=when,
                )
        return found

    def learning_rates(self, method: str, default: float) -> tuple[float, ...]:
        """The learning rates at which runs of a method can be trained, in ascending order.

        Args:
            method: Its name.
            default: The rate if the space does not set any.
        """
        rates = {float(r) for r in [self.config.fixed.get("learning_rate")] if r is not None}
        for name, dimension in self.listed_dimensions():
            if (dimension.sets or name) != "learning_rate" or not _may_apply(dimension, method):
                continue
            if isinstance(dimension, FloatDimension):
                low, high = dimension.low, dimension.high
                step = (high / low) ** (1 / (_RATES_OF_A_RANGE - 1))
                rates |= {float(f"{low * step**n:.1e}") for n in range(_RATES_OF_A_RANGE)}
            else:
                rates |= {float(value) for value in dimension.values()}
        return tuple(sorted(rates)) or (default,)

    def listed_dimensions(self) -> Iterator[tuple[str, ListedDimension]]:
        """All dimensions by name, once `at` has listed the learning rates."""
        for name, dimension in self.config.dimensions.items():
            assert not isinstance(dimension, RatesDimension), "see `at`"
            yield name, dimension

    def points(self) -> Iterator[dict[str, Value]]:
        """Every point, as the values of the dimensions that apply there.

        Raises:
            ConfigError: A dimension is a range without a step.
        """
        endless = [
            (f"dimensions.{name}", "a grid needs a step here, or a list of choices")
            for name, dimension in self.listed_dimensions()
            if isinstance(dimension, FloatDimension) and dimension.step is None
        ]
        if endless:
            raise ConfigError("the search space", endless)
        return self._walk(list(self.listed_dimensions()), dict(self.config.fixed), {})

    def _walk(
        self,
        dimensions: list[tuple[str, ListedDimension]],
        settings: dict[str, Value],
        sampled: dict[str, Value],
    ) -> Iterator[dict[str, Value]]:
        if not dimensions:
            yield sampled
            return
        (name, dimension), *rest = dimensions
        if not dimension.applies(settings):
            yield from self._walk(rest, settings, sampled)
            return
        for value in dimension.values():
            sets = {dimension.sets or name: value}
            yield from self._walk(rest, settings | sets, sampled | {name: value})

    def fitting(self, sampled: Mapping[str, Any]) -> dict[str, Any]:
        """The values sampled from another space that this one can also sample."""
        dimensions = dict(self.listed_dimensions())
        return {
            name: value
            for name, value in sampled.items()
            if name in dimensions and dimensions[name].holds(value)
        }

    def suggest(self, trial: BaseTrial) -> dict[str, Any]:
        """Sample a point: the settings it sets, those that are fixed included."""
        values: dict[str, Any] = dict(self.config.fixed)
        for name, dimension in self.listed_dimensions():
            if dimension.applies(values):
                values[dimension.sets or name] = dimension.suggest(trial, name)
        return values

    def default(self, training: TrainingConfig) -> Choice:
        """What references share: full fine-tuning, if it is in the space, and what is fixed."""
        methods = self.possible("method") or [DEFAULT_METHOD]
        fixed = {name: v for name, v in self.config.fixed.items() if name not in SCHEDULE}
        method = DEFAULT_METHOD if DEFAULT_METHOD in methods else methods[0]
        return choice_of(fixed | {"method": method}, training)

    def metrics(self) -> list[str]:
        """The contribution metrics whose scores a point may need."""
        scored = "any_order" in self.possible("mode")
        if scored or "contribution" in self.possible("ratio_of"):
            return [str(metric) for metric in self.possible("metric")]
        return []

    def methods(self) -> list[MethodSettings]:
        """Every method that a point may use, with all values of the settings it costs by."""
        found: list[MethodSettings] = []
        for name in self.possible("method") or [DEFAULT_METHOD]:
            method = METHODS.get(name)
            fields = {n: f for n, f in method.model_fields.items() if n not in method.free}
            values = [sorted({f.default, *self.possible(n)}) for n, f in fields.items()]
            for chosen in itertools.product(*values):
                found.append(method(**dict(zip(fields, chosen, strict=True))))
        return found

    def possible(self, setting: str) -> list[Any]:
        """Every value that a setting of words or whole numbers can take; none if it is not set."""
        values = [self.config.fixed[setting]] if setting in self.config.fixed else []
        for name, dimension in self.config.dimensions.items():
            if (dimension.sets or name) == setting and not isinstance(
                dimension, (FloatDimension, RatesDimension)
            ):
                values += dimension.values()
        return list(dict.fromkeys(values))


def _and_method(
    dimension: RatesDimension, methods: Sequence[Value]
) -> tuple[Condition, ...] | None:
    """When a dimension applies with one of some methods; None if never."""
    found: list[Condition] = []
    for alternative in dimension.alternatives() if dimension.when else [[]]:
        conditions: Condition = dict(alternative)
        allowed = conditions.get("method", tuple(methods))
        both = [m for m in methods if isinstance(allowed, tuple) and m in allowed]
        if both:
            found.append(conditions | {"method": tuple(both)})
    return tuple(found) or None


def _may_apply(dimension: ListedDimension, method: str) -> bool:
    """Whether a dimension may be drawn for runs of a method."""
    return not dimension.when or any(
        all(name != "method" or method in allowed for name, allowed in alternative)
        for alternative in dimension.alternatives()
    )
