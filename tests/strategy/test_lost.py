"""Runs that end for reasons of their machine are made again."""

import pytest
from optuna.trial import TrialState

from progsearch.strategy.confirmation import ConfirmationSource, JobQueue
from progsearch.strategy.source import WAIT, Ended, Failed, Lost
from progsearch.study.confirmed_runs import ConfirmedRuns
from progsearch.study.folder import open_study
from progsearch.study.progress import left, spent
from progsearch.study.trial import LOST, RUN_AGAIN
from tests.support.confirming import finished_study, jobs_of
from tests.support.fakes import (
    Watcher,
    finish,
    finished,
    progress,
    run_all,
    searched,
    source_of,
    space_of,
    start,
    train_references,
)


def reopen(tmp_path, folder):
    again = open_study(folder.name, tmp_path)
    return again, source_of(again, space_of(again.recipe))


def lose(source, assignment):
    source.ended(assignment, Lost(f"{LOST}: killed"))


# -- a search --------------------------------------------------------------------------------


def test_a_lost_trial_is_run_again(tmp_path):
    folder, source = start(tmp_path)
    first = source.next()
    source.report(first, progress(1))
    lose(source, first)
    trial = folder.trial(0)
    assert (trial.state, trial.reason) == (TrialState.FAIL, "the worker process died: killed")
    assert trial.is_lost and trial.is_interrupted and not trial.is_failed
    assert trial.outcome == RUN_AGAIN
    again = folder.trial(source.next().number)
    assert (again.retry_of, again.tries, again.run) == (0, 2, trial.run)
    assert again.records == ()


def test_a_lost_trial_costs_no_budget(tmp_path):
    folder, source = start(tmp_path, budget=3)
    lose(source, train_references(folder, source))
    run_all(source)
    states = [trial.state for trial in searched(folder)]
    assert states == [TrialState.FAIL, *[TrialState.COMPLETE] * 3]
    assert spent(folder.trials()) == 3


def test_a_trial_that_is_lost_each_time_has_failed(tmp_path):
    folder, source = start(tmp_path, budget=1)
    found = train_references(folder, source)
    for _ in range(4):
        lose(source, found)
        found = source.next()
    assert isinstance(found, Ended)
    tried = searched(folder)
    assert [trial.tries for trial in tried] == [1, 2, 3, 4]
    assert [trial.is_failed for trial in tried] == [False, False, False, True]
    assert tried[-1].reason == f"{LOST}: killed (4 times; this is the last reason)"


@pytest.mark.parametrize("old", [False, True])
def test_the_next_session_trains_references_that_were_lost(tmp_path, monkeypatch, old):
    folder, source = start(tmp_path, budget=1, parallel=1)
    if old:
        # What versions before kept of a lost worker.
        lost = source.next()
        folder.keep(lost.number, {"reason": f"{LOST}: Owner's node has crashed."})
        folder.study.tell(lost.number, state=TrialState.FAIL)
        source.close()
    else:
        for _ in range(4):
            lose(source, source.next())
        assert folder.trial(3).is_failed
        run_all(source)
        assert left(folder).n_baselines == 1, "it is still missing"
    lost = folder.trial(0 if old else 3)

    folder, source = reopen(tmp_path, folder)
    assert not left(folder).is_nothing
    run_all(source)
    (again,) = (trial for trial in folder.trials() if trial.retry_of == lost.number)
    assert (again.run, again.name) == (lost.run, lost.name)
    assert again.is_complete
    assert left(folder).is_nothing


def test_what_had_too_little_memory_is_run_once_more_alone(tmp_path):
    folder, source = start(tmp_path, budget=1)
    first, second, third = source.next(), source.next(), source.next()
    source.ended(first, Failed("out of memory at step 3", memory=True))
    assert folder.trial(0).outcome == RUN_AGAIN
    assert source.next() is WAIT, "others still run"
    finish(source, second)
    assert source.next() is WAIT
    finish(source, third)
    again = source.next()
    assert folder.trial(again.number).retry_of == 0
    assert folder.trial(again.number).is_alone
    assert source.next() is WAIT, "nothing may run beside it"
    source.ended(again, Failed("out of memory at step 3", memory=True))
    assert folder.trial(again.number).is_failed
    assert folder.trial(source.next().number).retry_of is None


def test_what_ran_alone_with_too_little_memory_has_failed(tmp_path):
    folder, source = start(tmp_path)
    source.ended(source.next(), Failed("out of memory at step 3", memory=True))
    assert folder.trial(0).is_failed


# -- a confirmation --------------------------------------------------------------------------


@pytest.fixture
def confirming(tmp_path):
    folder = finished_study(tmp_path)
    jobs = jobs_of(folder, seeds=(1,)).values()
    kept = ConfirmedRuns(margin=0.01)
    view = Watcher()
    return ConfirmationSource(JobQueue(jobs, folder.recipe), folder.path, kept, view), jobs, view


def test_a_lost_run_of_a_confirmation_is_made_again(confirming):
    source, jobs, view = confirming
    lost = source.next()
    lose(source, lost)
    assert "is run again: the worker process died: killed" in view.told[-1][1]
    runs = []
    while not isinstance(found := source.next(), Ended):
        source.ended(found, finished())
        runs.append(found.run)
    assert lost.run in runs
    assert len(runs) == len(jobs) == len(source.kept.runs)
    assert all(run.reason is None for run in source.kept.runs)


def test_a_run_of_a_confirmation_that_is_lost_each_time_has_failed(confirming):
    source, jobs, _ = confirming
    worst = source.next()
    lose(source, worst)
    handed_out = 1
    while not isinstance(found := source.next(), Ended):
        if found.run == worst.run:
            handed_out += 1
            lose(source, found)
        else:
            source.ended(found, finished())
    assert handed_out == 4
    (failed,) = (run for run in source.kept.runs if run.reason is not None)
    assert (failed.trial, failed.reason) == (worst.number, f"{LOST}: killed")
    assert len(source.kept.runs) == len(jobs)


def test_a_run_of_a_confirmation_with_too_little_memory_is_made_alone_at_the_end(confirming):
    source, jobs, _ = confirming
    first, second = source.next(), source.next()
    source.ended(first, Failed("out of memory", memory=True))
    source.ended(second, finished())
    for _ in range(len(jobs) - 2):
        source.ended(source.next(), finished())
    again = source.next()
    assert again.run == first.run
    assert source.next() is WAIT
    source.ended(again, Failed("out of memory", memory=True))
    assert source.next() == Ended("budget")
    assert [run.reason for run in source.kept.runs].count("out of memory") == 1
