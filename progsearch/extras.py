"""How an extra of this package is installed, for messages."""

from __future__ import annotations

import shlex
from pathlib import Path


def install_line(extra: str) -> str:
    """The command that installs an extra: from the checkout, if progsearch runs from one."""
    checkout = _checkout()
    if checkout is None:
        return f"pip install 'progsearch[{extra}]'"
    here = checkout == Path.cwd()
    # The shell must not read the brackets as a pattern.
    target = f"'.[{extra}]'" if here else shlex.quote(f"{checkout}[{extra}]")
    return f"pip install -e {target}"


def _checkout() -> Path | None:
    """The folder of the checkout that progsearch runs from; None if it is installed otherwise."""
    folder = Path(__file__).resolve().parents[1]
    return folder if (folder / "pyproject.toml").is_file() else None
