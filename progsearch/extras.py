"""The extras of this package: whether they are there, and how they are installed."""

from __future__ import annotations

import shlex
from importlib.util import find_spec
from pathlib import Path

from progsearch.errors import ConfigError


def check_bitsandbytes(place: str, what: str) -> None:
    """Check that the library for weights in 4 and moments in 8 bits is there.

    Args:
        place: The option that asks for it, for the message.
        what: Its value.

    Raises:
        ConfigError: It is not installed.
    """
    if find_spec("bitsandbytes") is None:
        reason = f"{what} needs the library bitsandbytes, which is not installed: run "
        raise ConfigError(place, [("", reason + install_line("gpu"))])


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
