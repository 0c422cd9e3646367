"""An Optuna sampler that gives the points of a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial


class FiniteSampler(BaseSampler):
    """Gives the points of a list, the last one first.

    Args:
        points: Each with the values of the parameters that apply there.
    """

    def __init__(self, points: Sequence[Mapping[str, Any]]) -> None:
        self._points = list(points)
        self._point: Mapping[str, Any] = {}

    def advance(self) -> bool:
        """Go to the next point, if there is one."""
        if not self._points:
            return False
        self._point = self._points.pop()
        return True

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Every parameter is set on its own."""
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """None."""
        return {}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The point's value."""
        return self._point[param_name]
