"""The processors and the memory that this process may use, and how many workers fit into them.

The machine may have more: `taskset` and batch systems allow only some processors, containers only
a share of their time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from os.path import exists
from pathlib import Path
from typing import Any

import psutil

_GROUPS = Path("/sys/fs/cgroup")
_OWN_GROUP = Path("/proc/self/cgroup")
_MEMORY = Path("/proc/meminfo")
# A Python process with torch, transformers and a task.
_PROCESS_BYTES = 500 * 2**20
# In fp32: weights, gradients, the two moments of Adam and a copy of the initial weights.
_BYTES_PER_PARAMETER = 20
# Seconds, and the processors' worth of small work that does not count.
_MOMENT = 0.5
_TOLERANCE = 0.3
# The readings that add up to the whole time; those of guests are part of others.
_CLOCKS = 8


def allowed_processors() -> int:
    """The number of processors for this process: the minimum of affinity and time quota."""
    processors = len(os.sched_getaffinity(0))
    return max(1, min(processors, int(min(_quotas(), default=processors))))


def allowed_memory() -> int | None:
    """Free memory for this process in bytes: the minimum of machine and control groups.

    None if the system does not report it.
    """
    return min([*_free_on_machine(), *_free_in_groups()], default=None)


def free_processors() -> int:
    """The number of allowed processors that nothing else uses now, at least one.

    Measured over a moment in which this process sleeps: a load average still counts what has just
    ended. Threads that wait for a busy processor make a training many times slower, so a
    processor that is busy for a part of the time does not count.
    """
    before = psutil.cpu_times(percpu=True)
    time.sleep(_MOMENT)
    after = psutil.cpu_times(percpu=True)
    allowed = os.sched_getaffinity(0)
    idle = sum(
        _idle_share(then, now)
        for processor, (then, now) in enumerate(zip(before, after, strict=False))
        if processor in allowed
    )
    return max(1, min(allowed_processors(), int(idle + _TOLERANCE)))


def _idle_share(before: Any, after: Any) -> float:
    """The share of the time between two readings in which a processor did nothing."""
    passed = sum(after[:_CLOCKS]) - sum(before[:_CLOCKS])
    idle = after.idle - before.idle + getattr(after, "iowait", 0) - getattr(before, "iowait", 0)
    return min(1.0, idle / passed) if passed > 0 else 1.0


def free_threads() -> int:
    """The threads of torch that have a processor for themselves now."""
    import torch

    return min(torch.get_num_threads(), free_processors())


def use_allowed_threads() -> None:
    """Limit the threads of torch to the number of processors for this process."""
    import torch

    torch.set_num_threads(min(torch.get_num_threads(), allowed_processors()))


def workers_that_fit(wanted: int, parameters: int = 0, processes: int = 1) -> int:
    """The number of workers that fit into memory, at least one and at most ``wanted``.

    Args:
        wanted: The number of workers that the processors allow.
        parameters: The number of parameters of all models of a worker; 0 if not known yet.
        processes: The processes of a worker, each with its models.
    """
    free = allowed_memory()
    if free is None:
        return wanted
    return max(1, min(wanted, free // (processes * memory_of_worker(parameters))))


def memory_of_worker(parameters: int) -> int:
    """The memory that a worker takes at most, in bytes, for models of so many parameters."""
    return _PROCESS_BYTES + _BYTES_PER_PARAMETER * parameters


def has_gpus() -> bool:
    """Whether this machine has a GPU that Ray would count; does not import torch."""
    return any(exists(device) for device in ("/dev/nvidiactl", "/dev/kfd"))


def gpus_here() -> int:
    """The number of GPUs for this process."""
    if not has_gpus():
        return 0
    import torch

    return torch.cuda.device_count()


def _quotas() -> Iterator[float]:
    """The processor time limits of the control groups of this process."""
    for folder in _groups(""):
        quota, _, period = _read(folder / "cpu.max").partition(" ")
        if quota.isdigit() and period.isdigit():
            yield int(quota) / int(period)
    for folder in _groups("cpu"):
        quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit():
            yield int(quota) / int(period)


def _free_on_machine() -> Iterator[int]:
    for line in _read(_MEMORY).splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            yield int(value.split()[0]) * 1024


def _free_in_groups() -> Iterator[int]:
    names = {
        "": ("memory.max", "memory.current", "inactive_file"),
        "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    }
    for controller, (limit_name, used_name, cached_name) in names.items():
        for folder in _groups(controller):
            limit, used = _read(folder / limit_name), _read(folder / used_name)
            if limit.isdigit() and used.isdigit():
                # The system frees cached files when memory is short.
                lines = (line.split() for line in _read(folder / "memory.stat").splitlines())
                cached = next((int(line[1]) for line in lines if line[0] == cached_name), 0)
                yield max(0, int(limit) - int(used) + cached)


def _groups(controller: str) -> Iterator[Path]:
    """The folders of the control groups of this process, from its own to the outermost.

    Args:
        controller: The controller of version 1; empty for version 2.
    """
    for line in _read(_OWN_GROUP).splitlines():
        _, names, path = line.split(":", 2)
        if controller in names.split(","):
            root = _GROUPS / controller
            own = root / path.lstrip("/")
            # In a container the path is the host's, and only the outermost folder exists.
            yield from (folder for folder in (own, *own.parents) if folder.is_relative_to(root))


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
