"""A folder that several machines reach: a path that all see, or an object store by URL."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

_CHUNK = 2**24
PARTIAL = ".part"
"""How the name of a file ends that is not whole yet."""


class Place:
    """Files at a place, by their names below it.

    Every method raises what the file system's client raises: mostly, but not only, `OSError`.

    Args:
        url: An absolute path, or a URL that ``pyarrow.fs.FileSystem.from_uri`` understands.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection: tuple[Any, str] | None = None

    def _connected(self) -> tuple[Any, str]:
        if self._connection is None:
            # Importing it takes time, and few commands need it.
            from pyarrow import fs

            self._connection = fs.FileSystem.from_uri(self.url)
        return self._connection

    def _info(self, name: str) -> Any:
        system, root = self._connected()
        return system.get_file_info(f"{root}/{name}")

    def has(self, name: str) -> bool:
        """Whether there is a file of this name."""
        return bool(self._info(name).is_file)

    def size(self, name: str) -> int:
        """The bytes of a file; 0 if it is not there."""
        return self._info(name).size or 0

    def files(self, below: str = "", *, deep: bool = True) -> dict[str, tuple[int, int]]:
        """The size and the time of the last change (ns) of each file below a folder, by name.

        Args:
            below: The folder; the place itself by default.
            deep: Also those in its folders.
        """
        system, root = self._connected()
        from pyarrow import fs

        folder = f"{root}/{below}".rstrip("/")
        selector = fs.FileSelector(folder, recursive=deep, allow_not_found=True)
        return {
            info.path.removeprefix(root).lstrip("/"): (info.size, info.mtime_ns or 0)
            for info in system.get_file_info(selector)
            if info.is_file and not info.path.endswith(PARTIAL)
        }

    def read(self, name: str, target: Path) -> None:
        """Copy a file, whole or not at all; the target's folder exists."""
        system, root = self._connected()
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, suffix=PARTIAL)
        try:
            with (
                os.fdopen(descriptor, "wb") as written,
                system.open_input_stream(f"{root}/{name}") as source,
            ):
                while chunk := source.read(_CHUNK):
                    written.write(chunk)
            os.replace(temporary, target)
        finally:
            Path(temporary).unlink(missing_ok=True)

    def write(self, file: Path, name: str) -> None:
        """Copy a file there, whole or not at all."""
        system, root = self._connected()
        # Objects appear when they are whole; files are written under another name.
        in_place = system.type_name not in ("local", "hdfs")
        target = f"{root}/{name}"
        part = target if in_place else f"{target}.{os.uname().nodename}-{os.getpid()}{PARTIAL}"
        if not in_place:
            system.create_dir(target.rpartition("/")[0], recursive=True)
        try:
            with file.open("rb") as source, system.open_output_stream(part) as stream:
                while chunk := source.read(_CHUNK):
                    stream.write(chunk)
            if not in_place:
                system.move(part, target)
        except BaseException:
            if not in_place:
                with suppress(Exception):
                    system.delete_file(part)
            raise

    def remove(self, *names: str) -> None:
        """Remove files; those that are not there are left out."""
        system, root = self._connected()
        for name in names:
            if self.has(name):
                system.delete_file(f"{root}/{name}")
