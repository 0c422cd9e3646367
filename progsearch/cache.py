"""The machine-wide cache folder and keys made from content."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import os
import tempfile
import time
import zlib
from collections.abc import Iterable
from contextlib import suppress
from os.path import expanduser
from pathlib import Path
from typing import Any

from progsearch.errors import ConfigError
from progsearch.paths import reason_of

# Seconds; an unfinished file that is older has no writer any more.
_LONGEST_WRITE = 3600

_log = logging.getLogger(__name__)


def cache_dir(kind: str) -> Path:
    """The folder for one ``kind`` of cached things; created if missing.

    Below ``PROGSEARCH_CACHE`` if that is set, else below the user's cache folder.

    Raises:
        ConfigError: It does not exist and cannot be created, or the user has no cache folder.
    """
    folder = cache_root() / kind
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            "PROGSEARCH_CACHE",
            [("", f"cache folder {folder} cannot be created ({reason_of(error)}); name another")],
        ) from error
    return folder


def cache_root() -> Path:
    """The folder of all cached things; it need not exist.

    Raises:
        ConfigError: The user has no cache folder.
    """
    root = os.environ.get("PROGSEARCH_CACHE")
    if root:
        return Path(root)
    base = os.environ.get("XDG_CACHE_HOME") or expanduser("~/.cache")
    if str(base).startswith("~"):
        reason = "this user has no home folder for the cache; name a folder"
        raise ConfigError("PROGSEARCH_CACHE", [("", reason)])
    return Path(base) / "progsearch"


def sweep(folder: Path, patterns: Iterable[str]) -> None:
    """Remove partial files of these patterns that killed writers left."""
    for path in itertools.chain.from_iterable(map(folder.glob, patterns)):
        # Another process may be sweeping, too.
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _LONGEST_WRITE:
                path.unlink()


def content_key(*parts: Any) -> str:
    """A hash of JSON-able ``parts``: equal content gives an equal key on every machine."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def read_json(path: Path) -> Any | None:
    """The content of ``path``, or None if it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def keep_json(path: Path, data: Any) -> None:
    """As `write_json`, for reproducible data: if the disk is full, nothing is written."""
    try:
        write_json(path, {"data": data, "check": checksum(data)})
    except OSError as error:
        _log.warning("%s was not kept: %s", path.name, error)


def kept_json(path: Path) -> Any | None:
    """What `keep_json` wrote; None if it is missing or damaged, a single wrong bit included."""
    found: Any = read_json(path)
    try:
        return found["data"] if found["check"] == checksum(found["data"]) else None
    except (TypeError, LookupError):
        return None


def checksum(data: Any) -> int:
    """The CRC-32 of JSON-able data; the same before and after it was written and read."""
    # Sorted, keys that are numbers would have another place than as texts.
    return zlib.crc32(json.dumps(data).encode())


def write_json(path: Path, data: Any) -> None:
    """Write ``data`` so that a reader sees the old file or the new one, never a part."""
    write_bytes(path, json.dumps(data).encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part.

    A file that is replaced keeps its permissions; a new one is private.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            if path.exists():
                os.fchmod(descriptor, path.stat().st_mode & 0o777)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
