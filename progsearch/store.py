"""A folder of tensors under content keys, shared by all studies of a machine.

Written atomically, checked on reading, limited to a byte budget. Damaged or missing entries are
computed again. It may be the local copy of a store that several machines share.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from os.path import isfile
from pathlib import Path
from typing import Any

from filelock import FileLock
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from progsearch.cache import cache_dir, read_json, sweep, write_json
from progsearch.shared_store import SharedStore

_log = logging.getLogger(__name__)

_LARGEST_BUDGET = 20 * 2**30
_SHARE_OF_FREE = 0.2
# What files are called while they are written: by this module, by safetensors, by write_json.
_UNFINISHED = ("*.part", ".tmp*", "*.json?*")
# Read at once for a checksum: what the processor's cache holds, or the reading takes longer.
_CHUNK = 2**18


def default_budget(folder: Path) -> int:
    """Bytes a store in ``folder`` may hold: a fifth of what is free, at most 20 GiB."""
    return min(_LARGEST_BUDGET, int(shutil.disk_usage(folder).free * _SHARE_OF_FREE))


class Store:
    """Entries of a description (JSON-able) and tensors.

    Args:
        folder: Holds the entries; by default the machine-wide cache, so that studies share them.
        budget: Bytes of tensors it may hold; see `default_budget`. The least recently used
            entries are removed first.
        shared: Where several machines share entries; see `SharedStore`. What is missing here is
            copied from there, what is made here is copied there.
    """

    def __init__(
        self, folder: Path | None = None, budget: int | None = None, shared: str | None = None
    ) -> None:
        self.folder = folder or cache_dir("reuse")
        sweep(self.folder, _UNFINISHED)
        self._budget = default_budget(self.folder) if budget is None else budget
        self._shared = None if shared is None else SharedStore(shared)

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """A lock for making an entry; it is released when its process ends.

        If the disk has no room for a lock, none is taken: two may then make the same entry.
        """
        lock = FileLock(self.folder / f"{key}.lock")
        try:
            lock.acquire()
        except OSError as error:
            _log.warning("reusable work is not locked: %s", error)
        try:
            yield
        finally:
            lock.release()

    def get(self, key: str) -> Any | None:
        """The description of an entry; None if it is missing or damaged."""
        data = self._read(key)
        return None if data is None else data["description"]

    def has_tensors(self, key: str) -> bool:
        """Whether an entry has tensors; `load` checks them."""
        data = self._read(key)
        if data is None or data["tensors"] is None:
            return False
        path = self._tensors(key)
        return isfile(path) or (self._shared is not None and self._shared.has(path.name))

    def put(self, key: str, description: Any, tensors: dict[str, Tensor] | None = None) -> None:
        """Keep an entry; if the disk is full or the budget too small, do nothing."""
        try:
            written = None if tensors is None else self._write_tensors(key, tensors)
            data = {"key": key, "description": description, "tensors": written}
            described = self._description(key)
            write_json(described, data | {"check": _check(data)})
        except (OSError, SafetensorError) as error:
            _log.warning("reusable work was not kept: %s", error)
            return
        # The description last: an entry that has one is whole.
        if self._shared is not None and (tensors is None or self._shared.send(self._tensors(key))):
            self._shared.send(described)

    def _write_tensors(self, key: str, tensors: dict[str, Tensor]) -> int:
        size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
        self._make_room(size)
        descriptor, temporary = tempfile.mkstemp(dir=self.folder, suffix=".part")
        os.close(descriptor)
        try:
            save_file(tensors, temporary)
            written = _checksum(Path(temporary))
            os.replace(temporary, self._tensors(key))
        finally:
            Path(temporary).unlink(missing_ok=True)
        return written

    def _make_room(self, size: int) -> None:
        if size > self._budget:
            raise OSError(f"it has {size} bytes and the budget is {self._budget}")
        files = []
        for path in self.folder.glob("*.safetensors"):
            try:
                status = path.stat()
            except FileNotFoundError:
                continue  # another worker made room, too
            files.append((status.st_mtime, status.st_size, path))
        held = sum(file_size for _, file_size, _ in files)
        for _, file_size, path in sorted(files):
            if held + size <= self._budget:
                break
            self.remove(path.stem)
            held -= file_size

    def remove(self, key: str) -> None:
        """Forget the local copy of an entry."""
        self._description(key).unlink(missing_ok=True)
        self._tensors(key).unlink(missing_ok=True)

    def load(self, key: str) -> dict[str, Tensor] | None:
        """The tensors of an entry; if they are missing or damaged, None, and it is forgotten."""
        tensors = self._load(key)
        if isinstance(tensors, Exception) and self._shared is not None:
            # Only the copy may be damaged; it is gone now, so that another one is made.
            tensors = self._load(key)
            if isinstance(tensors, ValueError):
                self._shared.remove(f"{key}.json")
        if isinstance(tensors, Exception):
            _log.warning("a stored entry cannot be used and is computed again: %s", tensors)
            return None
        return tensors

    def _load(self, key: str) -> dict[str, Tensor] | Exception | None:
        """The tensors, or why they cannot be used; the local copy is removed then."""
        path = self._tensors(key)
        data = self._read(key)
        try:
            if data is None:
                raise ValueError("its description is missing or damaged")
            if self._shared is not None and data["tensors"] is not None and not isfile(path):
                self._make_room(self._shared.size(path.name))
                self._shared.fetch(path.name, self.folder)
            if data["tensors"] is None:
                # Earlier versions kept no weights at the end of a run.
                return None
            if data["tensors"] != _checksum(path):
                raise ValueError("its checksum is wrong")
            tensors: dict[str, Tensor] = load_file(path)
            os.utime(path)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            self.remove(key)
            return error
        return tensors

    def _data(self, key: str) -> Any:
        """What the description's file holds, copied if only others have it; None if unreadable."""
        path = self._description(key)
        data = read_json(path)
        if (
            data is None
            and self._shared is not None
            and self._shared.fetch(path.name, self.folder)
        ):
            data = read_json(path)
        return data

    def _description(self, key: str) -> Path:
        return self.folder / f"{key}.json"

    def _tensors(self, key: str) -> Path:
        return self.folder / f"{key}.safetensors"

    def _read(self, key: str) -> dict[str, Any] | None:
        """The description of an entry and the checksum of its tensors; None if damaged."""
        data = self._data(key)
        try:
            # A file under another entry's name describes other work; earlier versions kept no key.
            is_its_own = data.get("key", key) == key
            return data if is_its_own and data["check"] == _check(data) else None
        except (AttributeError, TypeError, KeyError):
            return None


def _check(data: dict[str, Any]) -> int:
    key = [data["key"]] if "key" in data else []
    content = json.dumps([data["description"], data["tensors"], *key], sort_keys=True)
    return zlib.crc32(content.encode())


def _checksum(path: Path) -> int:
    value = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            value = zlib.crc32(chunk, value)
    return value
