"""The command line: `main`, and one module per subcommand.

These modules import the heavy libraries inside the functions that use them, so that help and
errors in the options appear at once.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from os.path import expanduser, isabs
from typing import Annotated

import typer

from progsearch.cli import (
    cache,
    confirm,
    contributions,
    cp,
    dashboard,
    doctor,
    export,
    ls,
    report,
    resume,
    rm,
    run,
    selfcheck,
    status,
    train,
    validate,
)
from progsearch.cli.arguments import arguments
from progsearch.cli.help import Command, Group
from progsearch.errors import Interrupted, MachineFailed, ProgsearchError
from progsearch.paths import is_of_a_place, is_of_the_machine, reason_of
from progsearch.show.output import any_encoding, say
from progsearch.show.wrapping import width_of, wrapped
from progsearch.signals import Stopped, interrupted, stopped_by_signals

# Plain help and plain usage errors: one line a message, the same in a terminal and in a log.
app = typer.Typer(
    name="progsearch",
    cls=Group,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_COMMANDS: dict[str, dict[str, Callable[..., None]]] = {
    "Search": {
        "run": run.run,
        "resume": resume.resume,
        "status": status.status,
        "report": report.report,
        "confirm": confirm.confirm,
    },
    "Use a result": {"export": export.export, "train": train.train},
    "Look inside": {
        "contributions": contributions.contributions,
        "selfcheck": selfcheck.selfcheck,
        "doctor": doctor.doctor,
        "dashboard": dashboard.dashboard,
    },
    "Lists and files": {
        "ls": ls.ls,
        "cp": cp.cp,
        "validate": validate.validate,
        "cache": cache.cache,
        "rm": rm.rm,
    },
}
for _group, _members in _COMMANDS.items():
    for _name, _function in _members.items():
        app.command(_name, cls=Command, rich_help_panel=_group)(_function)


def _print_version(wanted: bool) -> None:
    if wanted:
        from progsearch.version import __version__

        say(f"progsearch {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Search progressive fine-tuning schedules for a Transformer and a task.

    `progsearch COMMAND -h` explains a command and gives examples.

    Exit codes: 0 done, 1 nothing usable (every trial failed, or nothing was learned), 2 wrong
    input, 3 the machine failed with all state saved; interrupted with all state saved: 130 by
    Ctrl-C, 143 by SIGTERM, 129 by a closed terminal.
    """


def main() -> None:
    """Run the command line; a user's mistake ends in one sentence and its exit code."""
    # Users see warnings without the line of code that raised them.
    warnings.formatwarning = lambda message, *_, **__: f"Warning: {message}\n"
    any_encoding(sys.stdout, sys.stderr)
    if not isabs(expanduser("~")):
        # In containers a user id may have no name and no home, but libraries ask for the home.
        os.environ["HOME"] = "/"
    try:
        with stopped_by_signals():
            app(arguments(), prog_name="progsearch")
    except Stopped as stop:
        print("interrupted", file=sys.stderr)
        sys.exit(interrupted("", stop.number).exit_code)
    except Interrupted as interruption:
        _complain(str(interruption))
        sys.exit(interruption.exit_code)
    except ProgsearchError as error:
        _complain(f"Error: {error}")
        sys.exit(error.exit_code)
    except OSError as error:
        # Errors of disks and permissions can occur anywhere; other errors are bugs.
        if not is_of_a_place(error):
            raise
        named = error.filename or "a file"
        _complain(f"Error: {named} cannot be used: {reason_of(error)}")
        failed = MachineFailed if is_of_the_machine(error) else ProgsearchError
        sys.exit(failed.exit_code)


def _complain(text: str) -> None:
    print(wrapped(text, width_of(sys.stderr), indent="  "), file=sys.stderr)
