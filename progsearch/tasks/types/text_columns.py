"""Finds the text columns of a table, or says that they are not clear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from progsearch.errors import TaskError
from progsearch.tasks.sources.table import Table
from progsearch.tasks.types.kinds import (
    ADDRESSES,
    PAIRS,
    SPLIT_NAMES,
    TEXT_NAMES,
    Kind,
    have_same_values,
    listed,
    normalised,
)

NUMBERS = "numbers"

_SHOWN = 10
_ENDS = ("12", "ab", "01")


@dataclass(frozen=True)
class Columns:
    """The columns of a task.

    Attributes:
        texts: The text columns, two for pairs.
        label: The label column.
        left_out: Why each other column is neither, if that was found and not given.
    """

    texts: tuple[str, ...]
    label: str
    left_out: Mapping[str, str] = field(default_factory=dict)

    def note(self, source: str) -> str | None:
        """A sentence on the columns that are left out; None if there are none."""
        if not self.left_out:
            return None
        shown = [f"{name} ({why})" for name, why in self.left_out.items()]
        more = ", ..." if len(shown) > _SHOWN else ""
        return f"{source}: columns left out: {', '.join(shown[:_SHOWN])}{more}"


def find_texts(table: Table, kinds: Mapping[str, Kind], label: str) -> Columns:
    """The text column beside a label, or the two of a pair.

    Args:
        table: The training rows.
        kinds: What the values of each column are.
        label: The label column.

    Raises:
        TaskError: There is none, or several may be it; the message names them.
    """
    left_out = {}
    may_be = []
    for name in table.columns:
        if name != label:
            reason = _why_no_text(table, kinds[name], name, label)
            if reason is None:
                may_be.append(name)
            else:
                # Otherwise nobody sees that the rows of a test split are trained on, too.
                is_split = reason == SPLIT_NAMES
                left_out[name] = f"{reason}, all rows are used" if is_split else reason
    if not may_be:
        # With few rows a text, too, may return with its label.
        may_be = [name for name in left_out if _is_only_like_label(table, name, label)]
        may_be = may_be if len(may_be) == 1 else _only_other(left_out)
    texts = _clear(may_be, kinds)
    if texts:
        others = {name: _why_not_this(kinds[name]) for name in may_be if name not in texts}
        left_out = {n: w for n, w in (left_out | others).items() if n not in texts}
        return Columns(texts, label, left_out)
    if not may_be:
        raise TaskError(
            f"{table.source} has no text column beside the label {label!r}, only "
            f"{listed([f'{n} ({w})' for n, w in left_out.items()]) or 'that'}: name one or two "
            "with --text-columns"
        )
    prose = [name for name in may_be if kinds[name].prose]
    may_be = prose if len(prose) > 1 else may_be
    raise TaskError(
        f"{table.source}: the text columns are not clear, they may be {listed(may_be)} (label: "
        f"{label}): name one, or two for pairs, with --text-columns"
    )


def _why_no_text(table: Table, kind: Kind, name: str, label: str) -> str | None:
    if kind.lists:
        return "lists or objects"
    if normalised(name) in TEXT_NAMES and kind.words:
        return None
    if kind.never is not None:
        return kind.never
    if not kind.words:
        return "yes or no" if kind.yes_or_no else NUMBERS
    if have_same_values(table, name, label):
        return f"the same as {label}"
    return "yes or no" if kind.yes_or_no else None


def _is_only_like_label(table: Table, name: str, label: str) -> bool:
    related = normalised(name).startswith(normalised(label))
    return not related and have_same_values(table, name, label)


def _only_other(left_out: Mapping[str, str]) -> list[str]:
    """The only column with a text's name, if it holds numbers, or the only one, of addresses."""
    named = [name for name in left_out if normalised(name) in TEXT_NAMES]
    if len(named) == 1 and left_out[named[0]] == NUMBERS:
        return named
    return list(left_out) if len(left_out) == 1 and {*left_out.values()} <= {*ADDRESSES} else []


def _clear(may_be: Sequence[str], kinds: Mapping[str, Kind]) -> tuple[str, ...]:
    """The text columns, if there is no doubt."""
    if len(may_be) == 1:
        return (may_be[0],)
    by_name = {normalised(name): name for name in reversed(may_be)}
    # ``review_title`` and ``review_text``, too.
    prefixes = dict.fromkeys(["", *(f"{name.split('_', 1)[0]}_" for name in by_name)])
    for first, second in PAIRS:
        for prefix in prefixes:
            if {prefix + first, prefix + second} <= set(by_name):
                return by_name[prefix + first], by_name[prefix + second]
    prose = [name for name in may_be if kinds[name].prose]
    lasting = prose or [name for name in may_be if not kinds[name].repeats]
    if len(lasting) == 1:
        return (lasting[0],)
    if len(lasting) == 2 and _are_two_of_a_kind(*lasting):
        return tuple(lasting)
    named = [name for name in may_be if normalised(name) in TEXT_NAMES]
    return (named[0],) if len(named) == 1 and not prose else ()


def _are_two_of_a_kind(first: str, second: str) -> bool:
    """Whether names differ in one sign alone: ``text_a`` and ``text_b``, ``#1 text``."""
    signs = zip(normalised(first), normalised(second), strict=False)
    differing = ["".join(pair) for pair in signs if len(set(pair)) > 1]
    return len(first) == len(second) and len(differing) == 1 and differing[0] in _ENDS


def _why_not_this(kind: Kind) -> str:
    if kind.prose:
        return "another text"
    return "few values" if kind.repeats else "short words"
