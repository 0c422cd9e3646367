"""Tries the places that will be written before any work, and looks at those that a user named.

A path can be impossible in many ways: too long, below a file, in a folder that may not be read.
`pathlib` raises an error for some of them where only yes or no was asked.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from progsearch.errors import ConfigError

# Errors of a disk and of the limits of a machine.
_OF_MACHINES = {errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOSPC}
# With those of rights and names: what they hit is a user's path, not a bug.
_OF_PLACES = _OF_MACHINES | {
    errno.EACCES,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}


def exists(path: str | Path) -> bool:
    """Whether there is something; no if the system does not say."""
    return os.path.exists(path)


def is_file(path: str | Path) -> bool:
    """Whether there is a file; no if the system does not say."""
    return os.path.isfile(path)


def is_folder(path: str | Path) -> bool:
    """Whether there is a folder; no if the system does not say."""
    return os.path.isdir(path)


def expanded(path: str | Path) -> Path:
    """The path with the user's home for ``~``; as it is if there is no such home."""
    return Path(os.path.expanduser(path))


def reason_of(error: OSError) -> str:
    """Why a path cannot be used, in the system's words and without its path."""
    return error.strerror or str(error) or type(error).__name__


def is_of_a_place(error: OSError) -> bool:
    """Whether an error is one of a path or a disk, and not a bug."""
    return error.errno in _OF_PLACES


def is_of_the_machine(error: OSError) -> bool:
    """Whether it is an error of a disk or a limit, which another path may have, too."""
    return error.errno in _OF_MACHINES


def check_writable_folder(folder: str | Path, place: str, advice: str = "choose another") -> None:
    """Make and write a folder on trial; everything is as before afterwards.

    Args:
        folder: It need not exist.
        place: The option or argument that named it, for the message.
        advice: What to do about it, for the message.

    Raises:
        ConfigError: It cannot be made or written to.
    """
    folder = Path(folder)
    made: list[Path] = []
    try:
        for part in _missing(folder):
            part.mkdir()
            made.append(part)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".progsearch-"):
            pass
    except OSError as error:
        raise _refusal(folder, place, advice, error) from None
    finally:
        for part in reversed(made):
            # Another process may use it by now.
            with suppress(OSError):
                part.rmdir()


def check_writable_file(file: str | Path, place: str, advice: str = "choose another") -> None:
    """Open a file for writing on trial; everything is as before afterwards.

    Args:
        file: It need not exist; its folder must.
        place: The option or argument that named it, for the message.
        advice: What to do about it, for the message.

    Raises:
        ConfigError: It cannot be written.
    """
    file = Path(file)
    try:
        if is_folder(file):
            raise OSError(errno.EISDIR, "it is a folder")
        if not os.path.lexists(file):
            os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
            file.unlink()
        # A pipe would wait for its reader.
        elif stat.S_ISREG(file.stat().st_mode):
            os.close(os.open(file, os.O_WRONLY))
    except OSError as error:
        raise _refusal(file, place, advice, error) from None


def _refusal(path: Path, place: str, advice: str, error: OSError) -> ConfigError:
    return ConfigError(place, [("", f"{path} cannot be written: {_why(path, error)}; {advice}")])


def _missing(folder: Path) -> Iterator[Path]:
    """The folders to make for ``folder`` to exist, the outermost first."""
    missing = []
    for part in (folder, *folder.parents):
        if os.path.lexists(part):
            break
        missing.append(part)
    return reversed(missing)


def _why(path: Path, error: OSError) -> str:
    """The reason; if a file stands where a folder must be, which file."""
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        in_the_way = next((p for p in (path, *path.parents) if is_file(p)), None)
        if in_the_way is not None:
            return f"{in_the_way} is a file"
    return reason_of(error)
