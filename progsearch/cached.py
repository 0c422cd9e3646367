"""What the machine-wide cache holds, and how it is made smaller."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from progsearch.cache import cache_root

KINDS = {
    "reuse": "trained steps and outputs of frozen blocks, for later trials",
    "tokenised": "tokenised data",
    "contributions": "block scores",
    "costs": "costs of the parts of models",
    "shortcuts": "which shortcuts models can use",
    "weights": "checks of model files",
    "general": "losses of pre-trained models on general text",
    "room": "how much data models take at once",
    "unsaved": "models whose folder could not be written",
}
"""What each folder of the cache holds; all but the last is computed again if it is missing."""

_KEPT = ("unsaved",)
# A lock that a running search uses is younger.
_OLDEST_LOCK = 24 * 3600


@dataclass(frozen=True)
class Entry:
    """Files of the cache that are of use only together.

    Attributes:
        kind: The folder.
        files: The files.
        size: Their bytes.
        used: When they were last written or read by a search, in seconds since the epoch.
    """

    kind: str
    files: tuple[Path, ...]
    size: int
    used: float

    def remove(self) -> int:
        """Remove it; returns the bytes that this frees."""
        for file in self.files:
            # A running search may remove it, too.
            with suppress(FileNotFoundError):
                file.unlink()
            # Only a folder that is empty now can be removed.
            with suppress(OSError):
                file.parent.rmdir()
        return self.size


def entries(kinds: Iterable[str] = KINDS) -> list[Entry]:
    """What the cache holds of some kinds, the least recently used first."""
    root = cache_root()
    found = [entry for kind in kinds for entry in _entries_of(kind, root / kind)]
    return sorted(found, key=lambda entry: (entry.used, entry.files))


def clear(kinds: Sequence[str] = ()) -> int:
    """Remove everything of some kinds, by default all that can be computed again.

    Returns:
        The bytes that this frees.
    """
    return sum(e.remove() for e in entries(kinds or [k for k in KINDS if k not in _KEPT]))


def prune(limit: int, kinds: Sequence[str] = ()) -> int:
    """Remove the least recently used entries of some kinds until these take at most ``limit``.

    Returns:
        The bytes that this frees.
    """
    held = entries(kinds or [kind for kind in KINDS if kind not in _KEPT])
    total, freed = sum(entry.size for entry in held), 0
    for entry in held:
        if total - freed <= limit:
            break
        freed += entry.remove()
    return freed


def _entries_of(kind: str, folder: Path) -> list[Entry]:
    groups: dict[str, list[tuple[Path, int, float]]] = {}
    for file in folder.rglob("*"):
        try:
            status = file.stat()
        except OSError:
            continue  # removed by a search
        if not file.is_file():
            continue
        if file.suffix == ".lock" and time.time() - status.st_mtime < _OLDEST_LOCK:
            continue
        inner = file.relative_to(folder)
        # The description and the tensors of an entry differ in their ending only; the files of a
        # model have a folder.
        name = inner.parts[0] if inner.parts[1:] else inner.stem
        groups.setdefault(name, []).append((file, status.st_size, status.st_mtime))
    return [
        Entry(
            kind,
            tuple(file for file, _, _ in group),
            sum(size for _, size, _ in group),
            max(used for _, _, used in group),
        )
        for group in groups.values()
    ]
