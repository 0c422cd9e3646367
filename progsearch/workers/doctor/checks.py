"""Judges what a machine has; pure functions of facts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from progsearch.numerals import duration, size
from progsearch.workers.doctor.facts import Facts

State = Literal["ok", "warning", "error"]

_GIB = 2**30
_LEAST_DISK, _LEAST_MEMORY, _LEAST_SHARED = 5 * _GIB, 2 * _GIB, _GIB // 2
_LEAST_GPU = 4 * _GIB
# What Ray recommends for its daemons.
_LEAST_FILES = 4096
_MOST_CLOCK = 5.0


@dataclass(frozen=True)
class Check:
    """One thing that was checked.

    Attributes:
        what: Its name.
        state: Whether it is fine, may cause trouble, or stops a search.
        text: What was found and, unless it is fine, what to do.
    """

    what: str
    state: State
    text: str


def checks(
    facts: Facts, driver: Facts, drift: float, *, paths: int = 0, wants_gpu: bool = False
) -> Iterator[Check]:
    """What is to be said of one machine.

    Args:
        facts: The machine's.
        driver: Those of the machine that asks.
        drift: The seconds by which its clock surely differs from the driver's.
        paths: How many paths were checked.
        wants_gpu: Whether another machine of the cluster has GPUs.
    """
    yield _python(facts, driver)
    yield from _packages(facts, driver)
    if paths:
        yield _paths(facts, paths)
    yield _cache(facts)
    yield _least("disk", facts.disk, _LEAST_DISK, "free", "make room: progsearch cache --clear")
    yield _least("memory", facts.memory, _LEAST_MEMORY, "free", "end other work on it")
    yield _gpus(facts, wants_gpu)
    yield _least(
        "shared memory",
        facts.shared,
        _LEAST_SHARED,
        "in /dev/shm",
        "give more (docker run --shm-size=2g; an emptyDir of medium Memory in Kubernetes)",
    )
    yield _files(facts)
    yield _clock(drift)


def _python(facts: Facts, driver: Facts) -> Check:
    if facts.python.split(".")[:2] == driver.python.split(".")[:2]:
        return Check("Python", "ok", facts.python)
    return Check(
        "Python", "error", f"{facts.python}, here {driver.python}; use the same Python everywhere"
    )


def _packages(facts: Facts, driver: Facts) -> Iterator[Check]:
    for name, here in driver.packages.items():
        there = facts.packages.get(name)
        if there is None:
            text = f"is not installed; install {name} {here or ''}".rstrip()
            yield Check(name, "error", text)
        elif there != here:
            yield Check(name, "error", f"{there}, here {here}; install the same version")
        else:
            yield Check(name, "ok", there)


def _paths(facts: Facts, paths: int) -> Check:
    if not facts.unread:
        return Check("paths", "ok", f"{paths} can be read")
    text = "; ".join(f"{path} cannot be read: {why}" for path, why in facts.unread.items())
    return Check("paths", "error", f"{text}; put it there, or into a folder that all nodes share")


def _cache(facts: Facts) -> Check:
    if facts.cache_fault is None:
        return Check("cache", "ok", facts.cache)
    text = f"{facts.cache} cannot be written: {facts.cache_fault}; set PROGSEARCH_CACHE"
    return Check("cache", "error", text)


def _least(what: str, found: int | None, least: int, where: str, cure: str) -> Check:
    if found is None:
        return Check(what, "warning", "the system does not report it")
    if found >= least:
        return Check(what, "ok", f"{size(found)} {where}")
    return Check(what, "warning", f"only {size(found)} {where}; {cure}")


def _gpus(facts: Facts, wants_gpu: bool) -> Check:
    if not facts.gpus:
        if wants_gpu:
            text = "none, though other nodes have some; runs need one, so this node gets none"
            return Check("GPUs", "warning", text)
        return Check("GPUs", "ok", "none")
    names = ", ".join(f"{name} ({size(free)} free)" for name, _, free in facts.gpus)
    if facts.gpu_build is False:
        text = f"{names}, but torch was built without CUDA; install its CUDA build"
        return Check("GPUs", "error", text)
    if any(free < min(_LEAST_GPU, total // 2) for _, total, free in facts.gpus):
        return Check("GPUs", "warning", f"{names}; another process holds their memory; end it")
    return Check("GPUs", "ok", names)


def _files(facts: Facts) -> Check:
    # -1 means no limit.
    if facts.open_files < 0 or facts.open_files >= _LEAST_FILES:
        number = "no limit" if facts.open_files < 0 else str(facts.open_files)
        return Check("open files", "ok", number)
    text = f"at most {facts.open_files}; raise it before Ray starts: ulimit -n 65536"
    return Check("open files", "warning", text)


def _clock(drift: float) -> Check:
    if drift <= _MOST_CLOCK:
        return Check("clock", "ok", "as here")
    text = f"differs from here by {duration(drift)}; let NTP or chrony set it"
    return Check("clock", "warning", text)
