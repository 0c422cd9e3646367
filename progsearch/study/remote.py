"""Studies at a URL, such as in an object store: this machine works on a copy of each.

The trials of such a study are in a database; its folder holds little else, so all of it but Ray's
files is copied: from the URL when the study is opened, and back while this process works in it
and when it has finished. A machine that takes over a study finds in it all but what the last
seconds of a machine that died have changed.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from progsearch.cache import cache_dir, content_key, read_json, write_bytes, write_json
from progsearch.config import StorageUrl
from progsearch.config.store_url import place_of_store
from progsearch.errors import ConfigError, StudyError
from progsearch.place import PARTIAL, Place
from progsearch.study.lock import LOCK, lock_state

_log = logging.getLogger(__name__)

OPTION = "--studies-dir"
# Below the cache, but nothing that may be cleared: a copy can have changes that were not copied.
_COPIES = "studies"
# In the folder of the copies, and in each of them.
_URL, _COPIED = ".url", ".copied.json"
_RECIPE, _OF_RAY = "study.yaml", "ray"
_CLOCK = ".clock"
# A machine that works in a study says so this often, and is taken for dead after some silences.
_SECONDS_BETWEEN = 15.0
_SECONDS_OF_A_DEAD = 75.0

_sending = threading.Lock()

Stamp = tuple[int, int]
"""A file's size in bytes and the time of its last change in ns."""


def studies_folder(given: str | Path) -> Path:
    """The folder of all studies on this machine, if it was given as a path or a URL.

    For a URL, that of the copies; it then holds the recipe of each study.

    Raises:
        ConfigError: The URL is of an unknown kind, holds a secret, or cannot be read.
    """
    text = str(given)
    if "://" not in text:
        return Path(given)
    try:
        url = str(place_of_store(text)).rstrip("/")
    except ValueError as error:
        raise ConfigError(OPTION, [("", str(error))]) from None
    folder = cache_dir(_COPIES) / content_key(url)[:12]
    folder.mkdir(exist_ok=True)
    write_bytes(folder / _URL, url.encode())
    place = _place(url)
    try:
        found = [name.split("/") for name in place.files()]
        names = {parts[0] for parts in found if parts[1:] == [_RECIPE]}
        for name in names:
            # Its trials are private in most databases.
            (folder / name).mkdir(exist_ok=True, mode=0o700)
            if not (folder / name / _RECIPE).exists():
                place.read(f"{name}/{_RECIPE}", folder / name / _RECIPE)
    except Exception as error:
        raise _unreachable(url, error) from None
    for copy in folder.glob(f"*/{_COPIED}"):
        if copy.parent.name not in names and not lock_state(copy.parent).is_held:
            # Another machine has removed the study.
            shutil.rmtree(copy.parent)
    return folder


def url_of(studies_dir: str | Path) -> str | None:
    """The URL of which a folder holds copies; None for any other folder."""
    with suppress(OSError):
        return (Path(studies_dir) / _URL).read_text()
    return None


def given_as(studies_dir: str | Path) -> str:
    """A folder of studies as the user gave it."""
    return url_of(studies_dir) or str(studies_dir)


def check_usable(studies_dir: str | Path, storage: StorageUrl | None) -> None:
    """Check that a new study can be kept at the URL of which a folder holds copies, if it is one.

    Raises:
        ConfigError: Its trials would be in a file, or the URL cannot be written.
    """
    url = url_of(studies_dir)
    if url is None:
        return
    if storage is None:
        reason = "a URL needs a database for the trials; give it with --storage"
        raise ConfigError(OPTION, [("", reason)])
    try:
        _clock(_place(url))
    except Exception as error:
        raise _unreachable(url, error) from None


def bring(path: Path) -> None:
    """Bring the copy of a study up to date, unless a process here works in it.

    Raises:
        ConfigError: The URL cannot be read.
    """
    url = url_of(path.parent)
    if url is None or lock_state(path).is_held:
        return
    place = _place(url)
    try:
        there = {name.partition("/")[2]: stamp for name, stamp in place.files(path.name).items()}
        known = _known(path)
        for name, stamp in there.items():
            if name in known and known[name][1] == stamp:
                continue
            target = path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            place.read(f"{path.name}/{name}", target)
            known[name] = (_stamp(target), stamp)
        for name in [name for name in known if name not in there]:
            (path / name).unlink(missing_ok=True)
            del known[name]
    except Exception as error:
        raise _unreachable(url, error) from None
    if there:
        _keep(path, known)


def send(path: Path) -> None:
    """Copy what has changed in a study's folder to its URL, if it has one; failures are logged."""
    url = url_of(path.parent)
    if url is None or not path.is_dir():
        return
    try:
        with _sending:
            _send(path, _place(url))
    # Each kind of file system has errors of its own.
    except Exception as error:
        _log.warning("%s; what changed is copied later", _unreachable(url, error))


def _send(path: Path, place: Place) -> None:
    known = _known(path)
    here = {str(file.relative_to(path)): _stamp(file) for file in _copied_files(path)}
    changed = [name for name, stamp in here.items() if known.get(name, (None,))[0] != stamp]
    gone = [name for name in known if name not in here]
    for name in changed:
        place.write(path / name, f"{path.name}/{name}")
    place.remove(*(f"{path.name}/{name}" for name in gone))
    if changed or gone:
        there = place.files(path.name)
        stamps = {name: there.get(f"{path.name}/{name}", (-1, -1)) for name in here}
        _keep(path, {name: (here[name], stamps[name]) for name in here})


@contextmanager
def working(path: Path) -> Iterator[Callable[[], None]]:
    """Yields what is called once the study's folder is locked.

    From then on, what changes in it is copied to its URL, if it has one, at once and at the end.

    Raises:
        StudyError: A process of another machine works in the study.
        ConfigError: The URL cannot be read.
    """
    url = url_of(path.parent)
    if url is None:
        yield lambda: None
        return
    _check_free(path, _place(url))
    over = threading.Event()

    def keep_up() -> None:
        while True:
            send(path)
            if over.wait(_SECONDS_BETWEEN):
                return
            # The lock's age says that this machine is alive.
            with suppress(OSError):
                os.utime(path / LOCK)

    thread = threading.Thread(target=keep_up, name="progsearch-copies", daemon=True)
    try:
        yield thread.start
    finally:
        if thread.is_alive():
            over.set()
            thread.join()
            # The lock is given back by now.
            send(path)


def _check_free(path: Path, place: Place) -> None:
    """Check that no other machine works in the study, by the age of its lock at the URL."""
    holder = lock_state(path).holder
    if holder is None or holder.host == socket.gethostname():
        return
    try:
        now = _clock(place)
        held = place.files(path.name, deep=False).get(f"{path.name}/{LOCK}", (0, 0))[1]
    except Exception as error:
        raise _unreachable(place.url, error) from None
    silent = (now - held) / 1e9
    if silent < _SECONDS_OF_A_DEAD:
        raise StudyError(
            f"study {path.name} is in use by {holder}, heard of {silent:.0f} s ago; stop it, or "
            f"wait: after {_SECONDS_OF_A_DEAD:.0f} s of silence it is taken for dead"
        )


def _clock(place: Place) -> int:
    """The time at a place, in ns: that of a file that is written now."""
    with tempfile.NamedTemporaryFile() as empty:
        place.write(Path(empty.name), _CLOCK)
    return place.files(deep=False)[_CLOCK][1]


def remove(path: Path) -> None:
    """Remove a study from its URL, if it has one.

    Raises:
        ConfigError: The URL cannot be written.
    """
    url = url_of(path.parent)
    if url is None:
        return
    place = _place(url)
    try:
        place.remove(*place.files(path.name))
    except Exception as error:
        raise _unreachable(url, error) from None


def _copied_files(path: Path) -> Iterator[Path]:
    for file in path.rglob("*"):
        first = file.relative_to(path).parts[0]
        if first not in (_OF_RAY, _COPIED) and file.suffix != PARTIAL and file.is_file():
            yield file


def _known(path: Path) -> dict[str, tuple[Stamp, Stamp]]:
    """The stamps here and at the URL of each file when it was last copied."""
    try:
        found = read_json(path / _COPIED).items()  # type: ignore[union-attr]
        return {name: ((*here,), (*there,)) for name, (here, there) in found}
    except (AttributeError, TypeError, ValueError):
        # Missing or damaged: all is copied again.
        return {}


def _keep(path: Path, known: dict[str, tuple[Stamp, Stamp]]) -> None:
    write_json(path / _COPIED, known)


def _stamp(file: Path) -> Stamp:
    found = file.stat()
    return found.st_size, found.st_mtime_ns


@lru_cache
def _place(url: str) -> Place:
    return Place(url)


def _unreachable(url: str, error: Exception) -> ConfigError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    kind = urlsplit(url).scheme
    cure = "check the URL, the network and the credentials" if kind != "file" else "check it"
    return ConfigError(OPTION, [("", f"{url} cannot be read or written ({lines[0]}); {cure}")])
