import os
import signal
import threading
import time

import pytest

from progsearch.workers.halt import GpuClock, Halt, WorkerWatch


def test_a_search_ends_when_its_time_is_up():
    halt = Halt(0.05)
    assert halt.ending is None
    time.sleep(0.06)
    assert halt.ending == "time limit"
    assert Halt(None).ending is None


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_ends_the_search_and_the_second_the_process(kind):
    before = signal.getsignal(kind)
    halt = Halt(None)
    with halt.on_signals():
        os.kill(os.getpid(), kind)
        assert halt.ending == "interrupted"
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), kind)
    assert signal.getsignal(kind) is before


def test_another_thread_may_search_without_signals():
    found = []

    def search():
        with Halt(None).on_signals():
            found.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=search)
    thread.start()
    thread.join()
    assert found == [before]


class FakeTrial:
    trial_id = "a"
    pickled_error_file = None

    class temporary_state:  # noqa: N801
        ray_actor = None

    def is_finished(self):
        return False


def test_tune_ends_only_when_the_workers_are_gone(monkeypatch):
    killed = []
    monkeypatch.setattr("ray.kill", killed.append)
    halt, trial = Halt(0.0), FakeTrial()
    watch = WorkerWatch(halt, lambda trial_id, reason: None)
    trial.temporary_state.ray_actor = "a worker"
    watch.on_step_begin(0, [trial])
    assert (killed, halt.stop_all()) == (["a worker"], False)
    trial.temporary_state.ray_actor = None
    watch.on_step_begin(1, [trial])
    assert (killed, halt.stop_all()) == (["a worker"], True)


def test_workers_are_left_alone_while_the_search_goes_on(monkeypatch):
    monkeypatch.setattr("ray.kill", lambda actor: pytest.fail("killed"))
    halt, trial = Halt(None), FakeTrial()
    trial.temporary_state.ray_actor = "a worker"
    WorkerWatch(halt, lambda trial_id, reason: None).on_step_begin(0, [trial])
    assert not halt.stop_all()
    assert not halt("a", {})


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (None, "the worker process died"),
        (
            "The actor is dead.\nWorker exit type: X Worker exit detail: Killed for memory. "
            "Some common causes include: (1) ...",
            "the worker process died: Killed for memory.",
        ),
        ("ray::step()\n  File x\nRuntimeError: CUDA error", "RuntimeError: CUDA error"),
    ],
)
def test_a_dead_worker_is_reported_with_what_is_known(tmp_path, error, reason):
    told = []
    trial = FakeTrial()
    if error is not None:
        from ray import cloudpickle

        trial.pickled_error_file = tmp_path / "error.pkl"
        trial.pickled_error_file.write_bytes(cloudpickle.dumps(RuntimeError(error)))
    WorkerWatch(Halt(None), lambda *words: told.append(words)).on_trial_error(0, [], trial)
    assert told[0][0] == "a"
    assert told[0][1].endswith(reason)


def test_gpu_hours_count_running_and_ended_trials(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    halt = Halt(None)
    halt.gpus = GpuClock(hours=1.0, per_trial=0.5)
    halt.gpus.start("a")
    now[0] += 3600
    halt.gpus.stop("a")  # half an hour of a GPU
    halt.gpus.start("b")
    now[0] += 3599
    assert halt.ending is None
    now[0] += 1
    assert halt.ending == "GPU hours"
