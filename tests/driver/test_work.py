"""The work ends with a clear message when the machine fails."""

import errno
import os
from itertools import count

import pytest

from progsearch.driver import work
from progsearch.driver.work import run_to_end
from progsearch.errors import MachineFailed
from progsearch.study.folder import create_study
from progsearch.study.view import SearchGoal
from progsearch.workers.cluster import Machines
from progsearch.workers.halt import Halt
from progsearch.workers.watch import RayLost, Stuck
from tests.support.fakes import Watcher, recipe
from tests.workers.test_adapter import Script


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs a search in which Tune fails with errors; returns what the view was told."""

    numbers = count()

    def run(*errors, start_again=None):
        left = list(errors)

        def fail(*arguments):
            if left:
                raise left.pop(0)
            return "budget"

        monkeypatch.setattr(work, "run_source", fail)
        view = Watcher()
        run_to_end(
            Script(),
            SearchGoal(1, 1, 1),
            create_study(recipe(study=f"fake{next(numbers) or ''}"), tmp_path),
            Machines(1, 0.0, start_again),
            halt=Halt(None),
            saved="all is saved",
            view=view,
        )
        return view.told

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


def lost():
    return RayLost("the raylet does not answer any more")


def test_ray_is_started_again_three_times(run):
    started = []
    told = run(lost(), lost(), lost(), start_again=lambda: started.append(1))
    assert len(started) == 3
    assert told.count(("note", told[1][1])) == 3
    assert told[1][1].startswith("the raylet does not answer any more; starting Ray again")
    assert told[-1] == ("finished", "budget")
    with pytest.raises(MachineFailed) as error:
        run(*[lost() for _ in range(4)], start_again=lambda: started.append(1))
    assert str(error.value) == (
        "the raylet does not answer any more, for the 4th time; all is saved"
    )
    assert len(started) == 6


def test_a_cluster_that_stays_away_ends_the_work(run):
    def fail():
        raise MachineFailed("nothing listens there")

    with pytest.raises(MachineFailed) as error:
        run(lost(), start_again=fail)
    assert str(error.value) == (
        "the raylet does not answer any more, and nothing listens there; all is saved"
    )
    with pytest.raises(MachineFailed, match="^the raylet does not answer any more; all is saved"):
        run(lost())


def test_what_does_not_move_ends_the_work(run):
    with pytest.raises(MachineFailed, match="^no run has reported; all is saved") as error:
        run(Stuck("no run has reported"))
    assert error.value.exit_code == 3
