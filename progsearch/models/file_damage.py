"""Finds damage in a single model file without loading it."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

from progsearch.errors import ModelError

AGAIN = "copy or download it again"
"""The cure for a damaged file of a user's own folder."""

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
# Bytes read from every file: enough for the first line of a pointer.
_START = 64
# The format's own limit; without it a file of another kind could ask for gigabytes.
_LONGEST_HEADER = 100_000_000
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"


def check_file(path: Path, cure: str = AGAIN) -> None:
    """Refuse a file that cannot load.

    Every file is checked for being readable, not empty and not a Git LFS pointer. Weight files
    are also checked for completeness, using the lengths in their header.

    Args:
        path: A file of a model.
        cure: What to do with a damaged file.

    Raises:
        ModelError: It cannot be used.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_START)
            if start.startswith(_LFS_POINTER):
                raise ModelError(
                    f"{path} is a Git LFS pointer, not the file itself; run `git lfs pull` in its "
                    f"folder, or {cure}"
                )
            if not start.strip():
                raise ModelError(f"{path} is empty; {cure}")
            if path.suffix == ".safetensors":
                _check_safetensors(path, file, cure)
            elif path.suffix == ".bin":
                _check_pickled(path, file, start, cure)
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> ModelError:
    """The error for a file or folder that the system does not let this process read."""
    reason = error.strerror or type(error).__name__
    return ModelError(f"{path} cannot be read ({reason}); make it readable for this user")


def missing_target(path: Path) -> ModelError | None:
    """The error for a broken link; None if ``path`` is not one."""
    if not path.is_symlink() or os.path.exists(path):
        return None
    return ModelError(
        f"{path} is a link to {os.readlink(path)}, which is missing; bring that file back, or put "
        f"the file itself in the link's place"
    )


def read_object(path: Path, cure: str = AGAIN) -> dict[str, Any]:
    """The content of a JSON file that holds an object.

    Raises:
        ModelError: It cannot be read, or holds something else.
    """
    check_file(path, cure)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise unreadable(path, error) from error
    except ValueError as error:
        raise ModelError(f"{path} is not JSON ({error}); {cure}") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path} holds no JSON object; {cure}")
    return content


def _check_safetensors(path: Path, file: BinaryIO, cure: str) -> None:
    """Compare the size with the header: 8 bytes for its length, then JSON, then the tensors."""
    size = path.stat().st_size
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if length > _LONGEST_HEADER or file.read(1) not in (b"{", b""):
        raise ModelError(f"{path} is not a safetensors file; {cure}")
    file.seek(8)
    header = file.read(length)
    if len(header) < length:
        raise ModelError(f"{path} is cut off within its header, at {size} bytes; {cure}")
    try:
        tensors = json.loads(header)
        end = max(
            (entry["data_offsets"][1] for name, entry in tensors.items() if name[:2] != "__"),
            default=0,
        )
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise ModelError(f"{path} has a damaged header; {cure}") from error
    whole = 8 + length + end
    if size < whole:
        raise ModelError(f"{path} is cut off: it has {size} of {whole} bytes; {cure}")
    if size > whole:
        raise ModelError(f"{path} is damaged: it has {size} bytes instead of {whole}; {cure}")


def _check_pickled(path: Path, file: BinaryIO, start: bytes, cure: str) -> None:
    """Check that a `torch.save` file is complete: a zip file, or before torch 1.6 a pickle."""
    if start.startswith(_PICKLE):
        return
    if not start.startswith(_ZIP):
        raise ModelError(f"{path} is not a file of PyTorch weights; {cure}")
    try:
        # The table of contents is at the end of a zip file.
        zipfile.ZipFile(file).close()
    except zipfile.BadZipFile as error:
        size = path.stat().st_size
        raise ModelError(f"{path} is cut off or damaged, at {size} bytes; {cure}") from error
