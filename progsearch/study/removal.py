"""Removes studies from the disk and from their database."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import optuna

from progsearch.errors import StudyError
from progsearch.paths import reason_of
from progsearch.study import remote
from progsearch.study.folder import StudyFolder
from progsearch.study.lock import lock_state


def check_removable(folder: StudyFolder) -> None:
    """Check that a study can be removed.

    Raises:
        StudyError: A process works in it, or its folder is a link.
    """
    lock = lock_state(folder.path)
    if lock.is_held:
        who = "a process" if lock.holder is None else str(lock.holder)
        raise StudyError(f"study {folder.name} is in use by {who}; stop it first")
    if folder.path.is_symlink():
        raise StudyError(f"{folder.path} is a link; remove the folder that it leads to")


def remove(folder: StudyFolder) -> int:
    """Remove a study: its folder, and its trials in a database.

    Returns:
        The bytes that this frees on disk.

    Raises:
        StudyError: A process works in it, or its folder cannot be removed.
    """
    with folder.owned("removal"):
        size = taken(folder.path)
        if folder.recipe.storage is not None:
            optuna.delete_study(study_name=folder.name, storage=folder.storage)
        try:
            shutil.rmtree(folder.path)
        except OSError as error:
            raise StudyError(
                f"{error.filename or folder.path} cannot be removed: {reason_of(error)}; remove "
                f"{folder.path} by hand"
            ) from None
        remote.remove(folder.path)
    return size


def taken(path: Path) -> int:
    """The bytes of all files below a folder."""
    total = 0
    for file in path.rglob("*"):
        # A search may remove it meanwhile.
        with suppress(OSError):
            total += file.lstat().st_size
    return total
