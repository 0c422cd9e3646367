"""The most memory that a run held, and how a process keeps what it will need again."""

from __future__ import annotations

import ctypes
import os
from functools import cache

import psutil
import torch


class PeakMemory:
    """Peak bytes since this object was made, on the GPU or in this process.

    A worker runs many trials and keeps what one of them freed for the next, so on a CPU neither
    the process's high-water mark nor its resident size is the run's own: counted is what is in
    use. Where the C library does not tell that, it is the resident size.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._sampled = 0
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        else:
            _give_back()

    def sample(self) -> None:
        """Look at the process now; call where memory is highest."""
        if self._device.type != "cuda":
            self._sampled = max(self._sampled, _held())

    @property
    def peak(self) -> int:
        """The highest value seen, in bytes."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        return self._sampled


# glibc's malloc.h, and how much of what was freed a process may keep.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_KEPT_BYTES = 2**30

_libc = ctypes.CDLL(None) if os.name == "posix" else None


class _Mallinfo2(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        )
    ]


@cache
def _mallinfo2() -> ctypes._NamedFuncPointer | None:
    function = getattr(_libc, "mallinfo2", None)
    if function is not None:
        function.restype = _Mallinfo2
    return function


def keep_freed_memory() -> None:
    """Have this process keep freed memory for its next step; for processes that only train.

    glibc gives large blocks back to the system whenever they are freed, such as all gradients
    after each step, and the next step then waits for tens of thousands of page faults. On
    systems with another C library this does nothing.
    """
    mallopt = getattr(_libc, "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def _give_back() -> None:
    """Give freed memory back where it has become much: pieces that fit nothing."""
    look, trim = _mallinfo2(), getattr(_libc, "malloc_trim", None)
    if look is not None and trim is not None and look().fordblks > _KEPT_BYTES:
        trim(0)


def _held() -> int:
    """Bytes that this process uses."""
    look = _mallinfo2()
    if look is None:
        return int(psutil.Process().memory_info().rss)
    heap = look()
    return _outside_heap() + int(heap.uordblks + heap.hblkhd)


@cache
def _outside_heap() -> int:
    """Bytes of code and the like; it hardly changes once a process trains."""
    look = _mallinfo2()
    assert look is not None
    heap = look()
    return max(0, int(psutil.Process().memory_info().rss) - int(heap.arena + heap.hblkhd))
