import subprocess
import sys

import pytest
import torch

from progsearch.engine.memory import PeakMemory

# In a process of its own, since what a process keeps of its memory cannot be undone.
TWO_RUNS = """
import torch
from progsearch.engine.memory import PeakMemory, keep_freed_memory
keep_freed_memory()
PeakMemory(torch.device("cpu")).sample()
def run(mib):
    memory = PeakMemory(torch.device("cpu"))
    memory.sample()
    before = memory.peak
    block = [torch.ones(2**18) for _ in range(mib)]
    memory.sample()
    print(round((memory.peak - before) / 2**20))
run(300)
run(100)
"""


def test_a_run_is_not_charged_with_what_an_earlier_one_left():
    output = subprocess.run(
        [sys.executable, "-c", TWO_RUNS], capture_output=True, text=True, check=True
    ).stdout.split()
    assert [int(line) for line in output] == [
        pytest.approx(300, abs=10),
        pytest.approx(100, abs=10),
    ]


def test_what_is_held_counts_the_process_itself():
    memory = PeakMemory(torch.device("cpu"))
    memory.sample()
    assert 50 * 2**20 < memory.peak < 2**36
