"""The same bits from the same work, on a GPU as on a CPU."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

_log = logging.getLogger(__name__)

_T = TypeVar("_T")


class Repeatable:
    """Runs work so that the same input gives the same bits.

    On a CPU it does so anyway. On a GPU some kernels add up in the order in which their threads
    happen to end, attention's backward pass among them; within `run` torch takes others. What
    exists in no such form runs all the same, and the log says so.

    Args:
        device: Where the work is done.
    """

    def __init__(self, device: torch.device) -> None:
        self._wanted = device.type == "cuda"

    def run(self, work: Callable[[], _T]) -> _T:
        """What ``work`` returns; it may be begun twice, so what it changes it must do last."""
        if not self._wanted:
            return work()
        try:
            with _deterministic():
                return work()
        except RuntimeError as error:
            if "deterministic implementation" not in str(error):
                raise
            _log.warning("on this GPU, results differ in their last digits: %s", error)
            self._wanted = False
            return work()


@contextmanager
def _deterministic() -> Iterator[None]:
    # cuBLAS must not choose its workspace as it goes; this is the size that it would have.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    settings: Any = torch.utils.deterministic
    before = torch.are_deterministic_algorithms_enabled()
    only_warned = torch.is_deterministic_algorithms_warn_only_enabled()
    filled = settings.fill_uninitialized_memory
    # Attention takes its deterministic backward pass only where others are refused.
    torch.use_deterministic_algorithms(True)
    # That would cost a kernel for each new tensor, and nothing here reads what it did not write.
    settings.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=only_warned)
        settings.fill_uninitialized_memory = filled
