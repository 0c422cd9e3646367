"""Runs one fuzzed input in this process and says how it ended."""

from __future__ import annotations

import contextlib
import io
import re
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

import typer

from progsearch import cli
from progsearch.errors import ProgsearchError

# typer would make all commands and options again for each command line.
_BUILT = typer.main.get_command(cli.app)

DEADLINE = 60.0
"""Seconds that an input may take, the imports of the first one included."""

_CODES = (0, 1, 2, 3, 130)


class Hang(BaseException):
    """An input took longer than `DEADLINE`."""


class Reached(Exception):
    """The work that a command line asked for would begin now."""


@dataclass(frozen=True)
class Fault:
    """How an input failed.

    Attributes:
        where: Equal for inputs that fail in the same way.
        detail: The traceback or the output.
    """

    where: str
    detail: str


@contextlib.contextmanager
def deadline(seconds: float = DEADLINE) -> Iterator[None]:
    """While active, `Hang` is raised after some seconds."""

    def end(number: int, frame: FrameType | None) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def fault_of(function: Callable[[], Any]) -> Fault | None:
    """How a function fails; a user's mistake, in one sentence, is no failure."""
    try:
        with deadline(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            function()
    except ProgsearchError as error:
        if not str(error).strip():
            return Fault(f"{type(error).__name__} without a sentence", traceback.format_exc())
    except Reached:
        pass
    except (Exception, Hang) as error:
        return _fault(error)
    return None


def _fault(error: BaseException) -> Fault:
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if re.search(r"/(progsearch|tests)/", f.filename)]
    last = (own or frames)[-1]
    place = f"{Path(last.filename).name}:{last.name}"
    return Fault(f"{type(error).__name__} in {place}", traceback.format_exc())


def command_fault(*arguments: str) -> Fault | None:
    """How a command line fails: a traceback, a hang, another exit code or an error unsaid."""
    out, errors = io.StringIO(), io.StringIO()
    code: Any = None

    def run() -> None:
        nonlocal code
        argv, sys.argv = sys.argv, ["progsearch", *arguments]
        shown = warnings.formatwarning
        try:
            with (
                mock.patch("progsearch.cli.app", _BUILT),
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(errors),
            ):
                cli.main()
        except SystemExit as leaving:
            code = leaving.code or 0
        finally:
            sys.argv = argv
            warnings.formatwarning = shown

    if fault := fault_of(run):
        return fault
    said = errors.getvalue()
    if code is not None and code not in _CODES:
        return Fault(f"exit code {code} of {arguments[0]}", said)
    if code and not said.strip():
        return Fault(f"exit code {code} of {arguments[0]} without a sentence", out.getvalue())
    if "Traceback (most recent" in said:
        return Fault(f"traceback shown by {arguments[0]}", said)
    return None
