"""`progsearch cache`: where the machine-wide cache is, what it holds, and how to shrink it."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from progsearch.cached import KINDS, Entry, clear, entries, prune
from progsearch.cli import options
from progsearch.errors import ConfigError
from progsearch.show.output import print_json, say, say_pairs

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_UNITS |= {f"{unit}i": 1024**power for power, unit in enumerate("KMGT", 1)}


def cache(
    kind: Annotated[
        str | None, typer.Argument(metavar="[KIND]", help=f"Only one of {', '.join(KINDS)}.")
    ] = None,
    clear_it: Annotated[
        bool,
        typer.Option(
            "--clear",
            help="Remove it: all that can be computed again, or all of KIND.",
        ),
    ] = False,
    limit: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Remove what was not used for longest until the rest takes at most SIZE, "
            "such as 5GiB.",
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Show or shrink what all studies of this machine share on disk.

    Nothing of a study is in it. A search that runs computes again what is removed.

    Examples:
        progsearch cache
        progsearch cache --limit 5GiB
        progsearch cache --clear
    """
    if kind is not None and kind not in KINDS:
        raise ConfigError("KIND", [("", f"must be one of {', '.join(KINDS)}, got {kind!r}")])
    if clear_it and limit is not None:
        raise ConfigError("--clear", [("", "removes all, so --limit is of no use; give one")])
    kinds = () if kind is None else (kind,)
    freed = None
    if clear_it:
        freed = clear(kinds)
    elif limit is not None:
        freed = prune(_bytes_of(limit), kinds)
    held = {name: entries([name]) for name in kinds or KINDS}
    if json:
        _print_data(held, freed)
    else:
        _print_lines(held, freed)


def _print_data(held: dict[str, list[Entry]], freed: int | None) -> None:
    from progsearch.cache import cache_root

    sizes = {name: sum(entry.size for entry in found) for name, found in held.items()}
    counts = {name: {"bytes": sizes[name], "entries": len(found)} for name, found in held.items()}
    print_json(
        {
            "folder": str(cache_root()),
            "bytes": sum(sizes.values()),
            "kinds": counts,
            "freed": freed,
        }
    )


def _print_lines(held: dict[str, list[Entry]], freed: int | None) -> None:
    from progsearch.cache import cache_root
    from progsearch.numerals import size

    if freed is not None:
        say(f"{size(freed)} freed")
    total = sum(entry.size for found in held.values() for entry in found)
    say(f"{size(total)} in {cache_root()}")
    width, lines = max(map(len, held)), []
    for name, found in held.items():
        if found:
            taken = size(sum(entry.size for entry in found))
            lines.append((f"  {name:<{width}}  {taken:>8}", KINDS[name]))
    say_pairs(lines)


def _bytes_of(text: str) -> int:
    match = re.fullmatch(r"(\d{1,30}(?:\.\d+)?)\s*([KMGT]?i?)B?", text.strip(), re.IGNORECASE)
    unit = "" if match is None else match[2][:1].upper() + match[2][1:].lower()
    if match is None or unit not in _UNITS:
        raise ConfigError("--limit", [("", f"write it like 5GiB or 500MiB, got {text!r}")])
    return int(float(match[1]) * _UNITS[unit])
