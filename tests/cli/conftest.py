import sys
import warnings
from dataclasses import dataclass

import pytest

from progsearch import cli


@dataclass(frozen=True)
class Outcome:
    code: int
    stdout: str
    stderr: str


@pytest.fixture
def progsearch(capsys, monkeypatch):
    """Runs the command line in this process."""
    # The command line sets it for its process; the other tests keep theirs.
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["progsearch", *map(str, arguments)])
        with pytest.raises(SystemExit) as leaving:
            cli.main()
        captured = capsys.readouterr()
        code = leaving.value.code or 0
        assert isinstance(code, int)
        return Outcome(code, captured.out, captured.err)

    return run


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
