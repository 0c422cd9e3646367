"""Help: groups, examples that are valid, and no line beyond the width."""

import shlex
from typing import Any

import pytest
from typer.main import get_command

from progsearch.cli import app
from progsearch.cli.help import GROUPS
from progsearch.words import recipe_options

CLI: Any = get_command(app)
COMMANDS = list(CLI.commands)


def test_options_stand_in_groups(progsearch):
    text = progsearch("run", "-h").stdout
    places = [text.index(f"\n{group}:\n") for group in (*GROUPS, "Examples")]
    assert places == sorted(places)
    assert text.index("\nData:") < text.index("--train-file") < text.index("\nModel and method:")
    assert "\nOptions:" not in text
    assert {option.group for option in recipe_options()} == set(GROUPS)


def test_commands_stand_in_groups_with_their_whole_first_sentence(progsearch):
    text = progsearch("-h").stdout
    assert text.index("\nSearch:\n") < text.index("\n  confirm ") < text.index("\nUse a result:\n")
    assert "..." not in text.split("\n", 1)[1]


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("name", [None, *COMMANDS])
def test_help_fits(progsearch, monkeypatch, width, name):
    monkeypatch.setenv("COLUMNS", str(width))
    lines = progsearch(*([name] if name else []), "-h").stdout.splitlines()
    assert all(len(line) <= width for line in lines)
    assert not any("…" in line for line in lines)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_ends_with_examples_of_its_own_options(name, progsearch):
    command = CLI.commands[name]
    known = {flag for p in command.params for flag in (*p.opts, *p.secondary_opts)}
    assert command.examples
    for example in command.examples:
        program, called, *words = shlex.split(example)
        assert (program, called) == ("progsearch", name)
        assert {word for word in words if word.startswith("--")} <= known
    shown = progsearch(name, "-h").stdout.split("\nExamples:\n")[1]
    assert shown.replace(" \\\n   ", "").split("\n") == [*(f"  {e}" for e in command.examples), ""]
