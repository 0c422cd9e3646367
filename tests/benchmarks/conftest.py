import sys
import zlib

import pytest

from tests.conftest import REPOSITORY
from tests.support import fakes

# The scripts in there import one another as they do when they are run.
sys.path.insert(0, str(REPOSITORY / "benchmarks"))


@pytest.fixture(scope="session")
def table():
    """Every training of the tabular benchmark, with made-up accuracies."""
    from tabular.make import row_of
    from tabular.points import SPACE, points, task_of
    from tabular.table import Table

    from progsearch.space.space import Space

    space = Space.load(SPACE)
    problem = fakes.problem(space)
    task = task_of("bbc-headlines")
    return Table(
        [
            row_of(point, _run(point.candidate, seed))
            for point in points(problem, task)
            for seed in (0, 1)
        ],
        problem,
        task,
        space,
    )


def _run(made, seed):
    chance = zlib.crc32(f"{made.key} {seed}".encode()) / 2**32
    last = 0.7 + 0.2 * made.costs.updated_parameters + 0.02 * chance
    return {
        "seed": seed,
        "accuracy": [last - 0.02, last - 0.01, last],
        "seconds": [1.0, 1.0, 1.0],
        "metrics": {"accuracy": last},
    }
