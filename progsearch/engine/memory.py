"""The most memory that a run held, and how a process keeps memory that it will need again."""

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
    use. If the C library does not tell that, it is the resident size.

    On a CPU memory is read when `sample` is called, which takes a millisecond with a large heap.
    So `begin_step` skips the steps that need no more than an earlier one of their stage.

    Args:
        device: Where the run is.
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
        """Other tensors take part from now on, so no earlier step says what is needed."""
        self._most_tokens = 0
        self._steps = 0

    def begin_step(self, tokens: int) -> None:
        """The samples up to the next step are of a step whose largest batch has ``tokens``."""
        self._skips = tokens <= self._most_tokens
        # Adam's state is not there in a stage's first step.
        if self._steps and not self._skips:
            self._most_tokens = tokens
        self._steps += 1

    def sample(self) -> None:
        """Read the memory now; call it when memory is highest."""
        if self._device.type != "cuda" and not self._skips:
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

    glibc returns large blocks to the system whenever they are freed, such as all gradients
    after each step, and the next step then waits for tens of thousands of page faults. On
    systems with another C library this does nothing.
    """
    mallopt = getattr(_libc, "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def _give_back() -> None:
    """Return freed memory to the system if it has become much: pieces that fit nothing."""
    read, trim = _mallinfo2(), getattr(_libc, "malloc_trim", None)
    if read is not None and trim is not None and read().fordblks > _KEPT_BYTES:
        trim(0)


def _held() -> int:
    """Bytes that this process uses."""
    read = _mallinfo2()
    if read is None:
        return int(psutil.Process().memory_info().rss)
    heap = read()
    return _outside_heap() + int(heap.uordblks + heap.hblkhd)


@cache
def _outside_heap() -> int:
    """Bytes of code and the like; it hardly changes once a process trains."""
    read = _mallinfo2()
    assert read is not None
    heap = read()
    return max(0, int(psutil.Process().memory_info().rss) - int(heap.arena + heap.hblkhd))
