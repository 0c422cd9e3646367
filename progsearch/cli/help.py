"""Help in plain text: options and commands in groups, examples at the end, as wide as fits."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from typing import Any

from typer.core import TyperCommand, TyperGroup

from progsearch.show.wrapping import broken_command, wrapped

# Longer lines are hard to read.
_WIDEST = 100
# The names of options stand above what they do in a narrower terminal.
_NARROW = 60
_NAMES, _SHORT = 30, 14
_EXAMPLES = "\nExamples:\n"

GROUPS = (
    "Data",
    "Model and method",
    "Training",
    "Search",
    "Objectives and limits",
    "Resources",
    "Output",
)
"""The groups of options, in the order of the help; the panels of typer's options."""


class _Plain:
    """What a command and a group of commands write alike; before typer's class in the bases."""

    help: str | None

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write all of it; called by typer."""
        formatter.width = _width()
        super().format_help(ctx, formatter)  # type: ignore[misc]

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Write what it does."""
        for paragraph in (self.help or "").strip().split("\n\n"):
            words = " ".join(paragraph.split())
            formatter.write(f"\n{wrapped(words, formatter.width, first='  ', indent='  ')}\n")


class Command(_Plain, TyperCommand):
    """A command; its docstring may end with ``Examples:``, one indented line each."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        text, _, examples = (self.help or "").partition(_EXAMPLES)
        self.help = text.strip()
        self.examples = [line.strip() for line in examples.splitlines() if line.strip()]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments and the options, in groups."""
        _write_options(self.get_params(ctx), ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples."""
        if self.examples:
            formatter.write("\nExamples:\n")
        for example in self.examples:
            formatter.write(f"{_example(example, formatter.width)}\n")


class Group(_Plain, TyperGroup):
    """The command line as a whole: its commands in groups."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, then the options."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                about = " ".join((command.help or "").split("\n\n")[0].split())
                group = getattr(command, "rich_help_panel", None) or "Commands"
                groups.setdefault(group, []).append((name, about))
        longest = max(len(name) for rows in groups.values() for name, _ in rows)
        for group, rows in groups.items():
            _write_list(formatter, group, rows, longest)
        _write_options(self.get_params(ctx), ctx, formatter)


def _width() -> int:
    return max(20, min(shutil.get_terminal_size().columns, _WIDEST))


def _write_options(parameters: Iterable[Any], ctx: Any, formatter: Any) -> None:
    arguments: list[tuple[str, str]] = []
    options: dict[str, list[tuple[str, str]]] = {}
    for parameter in parameters:
        found = parameter.get_help_record(ctx)
        if found is None:
            continue
        if parameter.param_type_name == "argument":
            # Without the type, which the name and the help tell.
            arguments.append((found[0].split(" <")[0], found[1]))
        else:
            group = getattr(parameter, "rich_help_panel", None) or "Options"
            options.setdefault(group, []).append(found)
    order = [*(group for group in options if group not in GROUPS), *GROUPS]
    shown = {group: options[group] for group in order if group in options}
    if len(shown) > 1 and len(shown.get("Options", ())) == 1:
        # The option for this help alone is no group.
        list(shown.values())[-1].extend(shown.pop("Options"))
    if arguments:
        _write_list(formatter, "Arguments", arguments)
    names = [len(name) for rows in shown.values() for name, _ in rows if len(name) <= _NAMES]
    for group, rows in shown.items():
        _write_list(formatter, group, rows, max(names, default=0))


def _write_list(
    formatter: Any, title: str, rows: Sequence[tuple[str, str]], longest: int = 0
) -> None:
    formatter.write(f"\n{title}:\n")
    column = longest or min(_NAMES, max(len(name) for name, _ in rows))
    if formatter.width < _NARROW and column > _SHORT:
        column = 2
    indent = " " * (column + 4)
    for name, about in rows:
        beside = len(name) <= column
        if not beside:
            formatter.write(f"{wrapped(name, formatter.width, first='  ', indent='    ')}\n")
        first = f"  {name:<{column}}  " if beside else indent
        text = " ".join(about.split())
        formatter.write(f"{wrapped(text, formatter.width, first=first, indent=indent)}\n")


def _example(line: str, width: int) -> str:
    """A command that can be copied, broken if it is too long; other lines are remarks."""
    if not line.startswith("progsearch"):
        return wrapped(line, width, first="  ", indent="  ")
    return broken_command(line, width)
