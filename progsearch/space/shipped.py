"""The YAML files that come with progsearch: search spaces and study recipes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

_PACKAGE = Path(__file__).resolve().parent.parent


def shipped_files(kind: Literal["search_spaces", "studies"]) -> dict[str, Path]:
    """The shipped files of a kind by name, in alphabetical order."""
    # A wheel holds the folder inside the package, a checkout beside it.
    folder = _PACKAGE / kind
    if not folder.is_dir():
        folder = _PACKAGE.parent / kind
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
