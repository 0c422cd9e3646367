"""How much training the store saved in a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from progsearch.numerals import duration, percent
from progsearch.study.trial import Trial


@dataclass(frozen=True)
class Reuse:
    """The optimizer steps of a study's finished trials, trained or reused.

    Savings of the frozen-prefix cache within a step are not included.

    Attributes:
        steps: All steps of the trials.
        steps_trained: The steps that the trials made themselves.
        seconds_saved: Seconds that training and evaluation of the reused steps once took.
    """

    steps: int = 0
    steps_trained: int = 0
    seconds_saved: float = 0.0

    @classmethod
    def of(cls, trials: Sequence[Trial], seeds: int = 1) -> Reuse:
        """The sum over all trials that recorded their steps; failed trials did not.

        Args:
            trials: The trials.
            seeds: Number of seeds per trial.
        """
        known = [trial for trial in trials if trial.steps_trained is not None]
        # A reused epoch has a record too.
        steps = sum(
            # A repeat is one run.
            (seeds if trial.repeats is None else 1) * trial.records[-1].step
            for trial in known
            if trial.records
        )
        return cls(
            steps=steps,
            steps_trained=sum(trial.steps_trained or 0 for trial in known),
            seconds_saved=sum(trial.timings.saved for trial in known if trial.timings),
        )

    @property
    def steps_reused(self) -> int:
        """Steps that were reused instead of trained."""
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
        """A sentence for people; empty if nothing was reused."""
        if not self.steps_reused:
            return ""
        return (
            f"reused {self.steps_reused:,} of {self.steps:,} optimizer steps "
            f"({percent(self.share)}), saving {duration(self.seconds_saved)} of training and "
            "evaluation"
        )
