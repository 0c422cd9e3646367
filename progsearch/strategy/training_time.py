"""The untrained rest of a run, and its training time."""

from __future__ import annotations

from collections.abc import Iterable


class TrainingTime:
    """Knows which segments a study has trained and what training costs on its machine.

    Args:
        reuse: Whether segments that were trained once need not be trained again.

    Attributes:
        trained: The keys of the segments that were trained once.
    """

    def __init__(self, reuse: bool) -> None:
        self._reuse = reuse
        self.trained: set[str] = set()
        self._seconds = 0.0
        self._flops = 0.0

    def add_trained(self, segments: Iterable[tuple[int, str]], done: int) -> None:
        """A trial made its first ``done`` steps."""
        self.trained.update(key for end, key in segments if end <= done)

    def measure(self, seconds: float, flops: float) -> None:
        """Training of ``flops`` FLOPs took ``seconds``."""
        self._seconds += seconds
        self._flops += flops

    def left(
        self, segments: Iterable[tuple[int, str]], flops: Iterable[float], done: int = 0
    ) -> float:
        """Seconds that the rest of a run takes; FLOPs as long as nothing was measured.

        Args:
            segments: End step and key of each of its segments.
            flops: FLOPs of each.
            done: Steps that the run has trained, stored or not.
        """
        left = 0.0
        for (end, key), part in zip(segments, flops, strict=True):
            if end > done and not (self._reuse and key in self.trained):
                left += part
        return self.of(left)

    def of(self, flops: float) -> float:
        """Seconds for training of ``flops`` FLOPs; FLOPs as long as nothing was measured."""
        return flops * (self._seconds / self._flops if self._flops else 1.0)
