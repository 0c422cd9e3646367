"""What the store of trained steps saved a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial

from progsearch.report.formatting import duration, percent


@dataclass(frozen=True)
class Reuse:
    """The optimizer steps of a study's finished trials: made by themselves, or found trained.

    What the frozen-prefix cache saves within a step is not in these numbers.

    Attributes:
        steps: Steps that lie behind the trials' results.
        steps_trained: Those of them that the trials made themselves.
        seconds_saved: What the others, with their evaluations, took when they were made.
    """

    steps: int = 0
    steps_trained: int = 0
    seconds_saved: float = 0.0

    @classmethod
    def of(cls, trials: Sequence[FrozenTrial], seeds: int = 1) -> Reuse:
        """The sum over all trials that say how many steps they made; failed ones do not.

        Args:
            trials: The trials.
            seeds: How many runs each of them is the mean of.
        """
        known = [t.user_attrs for t in trials if "steps_trained" in t.user_attrs]
        # A reused epoch leaves a record like any other.
        steps = sum(attrs["records"][-1]["step"] for attrs in known if attrs["records"])
        return cls(
            steps=seeds * steps,
            steps_trained=sum(attrs["steps_trained"] for attrs in known),
            seconds_saved=sum(attrs["timings"].get("saved", 0.0) for attrs in known),
        )

    @property
    def steps_reused(self) -> int:
        """Steps that no trial had to make again."""
        return self.steps - self.steps_trained

    @property
    def share(self) -> float:
        """The reused steps as a share of all."""
        return self.steps_reused / self.steps if self.steps else 0.0

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return {
            "steps": self.steps,
            "steps_trained": self.steps_trained,
            "steps_reused": self.steps_reused,
            "share": self.share,
            "seconds_saved": self.seconds_saved,
        }

    def __str__(self) -> str:
        """A sentence for people; empty where nothing was reused."""
        if not self.steps_reused:
            return ""
        return (
            f"reused {self.steps_reused:,} of {self.steps:,} optimizer steps "
            f"({percent(self.share)}), saving {duration(self.seconds_saved)} of training and "
            "evaluation"
        )
