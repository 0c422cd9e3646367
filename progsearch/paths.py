"""Checks output paths before any work starts.

A path can be unusable in many ways: too long, below a file, in a folder without read permission.
For some of them `pathlib` raises an error even if only asked whether the path exists, so what the
user gives is inspected with `os.path`, which answers no.
"""

from __future__ import annotations

import difflib
import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from progsearch.errors import ConfigError

# Errors of a disk or of a limit of the machine.
_OF_MACHINES = {errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOSPC}
# Also errors of permissions and names: they concern a user's path and are not bugs.
_OF_PLACES = _OF_MACHINES | {
    errno.EACCES,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}


def reason_of(error: OSError) -> str:
    """The system's message for an error, without the path."""
    return error.strerror or str(error) or type(error).__name__


def is_of_a_place(error: OSError) -> bool:
    """Whether an error is due to a path or a disk, not to a bug."""
    return error.errno in _OF_PLACES


def is_of_the_machine(error: OSError) -> bool:
    """Whether an error is due to a disk or a limit, so that other paths may fail too."""
    return error.errno in _OF_MACHINES


def did_you_mean(path: str | Path) -> str:
    """``; did you mean NAME?`` if the folder of a missing file has one of a similar name."""
    path = Path(path)
    names: list[str] = []
    with suppress(OSError):
        names = [entry.name for entry in os.scandir(path.parent) if entry.is_file()]
    close = difflib.get_close_matches(path.name, names, n=1, cutoff=0.8)
    return f"; did you mean {path.with_name(close[0])}?" if close else ""


def check_writable_folder(folder: str | Path, place: str, advice: str = "choose another") -> None:
    """Check that a folder can be created and written to; nothing is left behind.

    Args:
        folder: It need not exist.
        place: The option or argument that named it, for the message.
        advice: What to do about it, for the message.

    Raises:
        ConfigError: It cannot be created or written to.
    """
    folder = Path(folder)
    made: list[Path] = []
    try:
        for part in _missing(folder):
            part.mkdir()
            made.append(part)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".progsearch-"):
            # Whoever writes into a folder also lists it.
            os.listdir(folder)
    except OSError as error:
        raise _refusal(folder, place, advice, error) from None
    finally:
        for part in reversed(made):
            # Another process may use it by now.
            with suppress(OSError):
                part.rmdir()


def check_writable_file(file: str | Path, place: str, advice: str = "choose another") -> None:
    """Check that a file can be written; it is not changed, and nothing is left behind.

    Args:
        file: It need not exist; its folder must.
        place: The option or argument that named it, for the message.
        advice: What to do about it, for the message.

    Raises:
        ConfigError: It cannot be written.
    """
    file = Path(file)
    try:
        if os.path.isdir(file):
            raise OSError(errno.EISDIR, "it is a folder")
        if not os.path.lexists(file):
            os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
            file.unlink()
        # Opening a pipe would wait for a reader.
        elif stat.S_ISREG(file.stat().st_mode):
            os.close(os.open(file, os.O_WRONLY))
    except OSError as error:
        raise _refusal(file, place, advice, error) from None


def _refusal(path: Path, place: str, advice: str, error: OSError) -> ConfigError:
    return ConfigError(place, [("", f"{path} cannot be written: {_why(path, error)}; {advice}")])


def _missing(folder: Path) -> Iterator[Path]:
    """The missing folders on the way to ``folder``, outermost first."""
    missing = []
    for part in (folder, *folder.parents):
        if os.path.lexists(part):
            break
        missing.append(part)
    return reversed(missing)


def _why(path: Path, error: OSError) -> str:
    """The reason; if a file is in the place of a folder, it names the file."""
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        in_the_way = next((p for p in (path, *path.parents) if os.path.isfile(p)), None)
        if in_the_way is not None:
            return f"{in_the_way} is a file"
    return reason_of(error)
