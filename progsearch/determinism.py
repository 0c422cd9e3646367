"""The same bits from the same work, on a GPU as on a CPU."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

from progsearch.internals.torch import lacks_deterministic_form

_log = logging.getLogger(__name__)

_T = TypeVar("_T")

_settings: Any = torch.utils.deterministic


class Determinism:
    """Makes one run's work give the same bits for the same input.

    A CPU does so anyway, and nothing is changed there. On a GPU some kernels sum in the order
    in which their threads end, attention's backward pass among them. While `on` is
    active, torch takes others and refuses operations without a deterministic form. `settle` tests
    whether a run needs such an operation before anything is changed; if it does, all of its work
    runs as usual from then on, and the log says so once.

    Args:
        device: The device of the work.
    """

    def __init__(self, device: torch.device) -> None:
        self._wanted = device.type == "cuda"
        # torch's settings as they were before; None unless `on` is active.
        self._before: tuple[bool, bool, bool] | None = None

    @contextmanager
    def on(self) -> Iterator[None]:
        """While active, what has no deterministic form is refused; `settle` it before."""
        if not self._wanted or self._before is not None:
            yield
            return
        # cuBLAS must not choose its workspace as it goes; this is the size that it would have.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        self._before = (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
            _settings.fill_uninitialized_memory,
        )
        # Attention takes its deterministic backward pass only if others are refused.
        torch.use_deterministic_algorithms(True)
        # That would cost a kernel for each new tensor, and nothing here reads what it did not
        # write.
        _settings.fill_uninitialized_memory = False
        try:
            yield
        finally:
            self._off()

    def _off(self) -> None:
        if self._before is not None:
            enabled, warn_only, filled = self._before
            torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
            _settings.fill_uninitialized_memory = filled
            self._before = None

    def rehearse(self, work: Callable[[], object]) -> None:
        """Run ``work`` only to `settle` it; not at all if there is nothing to settle."""
        if self._wanted:
            self.settle(work)

    def settle(self, work: Callable[[], _T]) -> _T:
        """Run ``work`` with determinism on; if that is refused, switch it off and run it again.

        Args:
            work: What it has changed by the time it is refused must not matter to a second run.
                An operation is refused at its first use.

        Returns:
            What ``work`` returns.
        """
        try:
            with self.on():
                return work()
        except RuntimeError as error:
            if not (self._wanted and lacks_deterministic_form(error)):
                raise
            _log.warning("on this GPU, results differ in their last digits: %s", error)
        self._wanted = False
        # In the middle of an `on` as well: the rest of it is this run's work, too.
        self._off()
        return work()
