"""Finds the label column of a table, or says that it is not clear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from progsearch.errors import TaskError
from progsearch.tasks.sources.table import Table
from progsearch.tasks.types.kinds import TEXT_NAMES, Kind, have_same_values, listed, normalised

LABEL_NAMES = (
    "label",
    "labels",
    "target",
    "class",
    "sentiment",
    "stars",
    "score",
    "rating",
    "category",
    "y",
)
"""Names of a label column that everyone would take. The first counts if several say the same."""

_LAST_PARTS = ("label", "labels", "sentiment", "target")
"""Last parts of such names: ``gold_label``, ``airline_sentiment``."""

_SHOWN = 10
_YES = {"1", "1.0", "true", "yes"}
_NO = {"0", "0.0", "false", "no"}


def find_label(table: Table, kinds: Mapping[str, Kind], texts: tuple[str, ...]) -> str:
    """The label column: the one with a label's name, or the only one that can be it.

    Args:
        table: The training rows.
        kinds: What the values of each column are.
        texts: The text columns, if they are known.

    Raises:
        TaskError: There is none, or several may be it; the message names them.
    """
    rest = [name for name in table.columns if name not in texts]
    if not rest:
        raise TaskError(
            f"{table.source} has no column left for the labels: its columns are "
            f"{', '.join(table.columns)}"
        )
    known = sorted(
        (name for name in rest if normalised(name) in LABEL_NAMES),
        key=lambda name: LABEL_NAMES.index(normalised(name)),
    )
    declared = [name for name in rest if name in table.classes]
    if len(known) > 1:
        first, *others = [name for name in known if name in declared] or known
        others = [name for name in others if not have_same_values(table, name, first)]
        if others:
            raise TaskError(
                f"{table.source} has several columns with a label's name, "
                f"{listed([first, *others])}: name one with --label-column"
            )
        return first
    if known or len(declared) == 1:
        return (known or declared)[0]
    may_be = _different(
        table, [name for name in rest if _may_be(kinds[name], normalised(name))], kinds
    )
    named = [name for name in may_be if normalised(name).split("_")[-1] in _LAST_PARTS]
    found = named if len(named) == 1 else may_be
    if len(found) == 1 and (texts or len(rest) > 1):
        return found[0]
    if len(may_be) > 1:
        raise TaskError(
            f"{table.source}: the label column is not clear, it may be {listed(may_be, 'or')}: "
            f"name it with --label-column{_on_several(table, may_be)}"
        )
    is_one = table.has_header and len(table.columns) == 1
    one = "; give --separator if the file has several columns" if is_one else ""
    raise TaskError(
        f"{table.source} has no label column, only {_described(rest, kinds)}: add a column of "
        f"labels, or name it with --label-column{one}{_on_language(rest, kinds)}"
    )


def _on_language(names: Sequence[str], kinds: Mapping[str, Kind]) -> str:
    """How a language model learns from columns that all are texts."""
    if not all(kinds[name].prose for name in names):
        return ""
    if len(names) == 1:
        return "; a language model learns from texts with --type causal-lm"
    return (
        "; a language model learns one from another with --type causal-lm, --text-columns and "
        "--label-column"
    )


def _may_be(kind: Kind, name: str) -> bool:
    is_text = name in TEXT_NAMES and kind.words and not kind.yes_or_no
    return kind.may_be_label and not is_text


def _different(table: Table, names: Sequence[str], kinds: Mapping[str, Kind]) -> list[str]:
    """The columns without indices of classes that another column names."""
    in_words = [name for name in names if kinds[name].words]
    return [
        name
        for name in names
        if name in in_words or not any(have_same_values(table, name, other) for other in in_words)
    ]


def _on_several(table: Table, names: Sequence[str]) -> str:
    """What to do if several columns of 0 and 1 are the labels together."""
    answers = [
        name
        for name in names
        if {str(v).strip().casefold() for v in table.columns[name] if not table.is_missing(v)}
        <= _YES | _NO
    ]
    if len(answers) < 2:
        return ""
    rows = zip(*(table.columns[name] for name in answers), strict=True)
    if all(sum(str(v).strip().casefold() in _YES for v in row) == 1 for row in rows):
        return (
            f"; each row has exactly one of {listed(answers)}: write its name into one column "
            "for classes, and leave out the columns of 0 and 1"
        )
    given = ",".join(answers[:_SHOWN]) + (",..." if len(answers) > _SHOWN else "")
    return (
        f"; {listed(answers)} are 0 or 1, or no or yes: if a row can have several of them, the "
        f"data is multi-label, given as --label-column {given}"
    )


def _described(names: Sequence[str], kinds: Mapping[str, Kind]) -> str:
    def word(kind: Kind) -> str:
        return kind.never or ("text" if kind.words else "numbers")

    return listed([f"{name} ({word(kinds[name])})" for name in names])
