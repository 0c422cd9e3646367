"""The most memory that a run held, and how a process keeps what it will need again."""

from __future__ import annotations

import ctypes

import psutil
import torch


class PeakMemory:
    """Peak bytes since this object was made, on the GPU or in this process.

    A worker runs many trials, so the process's own high-water mark would be that of its largest
    trial; on a CPU the resident size is sampled instead.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._process = psutil.Process()
        self._sampled = 0
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    def sample(self) -> None:
        """Look at the process now; call where memory is highest."""
        if self._device.type != "cuda":
            self._sampled = max(self._sampled, self._process.memory_info().rss)

    @property
    def peak(self) -> int:
        """The highest value seen, in bytes."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        return self._sampled


# glibc's malloc.h, and how much of what was freed a process may keep.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_KEPT_BYTES = 2**30


def keep_freed_memory() -> None:
    """Have this process keep freed memory for its next step; for processes that only train.

    glibc gives large blocks back to the system whenever they are freed, such as all gradients
    after each step, and the next step then waits for tens of thousands of page faults. On
    systems with another C library this does nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
