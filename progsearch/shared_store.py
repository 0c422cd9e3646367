"""A store that several machines share: a folder that all see, or an object store by URL.

An entry has the names that it has in a machine's own store. Its tensors are written first, so an
entry whose description is there is whole. Keys are made from content, so it does not matter who
writes an entry last, and nothing is locked: two machines may train the same steps at once, which
takes no longer than waiting for each other.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

_log = logging.getLogger(__name__)

# After a failure it is left alone for so long, since each call may wait for an answer.
_SECONDS_OF_REST = 60.0
_CHUNK = 2**24


class SharedStore:
    """Copies entries from and to a place that machines share; its failures are warnings.

    Args:
        url: An absolute path, or a URL that ``pyarrow.fs.FileSystem.from_uri`` understands.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._place: tuple[Any, str] | None = None
        self._rests_until = 0.0

    def fetch(self, name: str, folder: Path) -> bool:
        """Copy a file into a folder, whole or not at all.

        Returns:
            Whether it is there.
        """
        return bool(self._try("read", lambda: self._fetch(name, folder)))

    def has(self, name: str) -> bool:
        """Whether it has a file."""
        return bool(self._try("read", lambda: self._has(name)))

    def size(self, name: str) -> int:
        """The bytes of a file; 0 if it is not there."""
        return self._try("read", lambda: self._info(name).size) or 0

    def send(self, file: Path) -> bool:
        """Copy a file there, whole or not at all.

        Returns:
            Whether it is there.
        """
        return bool(self._try("written", lambda: self._send(file)))

    def remove(self, *names: str) -> None:
        """Remove files, such as damaged ones."""
        self._try("written", lambda: self._remove(names))

    def _try(self, verb: str, act: Callable[[], T]) -> T | None:
        if time.monotonic() < self._rests_until:
            return None
        try:
            return act()
        # OSError in most cases; each kind of file system has others, too.
        except Exception as error:
            self._rests_until = time.monotonic() + _SECONDS_OF_REST
            lines = str(error).strip().splitlines() or [type(error).__name__]
            _log.warning("the shared store %s cannot be %s: %s", self._url, verb, lines[0])
            return None

    def _connected(self) -> tuple[Any, str]:
        if self._place is None:
            # Importing it takes time, and most searches share nothing.
            from pyarrow import fs

            self._place = fs.FileSystem.from_uri(self._url)
        return self._place

    def _fetch(self, name: str, folder: Path) -> bool:
        if not self._has(name):
            return False
        system, root = self._connected()
        descriptor, temporary = tempfile.mkstemp(dir=folder, suffix=".part")
        try:
            with (
                os.fdopen(descriptor, "wb") as target,
                system.open_input_stream(f"{root}/{name}") as source,
            ):
                while chunk := source.read(_CHUNK):
                    target.write(chunk)
            os.replace(temporary, folder / name)
        finally:
            Path(temporary).unlink(missing_ok=True)
        return True

    def _has(self, name: str) -> bool:
        return bool(self._info(name).is_file)

    def _info(self, name: str) -> Any:
        system, root = self._connected()
        return system.get_file_info(f"{root}/{name}")

    def _send(self, file: Path) -> bool:
        system, root = self._connected()
        # Objects appear when they are whole; files are written under another name.
        in_place = system.type_name not in ("local", "hdfs")
        target = f"{root}/{file.name}"
        written = target if in_place else f"{target}.{os.uname().nodename}-{os.getpid()}.part"
        if not in_place:
            system.create_dir(root, recursive=True)
        try:
            with file.open("rb") as source, system.open_output_stream(written) as stream:
                while chunk := source.read(_CHUNK):
                    stream.write(chunk)
            if not in_place:
                system.move(written, target)
        except BaseException:
            if not in_place:
                with suppress(Exception):
                    system.delete_file(written)
            raise
        return True

    def _remove(self, names: tuple[str, ...]) -> bool:
        system, root = self._connected()
        for name in names:
            if self._has(name):
                system.delete_file(f"{root}/{name}")
        return True
