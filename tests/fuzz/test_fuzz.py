"""No damaged input ends in a traceback, a hang, an undocumented exit code or a wrong number.

The script `benchmarks/fuzz.py` runs as many inputs as one likes; what it found is a test in
`test_found.py`.
"""

import logging

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.fuzz.kinds import KINDS
from tests.fuzz.work import no_work
from tests.fuzz.world import World

# Inputs of each kind; a command is slower to run than a file is read.
_FEW = {"stored segment": 60, "outbox": 60, "storage URL": 60, "cached measurement": 60}
_MANY = {name: 20 * few for name, few in _FEW.items()}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    logging.disable(logging.CRITICAL)
    with pytest.MonkeyPatch.context() as patch, no_work():
        folder = tmp_path_factory.mktemp("fuzz")
        patch.chdir(folder)
        yield World(folder)
    logging.disable(logging.NOTSET)


def _run(world, name, number):
    kind = KINDS[name]

    # Shrinking would take minutes, and the script keeps the shortest input.
    @settings(
        max_examples=number,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(kind.inputs(world))
    def check(content):
        fault = kind.fault(world, content)
        assert fault is None, f"{fault.where}\n{content!r}\n{fault.detail}"

    check()


@pytest.mark.parametrize("name", KINDS)
def test_a_few_inputs(world, name):
    _run(world, name, _FEW.get(name, 6))


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_many_inputs(world, name):
    _run(world, name, _MANY.get(name, 60))
