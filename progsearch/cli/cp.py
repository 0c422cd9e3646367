"""`progsearch cp`: a copy of a search space to edit."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from progsearch.cli.options import check_target
from progsearch.errors import ConfigError
from progsearch.show.output import say


def cp(
    space: Annotated[
        str, typer.Argument(metavar="SPACE", help="A space of `progsearch ls spaces`.")
    ],
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The file to write.", readable=False)
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
) -> None:
    """Copy a search space to edit.

    Its comments explain the format.

    Examples:
        progsearch cp progtuning my-space.yaml
    """
    from progsearch.space.shipped import shipped_files

    known = shipped_files("search_spaces")
    if space not in known:
        raise ConfigError(space, [("", f"is no built-in space; there are {', '.join(known)}")])
    check_target(file, "FILE", replace=force)
    shutil.copyfile(known[space], file)
    say(f"{file}: edit it, then `progsearch run --space {file} ...`")
