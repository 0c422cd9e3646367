"""The work ends with a clear message when the machine fails."""

import errno
import os

import pytest

from progsearch.driver import work
from progsearch.driver.work import run_to_end
from progsearch.errors import MachineFailed
from progsearch.study.folder import create_study
from progsearch.study.view import SearchGoal, View
from progsearch.workers.cluster import Machines
from progsearch.workers.halt import Halt
from tests.support.fakes import recipe
from tests.workers.test_adapter import Script


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs a search in which Tune fails with an error."""

    def run(error):
        def fail(*arguments):
            raise error

        monkeypatch.setattr(work, "run_source", fail)
        run_to_end(
            Script(),
            SearchGoal(1, 1, 1),
            create_study(recipe(), tmp_path),
            Machines(1, 0.0),
            halt=Halt(None),
            saved="all is saved",
            view=View(),
        )

    return run


def test_a_full_disk_is_said_with_the_way_on(run):
    with pytest.raises(MachineFailed) as error:
        run(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert "No space left on device; finished work is saved" in str(error.value)
    assert "`progsearch resume fake --studies-dir " in str(error.value)
    assert error.value.exit_code == 3


def test_a_bug_stays_one(run):
    with pytest.raises(FileNotFoundError):
        run(FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "x"))
