"""Processors and memory on a shared machine, with simulated control groups."""

import os
from collections import namedtuple

import psutil
import pytest
import torch

from progsearch.workers import processors
from progsearch.workers.processors import (
    allowed_memory,
    allowed_processors,
    free_processors,
    use_allowed_threads,
    workers_that_fit,
)

GIB = 2**30


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Makes a machine of 8 processors and 100 GiB: its control groups and their files."""

    def make(own, files, free=100 * GIB):
        (tmp_path / "own").write_text(own)
        (tmp_path / "meminfo").write_text(f"MemTotal: 1 kB\nMemAvailable: {free // 1024} kB\n")
        for name, text in files.items():
            file = tmp_path / "groups" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{text}\n")

    monkeypatch.setattr(processors, "_GROUPS", tmp_path / "groups")
    monkeypatch.setattr(processors, "_OWN_GROUP", tmp_path / "own")
    monkeypatch.setattr(processors, "_MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)))
    return make


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/", {}, 8),
        ("0::/a/b", {"a/cpu.max": "300000 100000", "a/b/cpu.max": "max 100000"}, 3),
        ("0::/a", {"a/cpu.max": "150000 100000"}, 1),
        ("0::/a", {"a/cpu.max": "20000 100000"}, 1),
        ("0::/a", {"a/cpu.max": "9900000 100000"}, 8),
        # The path is the host's; the container has only the outermost folder.
        ("0::/docker/1234", {"cpu.max": "200000 100000"}, 2),
        (
            "4:cpu,cpuacct:/a\n0::/",
            {"cpu/a/cpu.cfs_quota_us": "500000", "cpu/a/cpu.cfs_period_us": "100000"},
            5,
        ),
        (
            "4:cpu:/a",
            {"cpu/a/cpu.cfs_quota_us": "-1", "cpu/a/cpu.cfs_period_us": "100000"},
            8,
        ),
        ("4:cpuset:/a", {"cpu/a/cpu.cfs_quota_us": "100000"}, 8),
    ],
)
def test_processors_under_a_quota(machine, own, files, expected):
    machine(own, files)
    assert allowed_processors() == expected


def test_processors_under_an_affinity(machine, monkeypatch):
    machine("0::/", {})
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {5})
    assert allowed_processors() == 1


def test_a_system_without_control_groups(machine, monkeypatch, tmp_path):
    monkeypatch.setattr(processors, "_OWN_GROUP", tmp_path / "none")
    monkeypatch.setattr(processors, "_MEMORY", tmp_path / "none")
    assert allowed_processors() == 8
    assert allowed_memory() is None
    assert workers_that_fit(8, 10**12) == 8


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/", {}, 100),
        ("0::/a", {"a/memory.max": "max", "a/memory.current": str(GIB)}, 100),
        ("0::/a/b", {"a/memory.max": str(4 * GIB), "a/memory.current": str(3 * GIB)}, 1),
        (
            "0::/a",
            {
                "a/memory.max": str(4 * GIB),
                "a/memory.current": str(3 * GIB),
                "a/memory.stat": f"anon 1\ninactive_file {GIB}",
            },
            2,
        ),
        (
            "7:memory:/a",
            {
                "memory/a/memory.limit_in_bytes": str(4 * GIB),
                "memory/a/memory.usage_in_bytes": str(GIB),
            },
            3,
        ),
    ],
)
def test_memory_of_a_control_group(machine, own, files, expected):
    machine(own, files)
    assert allowed_memory() == expected * GIB


def test_no_more_workers_than_memory_holds(machine):
    machine("0::/", {}, free=10 * GIB)
    assert workers_that_fit(8) == 8
    assert workers_that_fit(40) == 20
    assert workers_that_fit(8, 22_000_000) == 8
    # BERT-base: 0.5 GiB for the process and 2 GiB for training.
    assert workers_that_fit(8, 110_000_000) == 3
    assert workers_that_fit(8, 7_000_000_000) == 1
    assert workers_that_fit(40, processes=2) == 10


def test_torch_gets_no_more_threads_than_processors(machine):
    machine("0::/a", {"a/cpu.max": "200000 100000"})
    torch.set_num_threads(4)
    use_allowed_threads()
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)
    use_allowed_threads()
    assert torch.get_num_threads() == 1


Times = namedtuple("Times", "user system idle iowait")


@pytest.mark.parametrize(
    ("busy", "allowed", "free"),
    [
        ([0.0, 0.0, 0.0, 0.0], {0, 1, 2, 3}, 4),
        ([1.0, 0.0, 0.0, 0.0], {0, 1, 2, 3}, 3),
        # A little work everywhere does not count, half a processor does.
        ([0.05, 0.05, 0.05, 0.05], {0, 1, 2, 3}, 4),
        ([0.5, 0.0, 0.0, 0.0], {0, 1, 2, 3}, 3),
        ([1.0, 1.0, 1.0, 1.0], {0, 1, 2, 3}, 1),
        # Others of the machine do not matter.
        ([1.0, 1.0, 0.0, 0.0], {2, 3}, 2),
    ],
)
def test_processors_that_are_busy_are_not_free(machine, monkeypatch, busy, allowed, free):
    machine("0::/", {})
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: allowed)
    now = [
        [Times(9.0, 1.0, 5.0, 0.5) for _ in busy],
        [
            Times(9.0 + share, 1.0, 5.0 + 0.9 * (1 - share), 0.5 + 0.1 * (1 - share))
            for share in busy
        ],
    ]
    monkeypatch.setattr(psutil, "cpu_times", lambda percpu: now.pop(0))
    monkeypatch.setattr(processors, "_MOMENT", 0)
    assert free_processors() == free
