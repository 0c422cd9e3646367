import pytest

from tests.cases.conftest import progsearch

# The same fixture; `tests/cases` keeps to itself, so that it can be run against other versions.
__all__ = ["progsearch"]


@pytest.fixture
def refused(progsearch):
    """Runs the command line, which ends in one sentence; returns it."""

    def check(*arguments: object) -> str:
        outcome = progsearch(*arguments)
        assert outcome.code == 2
        assert outcome.stdout == ""
        assert outcome.stderr.startswith("Error: ")
        assert outcome.stderr.count("\n") == 1
        return str(outcome.stderr)

    return check
