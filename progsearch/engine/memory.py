"""Measures a run's peak memory, and makes a process keep freed memory for reuse."""

from __future__ import annotations

import ctypes
import os
from functools import cache

import psutil
import torch


class PeakMemory:
    """Peak bytes since this object was made, on the GPU or in this process.

    A worker runs many trials and keeps freed memory for the next one. So on a CPU neither the
    process's high-water mark nor its resident size belongs to one run; this class counts the
    bytes in use. If the C library does not report them, it counts the resident size.

    On a CPU, memory is read when `sample` is called, which takes a millisecond with a large heap.
    So `begin_step` skips steps that need no more memory than an earlier one of their stage.

    Args:
        device: The device of the run.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._sampled = 0
        self._skips = False
        self.begin_stage()
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        else:
            _give_back()

    def begin_stage(self) -> None:
        """A new stage uses other tensors, so earlier steps no longer bound the memory."""
        self._most_tokens = 0
        self._steps = 0

    def begin_step(self, tokens: int) -> None:
        """Begin a step whose largest batch has ``tokens``; the next samples belong to it."""
        self._skips = tokens <= self._most_tokens
        # In the first step of a stage, Adam's state does not exist yet.
        if self._steps and not self._skips:
            self._most_tokens = tokens
        self._steps += 1

    def sample(self) -> None:
        """Read the memory now; call it where memory peaks."""
        if self._device.type != "cuda" and not self._skips:
            self._sampled = max(self._sampled, _held())

    @property
    def peak(self) -> int:
        """The highest value seen, in bytes."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        return self._sampled


# Constants of glibc's malloc.h, and the freed memory that a process may keep.
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
    """Make this process keep freed memory for its next step; for processes that only train.

    glibc returns large blocks to the system as soon as they are freed, such as all gradients
    after each step. The next step then waits for tens of thousands of page faults. With another
    C library this function does nothing.
    """
    mallopt = getattr(_libc, "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def _give_back() -> None:
    """Return freed memory to the system if there is much of it: it is too fragmented to reuse."""
    read, trim = _mallinfo2(), getattr(_libc, "malloc_trim", None)
    if read is not None and trim is not None and read().fordblks > _KEPT_BYTES:
        trim(0)


def _held() -> int:
    """Bytes in use by this process."""
    read = _mallinfo2()
    if read is None:
        return int(psutil.Process().memory_info().rss)
    heap = read()
    return _outside_heap() + int(heap.uordblks + heap.hblkhd)


@cache
def _outside_heap() -> int:
    """Bytes outside the heap, such as code; hardly changes once a process trains."""
    read = _mallinfo2()
    assert read is not None
    heap = read()
    return max(0, int(psutil.Process().memory_info().rss) - int(heap.arena + heap.hblkhd))
