"""What a machine has, found out on it.

Only the standard library is imported: Ray sends this module to nodes as source, so that nodes
without progsearch, or with another version, answer as well.
"""

from __future__ import annotations

import os
import platform
import re
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PACKAGES = ("progsearch", "torch", "transformers", "ray", "peft", "optuna")
_SHARED = "/dev/shm"
_SECONDS_FOR_GPUS = 20


@dataclass(frozen=True)
class Facts:
    """What one machine has; sizes are in bytes.

    Attributes:
        host: Its name.
        python: The version of Python.
        packages: The version of each package; None if it is not installed.
        clock: Seconds since the epoch.
        memory: The free memory; None if the system does not report it.
        shared: The size of the shared memory; None if there is none.
        open_files: How many files a process may open.
        cache: The folder of stored steps.
        cache_fault: Why it cannot be written; None if it can.
        disk: What is free where it is; None if that is unknown.
        unread: The paths that cannot be read, each with the reason.
        gpus: The name, the whole and the free memory of each GPU.
        gpu_build: Whether torch was built for GPUs; None if that is unknown.
    """

    host: str
    python: str
    packages: dict[str, str | None]
    clock: float
    memory: int | None
    shared: int | None
    open_files: int
    cache: str
    cache_fault: str | None
    disk: int | None
    unread: dict[str, str]
    gpus: list[tuple[str, int, int]]
    gpu_build: bool | None


def gather(paths: Sequence[str]) -> dict[str, Any]:
    """The arguments of `Facts` for this machine.

    The class itself would be another one on a node that got this module as source.

    Args:
        paths: Files and folders that runs read.
    """
    cache = _cache()
    return {
        "host": platform.node(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "memory": _memory(),
        "shared": _size_of(_SHARED, "total"),
        "open_files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "cache": cache,
        "cache_fault": _unwritable(cache),
        "disk": _size_of(_existing(cache), "free"),
        "unread": unread(paths),
        "gpus": _gpus(),
        "gpu_build": _gpu_build(),
        # Last, next to the answer.
        "clock": time.time(),
    }


def unread(paths: Sequence[str]) -> dict[str, str]:
    """Those of some files and folders that cannot be read here, each with the reason."""
    found = {}
    for path in paths:
        try:
            if os.path.isdir(path):
                os.listdir(path)
            else:
                os.close(os.open(path, os.O_RDONLY))
        except OSError as error:
            found[path] = error.strerror or type(error).__name__
    return found


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _memory() -> int | None:
    with suppress(OSError):
        found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
        return int(found[1]) * 1024 if found else None
    return None


def _size_of(folder: str, which: str) -> int | None:
    try:
        return int(getattr(shutil.disk_usage(folder), which))
    except OSError:
        return None


def _cache() -> str:
    # As `progsearch.cache.cache_root`.
    named = os.environ.get("PROGSEARCH_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return named or os.path.join(base, "progsearch")


def _existing(folder: str) -> str:
    place = os.path.abspath(folder)
    while not os.path.exists(place):
        place = os.path.dirname(place)
    return place


def _unwritable(folder: str) -> str | None:
    try:
        with tempfile.TemporaryFile(dir=_existing(folder)):
            return None
    except OSError as error:
        return error.strerror or type(error).__name__


def _gpus() -> list[tuple[str, int, int]]:
    question = ["--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits"]
    try:
        asked = subprocess.run(
            ["nvidia-smi", *question],
            capture_output=True,
            text=True,
            timeout=_SECONDS_FOR_GPUS,
            check=True,
        )
        rows = [line.rsplit(",", 2) for line in asked.stdout.splitlines()]
        return [(name, int(total) * 2**20, int(free) * 2**20) for name, total, free in rows]
    except (OSError, subprocess.SubprocessError, ValueError):
        return []


def _gpu_build() -> bool | None:
    # Importing torch would take seconds.
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    with suppress(OSError):
        text = Path(spec.origin).with_name("version.py").read_text()
        found = re.search(r"^(?:cuda|hip)\b[^=\n]*=\s*['\"]", text, re.MULTILINE)
        return found is not None
    return None
