"""The untrained rest of a run, as the FLOPs that its training takes."""

from __future__ import annotations

from collections.abc import Iterable


class TrainingTime:
    """Knows which segments a study has trained.

    Times are compared with each other alone, so FLOPs stand for seconds: on one machine they
    differ by one factor, and measured seconds would make a search depend on how busy it was.

    Args:
        reuse: Whether segments that were trained once need not be trained again.

    Attributes:
        trained: The keys of the segments that were trained once.
    """

    def __init__(self, reuse: bool) -> None:
        self._reuse = reuse
        self.trained: set[str] = set()

    def add_trained(self, segments: Iterable[tuple[int, str]], done: int) -> None:
        """A trial made its first ``done`` steps."""
        self.trained.update(key for end, key in segments if end <= done)

    def left(
        self, segments: Iterable[tuple[int, str]], flops: Iterable[float], done: int = 0
    ) -> float:
        """FLOPs of the rest of a run.

        Args:
            segments: End step and key of each of its segments.
            flops: FLOPs of each.
            done: Steps that the run has trained, stored or not.
        """
        left = 0.0
        for (end, key), part in zip(segments, flops, strict=True):
            if end > done and not (self._reuse and key in self.trained):
                left += part
        return left
