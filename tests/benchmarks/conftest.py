import sys
import zlib

import pytest

from tests.conftest import REPOSITORY
from tests.support import fakes

# The scripts in there import one another as they do when they are run.
sys.path.insert(0, str(REPOSITORY / "benchmarks"))


@pytest.fixture(scope="session")
def every_point():
    """What a table holds: the problem, the task, and every training."""
    from tabular.points import points, space_of, task_of

    problem, task = fakes.problem(space_of()), task_of("bbc-headlines")
    return problem, task, points(problem, task)


@pytest.fixture(scope="session")
def table(every_point):
    """Every training of the tabular benchmark, with made-up metrics."""
    return made_table(every_point, seeds=(0, 1))


def made_table(every_point, seeds, curve=None):
    """A table whose curves are made up from a training and a seed."""
    from tabular.make import row_of
    from tabular.points import space_of
    from tabular.table import Table

    problem, task, every = every_point
    rows = [
        row_of(point, run_of(point, seed, (curve or made_up)(point, seed)))
        for point in every
        for seed in seeds
    ]
    return Table(rows, problem, task, space_of())


def made_up(point, seed):
    """More updated parameters give a better metric, but for some noise."""
    chance = zlib.crc32(f"{point.candidate.key} {seed}".encode()) / 2**32
    last = 0.7 + 0.2 * point.candidate.costs.updated_parameters + 0.02 * chance
    return [last - 0.02, last - 0.01, last]


def run_of(point, seed, curve, **changes):
    """A finished run, as `make.py` keeps it."""
    run = {
        "key": point.candidate.key,
        "seed": seed,
        "curve": curve,
        "constant": [False] * len(curve),
        "seconds": [1.0] * len(curve),
        "metrics": {"accuracy": curve[-1]} if curve else {},
        "reason": None,
    }
    return run | changes
