"""What Ray does not promise of its control service (GCS)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from ray._private import node as node_module
from ray._private import services
from ray._private.node import Node
from ray._private.services import ProcessInfo

from progsearch.internals.ray import CONTROL_SERVICE

# How often it is started again before all of Ray is.
_MOST_STARTS = 3

_log = logging.getLogger(__name__)


class ControlService:
    """Ray's control service on this machine, which is started again whenever it dies.

    Without it, calls of this process wait for a minute, during which nothing can interrupt them,
    and then Ray ends this process. It is started again where it was, with the state that it kept
    in a folder, and Ray goes on.

    Args:
        as_child: While active, a process may be started that is to be as Ray's others.
        end: Called with a sentence if it has died too often while Ray still starts: Ray would then
            end this process, a minute later and without a word of what is saved.
    """

    def __init__(
        self, as_child: Callable[[], AbstractContextManager[None]], end: Callable[[str], None]
    ) -> None:
        self._as_child = as_child
        self._end = end
        self._folder: Path | None = None
        self._node: Node | None = None
        self._started: ProcessInfo | None = None
        self._starts_left = 0
        self._is_starting = False
        self._is_ending = threading.Event()

    @contextmanager
    def starting(self, folder: Path) -> Iterator[dict[str, str]]:
        """While active, Ray may be started, with the settings that this yields.

        Args:
            folder: Where the service keeps its state; a new one.
        """
        self._folder, self._node = folder, None
        self._starts_left, self._is_ending = _MOST_STARTS, threading.Event()
        start_service, start_in_node = services.start_gcs_server, Node.start_gcs_server
        wait_for_port = node_module.wait_for_persisted_port

        def start(*arguments: Any, **settings: Any) -> ProcessInfo:
            self._started = started = start_service(*arguments, **settings)
            again = partial(start_service, *arguments)
            keep = partial(self._keep, started, again, settings, self._is_ending)
            threading.Thread(target=keep, name="progsearch-control", daemon=True).start()
            return started

        def start_as_part(node: Node) -> None:
            self._node = node
            start_in_node(node)

        def wait(session: str, node_id: str, name: str, timeout_ms: int) -> int:
            # Ray's own function keeps all other threads from running meanwhile.
            until = time.monotonic() + timeout_ms / 1000
            while not _port_file(session, node_id).exists() and time.monotonic() < until:
                time.sleep(0.02)
            return int(wait_for_port(session, node_id, name, timeout_ms=1000))

        services.start_gcs_server, Node.start_gcs_server = start, start_as_part
        node_module.wait_for_persisted_port = wait
        self._is_starting = True
        try:
            yield {"gcs_storage": "rocksdb", "gcs_storage_path": str(folder)}
        finally:
            self._is_starting = False
            services.start_gcs_server, Node.start_gcs_server = start_service, start_in_node
            node_module.wait_for_persisted_port = wait_for_port

    def comes_back(self) -> bool:
        """Whether it is started again, if it does not answer now."""
        started = self._started
        if self._node is None or started is None:
            return False
        return self._starts_left > 0 or started.process.poll() is None

    def end(self) -> Path | None:
        """From now on, its death is wanted; returns the folder of its state, if it has one."""
        self._is_ending.set()
        folder, self._folder, self._node = self._folder, None, None
        return folder

    def _keep(
        self,
        started: ProcessInfo,
        start: Callable[..., ProcessInfo],
        settings: dict[str, Any],
        is_ending: threading.Event,
    ) -> None:
        """Start it again whenever it has ended.

        The system ends the service with the thread that started it: with this one.
        """
        while True:
            started.process.wait()
            if is_ending.is_set():
                return
            if not self._starts_left:
                break
            self._starts_left -= 1
            port = _written_port(settings) or settings["gcs_server_port"]
            # While Ray starts, this is so already.
            with nullcontext() if self._is_starting else self._as_child():
                self._started = started = start(**settings | {"gcs_server_port": port})
            if is_ending.is_set():
                started.process.kill()
            elif self._node is not None:
                self._node.all_processes["gcs_server"] = [started]
            _log.warning("%s has ended and was started again", CONTROL_SERVICE)
        if self._is_starting:
            self._end(f"{CONTROL_SERVICE} has ended {_MOST_STARTS + 1} times while Ray started")


def _port_file(session: str, node_id: str) -> Path:
    return Path(session, node_module.get_port_filename(node_id, node_module.GCS_SERVER_PORT_NAME))


def _written_port(settings: dict[str, Any]) -> int | None:
    """The port that the first control service chose; None if it did not come so far."""
    try:
        return int(_port_file(settings["session_dir"], settings["node_id"]).read_text())
    except (OSError, ValueError):
        return None
