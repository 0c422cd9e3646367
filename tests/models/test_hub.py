from __future__ import annotations

import http.server
import socket
import threading
import time

import datasets.config
import pytest
from huggingface_hub import constants

from progsearch.models import hub


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """An online process that has not asked yet, put back as it was afterwards."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    hub.offline.cache_clear()
    yield
    hub.offline.cache_clear()


@pytest.fixture
def server(monkeypatch):
    """A hub of our own that answers with `server.status`."""

    class Hub(http.server.HTTPServer):
        status = 200

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            assert isinstance(self.server, Hub)
            self.send_response(self.server.status)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = Hub(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(("status", "offline"), [(200, False), (401, False), (503, True)])
def test_a_hub_that_answers_is_reachable(server, status, offline):
    server.status = status

    assert hub.offline() is offline
    assert constants.HF_HUB_OFFLINE is offline
    assert datasets.config.HF_HUB_OFFLINE is offline


def test_a_hub_that_never_answers_is_given_up_after_the_timeout(monkeypatch):
    monkeypatch.setattr(hub, "TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        start = time.monotonic()

        assert hub.offline()

        assert time.monotonic() - start < 2


def test_is_asked_once(monkeypatch):
    asked = []
    monkeypatch.setattr(hub, "_reachable", lambda: asked.append(1))

    assert hub.offline()
    assert hub.offline()

    assert len(asked) == 1


def test_does_not_ask_where_the_user_works_offline(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "_reachable", lambda: pytest.fail("asked"))

    assert hub.offline()
