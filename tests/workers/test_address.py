"""An address without a cluster is refused before Ray waits for one."""

import socket

import pytest

from progsearch.errors import ConfigError
from progsearch.workers import address
from progsearch.workers.address import check_address


@pytest.fixture
def listening():
    """The port of a server that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("place", ["127.0.0.1:1", "ray://127.0.0.1:1", "[::1]:1"])
def test_a_port_where_nothing_listens(place):
    with pytest.raises(ConfigError, match="^address: cannot connect to a Ray cluster at "):
        check_address(place)


def test_a_name_that_is_no_machine(monkeypatch):
    def fail(place, timeout):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "create_connection", fail)
    with pytest.raises(ConfigError, match="Name or service not known; correct the address"):
        check_address("no-such-host:6379")


def test_a_machine_that_never_answers(monkeypatch):
    def fail(place, timeout):
        assert timeout <= 30
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "create_connection", fail)
    with pytest.raises(ConfigError, match="timed out"):
        check_address("192.0.2.1:6379")


def test_something_that_listens_and_is_no_cluster(monkeypatch, listening):
    monkeypatch.setattr(address, "_SECONDS_TO_ANSWER", 3.0)
    with pytest.raises(ConfigError, match="did not answer as a cluster in 3 s"):
        check_address(f"127.0.0.1:{listening}")


def test_a_cluster_that_answers(monkeypatch, listening):
    asked = []
    monkeypatch.setattr(address, "unanswered", lambda place, seconds: asked.append(place))
    check_address(f"127.0.0.1:{listening}")
    check_address(f"ray://127.0.0.1:{listening}")
    assert asked == [f"127.0.0.1:{listening}"]


@pytest.mark.parametrize("place", ["auto", "local", "127.0.0.1", "a:b:c"])
def test_what_ray_itself_finds_or_refuses_at_once(monkeypatch, place):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("asked"))
    check_address(place)


def test_auto_is_what_the_environment_names(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(ConfigError, match="127.0.0.1:1"):
        check_address("auto")
