import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from progsearch.driver.work import interruptible
from progsearch.errors import Interrupted
from progsearch.signals import Stopped, finishing, stopped_by_signals
from progsearch.workers.halt import GpuClock, Halt, signals_kept_from_children


def test_a_search_ends_when_its_time_is_up():
    halt = Halt(0.05)
    assert halt.ending is None
    time.sleep(0.06)
    assert halt.ending == "time limit"
    assert Halt(None).ending is None


KINDS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2]
EXIT_CODES = {signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_signal_ends_the_search_and_the_second_the_process(kind):
    before = signal.getsignal(kind)
    halt = Halt(None)
    with halt.on_signals():
        os.kill(os.getpid(), kind)
        assert halt.ending == "interrupted"
        with pytest.raises(Stopped):
            os.kill(os.getpid(), kind)
    assert signal.getsignal(kind) is before


@pytest.mark.parametrize("kind", KINDS)
def test_before_the_first_trial_every_signal_is_as_ctrl_c(kind):
    before = signal.getsignal(kind)
    with (
        pytest.raises(Interrupted, match="nothing was saved") as stop,
        interruptible("nothing was saved"),
    ):
        os.kill(os.getpid(), kind)
        time.sleep(5)
    assert signal.getsignal(kind) is before
    assert stop.value.exit_code == EXIT_CODES.get(kind, 130)
    assert stop.value.study is None


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_nearly_done_is_finished_before_the_end(kind):
    done = []
    with (
        pytest.raises(Interrupted, match="the report is written") as stop,
        finishing("the report is written"),
    ):
        os.kill(os.getpid(), kind)
        done.append(1)
    assert done == [1]
    assert stop.value.exit_code == EXIT_CODES.get(kind, 130)
    with pytest.raises(Interrupted), finishing("the report is not written"):
        os.kill(os.getpid(), kind)
        os.kill(os.getpid(), kind)
        done.append(2)
    assert done == [1]
    with finishing("nothing came"):
        done.append(3)


def test_a_terminal_that_closes_does_not_end_what_nohup_started():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        halt = Halt(None)
        with halt.on_signals():
            os.kill(os.getpid(), signal.SIGHUP)
            assert halt.ending is None
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("kind", [signal.SIGHUP, signal.SIGUSR1])
def test_rays_processes_outlive_the_signals_of_a_group(kind):
    halt = Halt(None)
    with halt.on_signals():
        with signals_kept_from_children():
            child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
            # At once if another thread takes it, else afterwards.
            os.kill(os.getpid(), kind)
        # Another thread may take the signal a little later.
        until = time.monotonic() + 5
        while halt.ending is None and time.monotonic() < until:
            time.sleep(0.01)
        assert halt.ending == "interrupted"
    child.send_signal(kind)
    child.communicate(b"\n")
    assert child.returncode == 0


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


def test_a_single_trial_is_never_stopped_by_the_halt():
    assert not Halt(0.0)("a", {})


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


class _Loses:
    """Python drops what is raised while an object is removed, as it does after a fork."""

    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.1)


def _lose_a_signal():
    _Loses()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_lost_signal_ends_the_work_when_its_part_ends():
    with pytest.raises(Stopped) as stop, stopped_by_signals():
        _lose_a_signal()
    assert stop.value.number == signal.SIGTERM
    with stopped_by_signals():
        pass


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_lost_signal_ends_the_search_before_its_first_trial():
    halt = Halt(None)
    with stopped_by_signals():
        _lose_a_signal()
        with halt.on_signals():
            assert halt.ending == "interrupted"
    assert halt.signal == signal.SIGTERM
