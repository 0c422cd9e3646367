"""The limits that a schedule must satisfy to be chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from progsearch.numerals import size


class Costs(Protocol):
    """What is known of a run before it starts."""

    @property
    def updated_parameters(self) -> float:
        """Updated parameters as a fraction of full fine-tuning's."""

    @property
    def peak_memory(self) -> int | None:
        """Predicted peak memory in bytes; None if it is not known."""


@dataclass(frozen=True)
class Limits:
    """Limits on values of a trial, whether they are objectives or not.

    Attributes:
        max_updated: The most updated parameters, as a fraction of full fine-tuning's.
        min_metric: The least value of the task's metric.
        max_memory: The most predicted peak memory, in bytes.
    """

    max_updated: float | None = None
    min_metric: float | None = None
    max_memory: int | None = None

    def affordable(self, costs: Costs) -> bool:
        """Whether a run of these costs may be chosen; known before it starts."""
        return self.fits(costs) and (
            self.max_updated is None or costs.updated_parameters <= self.max_updated
        )

    def fits(self, costs: Costs) -> bool:
        """Whether a run fits into memory, as far as is known."""
        known = self.max_memory is not None and costs.peak_memory is not None
        return not known or self._excess(costs) <= 0

    def violations(self, metric: float, costs: Costs) -> dict[str, float]:
        """By how much a run misses each limit; at most 0 if it satisfies it."""
        found = {}
        if self.max_updated is not None:
            found["max_updated"] = costs.updated_parameters - self.max_updated
        if self.min_metric is not None:
            found["min_metric"] = self.min_metric - metric
        if self.max_memory is not None:
            found["max_memory"] = self._excess(costs)
        return found

    def _excess(self, costs: Costs) -> float:
        return float((costs.peak_memory or 0) - (self.max_memory or 0))

    def allow(self, metric: float, costs: Costs) -> bool:
        """Whether a run satisfies all limits."""
        violations = self.violations(metric, costs)
        return all(violation <= 0 for violation in violations.values())

    def __str__(self) -> str:
        parts = []
        if self.max_updated is not None:
            parts.append(f"at most {100 * self.max_updated:g} % updated parameters")
        if self.min_metric is not None:
            parts.append(f"a task metric of at least {self.min_metric:g}")
        if self.max_memory is not None:
            parts.append(f"a predicted peak memory of at most {size(self.max_memory)}")
        return " and ".join(parts)
