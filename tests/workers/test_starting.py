"""How Ray is started on this machine; Ray itself is replaced."""

import errno
import os
import socket
import tempfile
from contextlib import nullcontext
from pathlib import Path

import pytest

from progsearch.errors import ConfigError, StudyError
from progsearch.internals.ray_control import ControlService
from progsearch.workers import starting
from progsearch.workers.starting import start_ray
from tests.support.fakes import recipe

CONTROL = ControlService(nullcontext, print)


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch, tmp_path):
    starting._token.cache_clear()
    for name in ("RAY_TMPDIR", "TMPDIR", *starting._TOKEN_SETTINGS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    # Ray, which would remove it at its end, is not started.
    monkeypatch.setattr(starting, "owned_folder", lambda place, prefix: tmp_path / prefix)
    yield
    starting._token.cache_clear()


@pytest.fixture
def begun(monkeypatch):
    """Each start of Ray: its settings and its environment."""
    starts = []

    def init(**settings):
        starts.append((settings, dict(os.environ)))

    monkeypatch.setattr(starting, "_init", init)
    return starts


@pytest.fixture
def failing(monkeypatch):
    """Makes Ray fail with an error; the returned list grows with each try."""
    tries = []

    def fail_with(error):
        def init(**settings):
            tries.append(settings)
            raise error

        monkeypatch.setattr(starting, "_init", init)
        return tries

    return fail_with


def test_ray_is_started_as_it_would_start_by_itself(begun, monkeypatch):
    monkeypatch.setenv("TMPDIR", "/var/tmp")
    before = dict(os.environ)
    start_ray(recipe(), CONTROL)
    ((_, environment),) = begun
    assert environment["RAY_TMPDIR"] == "/var/tmp"
    assert "RAY_AUTH_TOKEN" not in environment
    assert dict(os.environ) == before


def test_a_folder_that_is_too_long_for_sockets_is_not_used(begun, monkeypatch, tmp_path, caplog):
    long = tmp_path / ("n" * 100)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    start_ray(recipe(), CONTROL)
    ((_, environment),) = begun
    folder = environment["RAY_TMPDIR"]
    path = f"{folder}/ray/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store"
    assert len(path) <= 107
    assert "is too long for Ray's sockets" in caplog.text


def test_a_folder_that_cannot_be_written_is_not_used(begun, monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", "/proc")
    start_ray(recipe(), CONTROL)
    assert begun[0][1]["RAY_TMPDIR"] == "/tmp"


def test_no_folder_at_all_is_said(begun, monkeypatch):
    monkeypatch.setenv("TMPDIR", "/proc")
    monkeypatch.setattr(starting, "_SHORT_FOLDERS", ("/proc/self",))
    with pytest.raises(StudyError, match="no folder for its files: /proc/ray .* RAY_TMPDIR"):
        start_ray(recipe(), CONTROL)
    assert begun == []


@pytest.mark.parametrize("home", ["/proc", "/nobody/has/that", ""])
def test_a_home_that_cannot_be_written_keeps_no_token(begun, monkeypatch, home):
    monkeypatch.setenv("HOME", home)
    monkeypatch.setattr(starting, "check_writable_folder", refuse_home(home))
    # Of these places one may hold the token of another Ray.
    monkeypatch.setattr(starting, "exists", lambda path: False)
    start_ray(recipe(), CONTROL)
    start_ray(recipe(), CONTROL)
    first, second = (environment["RAY_AUTH_TOKEN"] for _, environment in begun)
    assert first == second, "Ray reads it once in a process"
    assert len(first) == 64


def refuse_home(home):
    def check(folder, place):
        if place == "HOME":
            raise ConfigError(place, [("", f"{folder} cannot be written")])

    return check


def test_a_token_of_the_user_is_left_alone(begun, monkeypatch):
    monkeypatch.setenv("HOME", "/proc")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    start_ray(recipe(), CONTROL)
    assert "RAY_AUTH_TOKEN" not in begun[0][1]


def test_as_many_workers_as_are_allowed_unless_the_user_says(begun, monkeypatch):
    monkeypatch.setattr(starting, "allowed_processors", lambda: 3)
    start_ray(recipe(parallel=None), CONTROL)
    start_ray(recipe(parallel=7), CONTROL)
    assert [settings["num_cpus"] for settings, _ in begun] == [3, 7]


def test_rays_own_reason_is_said_at_once_if_it_is_of_a_place(failing):
    tries = failing(PermissionError(errno.EACCES, "Permission denied", "/.ray"))
    with pytest.raises(StudyError) as error:
        start_ray(recipe(), CONTROL)
    reason = "Ray cannot start on this machine: /.ray cannot be used: Permission denied"
    assert str(error.value) == reason
    assert len(tries) == 1


def test_a_busy_machine_gets_three_tries(failing):
    tries = failing(Exception("The node timed out during startup.\nSee the logs."))
    with pytest.raises(StudyError, match="3 tries: The node timed out during startup; if "):
        start_ray(recipe(), CONTROL)
    assert len(tries) == 3


def test_the_length_of_a_socket_is_as_this_system_has_it():
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        name = Path(folder) / ("n" * (107 - len(folder) - 1))
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(name))
        with socket.socket(socket.AF_UNIX) as server, pytest.raises(OSError, match="too long"):
            server.bind(f"{name}n")
