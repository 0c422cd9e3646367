"""A store that several machines share: a folder that all see, or an object store by URL.

An entry has the names that it has in a machine's own store. Its tensors are written first, so an
entry whose description is there is whole. Keys are made from content, so it does not matter who
writes an entry last, and nothing is locked: two machines may train the same steps at once, which
takes no longer than waiting for each other.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from progsearch.place import Place

T = TypeVar("T")

_log = logging.getLogger(__name__)

# After a failure it is left alone for so long, since each call may wait for an answer.
_SECONDS_OF_REST = 60.0


class SharedStore:
    """Copies entries from and to a place that machines share; its failures are warnings.

    Args:
        url: An absolute path, or a URL that ``pyarrow.fs.FileSystem.from_uri`` understands.
    """

    def __init__(self, url: str) -> None:
        self._place = Place(url)
        self._rests_until = 0.0
        self._is_swept = False

    def fetch(self, name: str, folder: Path) -> bool:
        """Copy a file into a folder, whole or not at all.

        Returns:
            Whether it is there.
        """
        return bool(self._try("read", lambda: self._fetch(name, folder)))

    def has(self, name: str) -> bool:
        """Whether it has a file."""
        return bool(self._try("read", lambda: self._place.has(name)))

    def size(self, name: str) -> int:
        """The bytes of a file; 0 if it is not there."""
        return self._try("read", lambda: self._place.size(name)) or 0

    def send(self, file: Path) -> bool:
        """Copy a file there, whole or not at all.

        Returns:
            Whether it is there.
        """
        return bool(self._try("written", lambda: self._send(file)))

    def remove(self, *names: str) -> None:
        """Remove files, such as damaged ones."""
        self._try("written", lambda: self._place.remove(*names))

    def _try(self, verb: str, act: Callable[[], T]) -> T | None:
        if time.monotonic() < self._rests_until:
            return None
        try:
            return act()
        # OSError in most cases; each kind of file system has others, too.
        except Exception as error:
            self._rests_until = time.monotonic() + _SECONDS_OF_REST
            lines = str(error).strip().splitlines() or [type(error).__name__]
            url = self._place.url
            _log.warning("the shared store %s cannot be %s: %s", url, verb, lines[0])
            return None

    def _fetch(self, name: str, folder: Path) -> bool:
        if not self._place.has(name):
            return False
        self._place.read(name, folder / name)
        return True

    def _send(self, file: Path) -> bool:
        if not self._is_swept:
            self._is_swept = True
            self._place.sweep()
        self._place.write(file, file.name)
        return True
