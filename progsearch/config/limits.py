"""The limits that a schedule must satisfy to be chosen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Limits on two values of a trial, whether they are objectives or not.

    Attributes:
        max_updated: The most updated parameters, as a fraction of full fine-tuning's.
        min_metric: The least value of the task's metric.
    """

    max_updated: float | None = None
    min_metric: float | None = None

    def affordable(self, updated_parameters: float) -> bool:
        """Whether a run that updates these parameters may be chosen; known before it starts."""
        return self.max_updated is None or updated_parameters <= self.max_updated

    def violations(self, metric: float, updated_parameters: float) -> dict[str, float]:
        """By how much a run misses each limit; at most 0 if it satisfies it."""
        found = {}
        if self.max_updated is not None:
            found["max_updated"] = updated_parameters - self.max_updated
        if self.min_metric is not None:
            found["min_metric"] = self.min_metric - metric
        return found

    def allow(self, metric: float, updated_parameters: float) -> bool:
        """Whether a run satisfies all limits."""
        violations = self.violations(metric, updated_parameters)
        return all(violation <= 0 for violation in violations.values())

    def __str__(self) -> str:
        parts = []
        if self.max_updated is not None:
            parts.append(f"at most {100 * self.max_updated:g} % updated parameters")
        if self.min_metric is not None:
            parts.append(f"a task metric of at least {self.min_metric:g}")
        return " and ".join(parts)
