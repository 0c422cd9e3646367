"""Whether Ray lives and something moves; without Ray."""

import os
import signal
import socket
import threading
import time

import pytest

from progsearch.internals.ray import CONTROL_SERVICE
from progsearch.workers import watch
from progsearch.workers.watch import RayLost, Stuck, Watch


@pytest.fixture
def daemons(tmp_path, monkeypatch):
    """A port and a path where something listens, as Ray's daemons do."""
    control, raylet = socket.socket(), socket.socket(socket.AF_UNIX)
    control.bind(("127.0.0.1", 0))
    path = os.path.relpath(tmp_path / "raylet")
    raylet.bind(path)
    for each in (control, raylet):
        each.listen()
    places = [("the GCS", control.getsockname()), ("the raylet", path)]
    monkeypatch.setattr(watch, "listening_places", lambda: places)
    yield {"the GCS": control, "the raylet": raylet}
    control.close()
    raylet.close()


@pytest.fixture
def now(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize("name", ["the GCS", "the raylet"])
def test_a_daemon_that_is_gone_is_noticed(daemons, name):
    found = Watch()
    assert found.look() is None
    daemons[name].close()
    trouble = found.look()
    assert isinstance(trouble, RayLost)
    assert str(trouble) == f"{name} does not answer any more"
    assert found.trouble is trouble


def test_what_waits_is_interrupted_once_nothing_is_being_saved(daemons, monkeypatch):
    monkeypatch.setattr(watch, "_SECONDS_BETWEEN", 0.02)
    before = signal.getsignal(watch._SIGNAL)
    found, saved = Watch(), []
    with pytest.raises(KeyboardInterrupt), found.active():
        with found.waiting():
            daemons["the raylet"].close()
            time.sleep(0.2)
            saved.append(True)
        time.sleep(30)
    assert saved
    assert isinstance(found.trouble, RayLost)
    assert signal.getsignal(watch._SIGNAL) is before
    assert not any(thread.name == "progsearch-watch" for thread in threading.enumerate())


def test_nothing_moves_if_no_run_reports_for_twenty_times_the_longest(now):
    found = Watch()
    found.began("a")
    now[0] += 100_000
    assert found.look() is None, "the first report may take any time"
    found.ended("a")
    found.began("b")
    now[0] += 60
    found.reported("b")
    now[0] += 20
    found.reported("b")
    now[0] += 1199
    assert found.look() is None
    now[0] += 1
    trouble = found.look()
    assert isinstance(trouble, Stuck)
    assert str(trouble) == (
        "no run has reported for 20 min 0 s, though none took longer than 1 min 0 s before"
    )


def test_ten_minutes_are_always_waited_and_without_runs_any_time(now):
    found = Watch()
    found.began("a")
    now[0] += 1
    found.reported("a")
    now[0] += 599
    assert found.look() is None
    found.ended("a")
    now[0] += 100_000
    assert found.look() is None


def test_a_cluster_is_not_waited_for_without_its_daemon_here(daemons, monkeypatch, now, tmp_path):
    raylet = os.path.relpath(tmp_path / "raylet")
    control = daemons["the GCS"].getsockname()
    places = [(CONTROL_SERVICE, control), ("the raylet", raylet)]
    monkeypatch.setattr(watch, "listening_places", lambda: places)
    found = Watch(patience=600)
    daemons["the GCS"].close()
    assert found.look() is None, "its control service may come back"
    daemons["the raylet"].close()
    assert isinstance(found.look(), RayLost)


def test_a_control_service_that_is_started_again_is_waited_for(daemons, monkeypatch, now):
    control = daemons["the GCS"].getsockname()
    monkeypatch.setattr(watch, "listening_places", lambda: [(CONTROL_SERVICE, control)])
    comes_back = [True]
    found = Watch(lambda: comes_back[0])
    daemons["the GCS"].close()
    assert found.look() is None
    now[0] += 14
    assert found.look() is None
    now[0] += 2
    assert isinstance(found.look(), RayLost)
    comes_back[0] = False
    found = Watch(lambda: comes_back[0])
    assert isinstance(found.look(), RayLost)
