"""What Ray Tune and a source learn from each other; without Ray."""

import errno
import os
import signal
from types import SimpleNamespace

import pytest
from ray.tune.error import TuneError
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from progsearch.config import RunConfig, TaskConfig
from progsearch.schedule import Schedule
from progsearch.strategy.source import (
    WAIT,
    Assignment,
    Decision,
    Ended,
    Failed,
    Lost,
    Stopped,
    TrialSource,
)
from progsearch.workers import adapter
from progsearch.workers.halt import GpuClock, Halt
from progsearch.workers.watch import RayLost, Watch
from progsearch.workers.worker import WorkerSettings
from tests.support.fakes import finished, progress

SETTINGS = WorkerSettings("log", reuse=True, reuse_budget=None, prefix_cache=True)


def assignment(number):
    stages = Schedule.full(6).to_dicts()
    task = TaskConfig(name="some-task")
    return Assignment(
        number, RunConfig(progsearch_version="0", model="m", task=task, stages=stages)
    )


class Script(TrialSource):
    """Gives out its assignments and records what it is told."""

    def __init__(self, *items, decision=Decision.CONTINUE):
        self.items = list(items)
        self.decision = decision
        self.told = []

    def next(self):
        return self.items.pop(0)

    def report(self, assignment, progress):
        self.told.append((assignment.number, progress.record.epoch))
        return self.decision

    def ended(self, assignment, how):
        self.told.append((assignment.number, how))


class Tune:
    """The three interfaces of an adapter, called in the same order as by Tune."""

    def __init__(self, source, parallel=2, halt=None):
        self.halt = halt or Halt(None)
        self.ray = Watch()
        self.adapter = adapter._Adapter(source, SETTINGS, parallel, self.halt, self.ray)
        self.searcher = adapter._Searcher(self.adapter)
        self.scheduler = adapter._Scheduler(self.adapter)
        self.watch = adapter._WorkerWatch(self.adapter, self.halt)

    def suggest(self, trial_id):
        return self.searcher.suggest(trial_id)

    def sends(self, trial_id, message, done=False):
        result = {"message": message, "done": done}
        stops = done
        if not done:
            trial = SimpleNamespace(trial_id=trial_id)
            stops = self.scheduler.on_trial_result(None, trial, result) == TrialScheduler.STOP
        if stops:
            self.searcher.on_trial_complete(trial_id, result)

    def loses(self, trial_id, monkeypatch, reason=None, memory=None):
        monkeypatch.setattr(adapter, "death_of", lambda trial: reason)
        monkeypatch.setattr(adapter, "memory_at_kill", lambda trial: memory)
        self.searcher.on_trial_complete(trial_id, error=True)
        self.watch.on_trial_error(0, [], SimpleNamespace(trial_id=trial_id))


def test_a_worker_is_told_the_assignment_and_the_settings_of_the_study():
    first = assignment(0)
    assert Tune(Script(first)).suggest("a") == {"assignment": first, "settings": SETTINGS}


def test_no_more_runs_are_handed_out_than_are_made_at_once():
    source = Script(*map(assignment, range(3)))
    tune = Tune(source, parallel=2)
    assert tune.suggest("a") and tune.suggest("b")
    assert tune.suggest("c") is None
    assert len(source.items) == 1, "the source is not asked"
    tune.sends("a", finished(), done=True)
    assert tune.suggest("c")["assignment"].number == 2


def test_a_source_may_have_nothing_now_and_nothing_any_more():
    tune = Tune(Script(WAIT, assignment(0), Ended("plateau")))
    assert tune.suggest("a") is None
    assert tune.suggest("a")["assignment"].number == 0
    assert tune.adapter.ending is None
    assert tune.suggest("b") == Searcher.FINISHED
    assert tune.adapter.ending == "plateau"


def test_a_halted_search_hands_nothing_out():
    source = Script(assignment(0))
    assert Tune(source, halt=Halt(0.0)).suggest("a") == Searcher.FINISHED
    assert len(source.items) == 1


def test_records_are_reported_once_and_a_result_ends_a_run():
    source, end = Script(assignment(0)), finished()
    tune = Tune(source)
    tune.suggest("a")
    tune.sends("a", progress(1))
    tune.sends("a", progress(2))
    tune.sends("a", end, done=True)
    assert source.told == [(0, 1), (0, 2), (0, end)]


def test_a_failure_ends_a_run():
    source = Script(assignment(0))
    tune = Tune(source)
    tune.suggest("a")
    tune.sends("a", Failed("the loss is not finite"), done=True)
    assert source.told == [(0, Failed("the loss is not finite"))]


def test_a_run_that_its_source_stops_has_ended():
    source = Script(assignment(0), assignment(1), decision=Decision.STOP)
    tune = Tune(source, parallel=1)
    tune.suggest("a")
    tune.sends("a", progress(1))
    assert source.told == [(0, 1), (0, Stopped())]
    assert tune.suggest("b") is not None


@pytest.mark.parametrize("last", [None, {"message": progress(1)}, {}])
def test_of_what_tune_breaks_off_the_source_hears_nothing(last):
    source = Script(assignment(0), assignment(1))
    tune = Tune(source, parallel=1)
    tune.suggest("a")
    tune.searcher.on_trial_complete("a", last)
    assert source.told == []
    assert tune.suggest("b") is not None


def test_a_dead_worker_is_told_with_what_is_known(monkeypatch):
    source = Script(assignment(0), assignment(1))
    tune = Tune(source)
    tune.suggest("a")
    tune.suggest("b")
    tune.loses("a", monkeypatch)
    tune.loses("b", monkeypatch, "no memory")
    assert source.told == [
        (0, Lost("the worker process died")),
        (1, Lost("the worker process died: no memory")),
    ]


def test_a_worker_that_was_killed_for_memory_says_so(monkeypatch):
    source = Script(assignment(0))
    tune = Tune(source)
    tune.suggest("a")
    tune.loses("a", monkeypatch, "the last line of Ray's text", memory="7.5GB of 8GB")
    ((number, how),) = source.told
    assert (number, how.memory) == (0, True)
    assert how.reason.startswith("out of memory: Ray killed its worker at 7.5GB of 8GB; ")


def test_runs_that_are_lost_with_ray_are_told_at_once(monkeypatch):
    source = Script(assignment(0), assignment(1), assignment(2))
    tune = Tune(source)
    tune.suggest("a")
    tune.suggest("b")
    tune.ray.trouble = RayLost("the raylet does not answer any more")
    tune.loses("a", monkeypatch, "Owner's node has crashed.")
    assert tune.suggest("c") == Searcher.FINISHED
    assert source.told == []
    tune.adapter.all_lost(tune.ray.trouble)
    lost = Lost("the worker process died: the raylet does not answer any more")
    assert source.told == [(0, lost), (1, lost)]


def test_a_worker_that_dies_at_a_halt_is_no_failure(monkeypatch):
    source = Script(assignment(0))
    tune = Tune(source)
    tune.suggest("a")
    tune.halt.signal = signal.SIGINT
    tune.loses("a", monkeypatch)
    assert source.told == []


def test_the_gpu_clock_runs_while_a_worker_has_a_run(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    halt = Halt(None)
    halt.gpus = GpuClock(hours=1.0, per_trial=1.0)
    tune = Tune(Script(*map(assignment, range(3))), parallel=1, halt=halt)
    tune.suggest("a")
    now[0] += 1800
    tune.sends("a", finished(), done=True)
    now[0] += 1800  # nobody has a GPU
    tune.suggest("b")
    now[0] += 1799
    assert halt.ending is None
    tune.loses("b", monkeypatch)
    now[0] += 1800
    assert halt.ending is None
    tune.suggest("c")
    now[0] += 1
    assert halt.ending == "GPU hours"


class Full(Script):
    """A source whose study's disk is full."""

    def next(self):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_an_error_of_the_source_ends_tune_as_what_it_is():
    made = Tune(Full()).adapter
    with pytest.raises(OSError, match="No space left on device"), made.errors_of_source():
        try:
            made.suggest("a")
        except OSError as error:
            # As raised by Tune.
            raise TuneError(f"Traceback\n{error}") from error


def test_an_error_of_tune_itself_stays_one():
    with pytest.raises(TuneError), Tune(Script()).adapter.errors_of_source():
        raise TuneError("of its own")


# -- the halt --------------------------------------------------------------------------------


def trial_with(actor):
    state = SimpleNamespace(ray_actor=actor)
    return SimpleNamespace(trial_id="a", temporary_state=state, is_finished=lambda: False)


def test_tune_ends_only_when_the_workers_are_gone(monkeypatch):
    killed = []
    monkeypatch.setattr("ray.kill", killed.append)
    tune = Tune(Script(), halt=Halt(0.0))
    tune.watch.on_step_begin(0, [trial_with("a worker")])
    assert (killed, tune.halt.stop_all()) == (["a worker"], False)
    tune.watch.on_step_begin(1, [trial_with(None)])
    assert (killed, tune.halt.stop_all()) == (["a worker"], True)


def test_workers_are_left_alone_while_the_search_goes_on(monkeypatch):
    monkeypatch.setattr("ray.kill", lambda actor: pytest.fail("killed"))
    tune = Tune(Script())
    tune.watch.on_step_begin(0, [trial_with("a worker")])
    assert not tune.halt.stop_all()
