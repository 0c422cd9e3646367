"""Finds out what the tags of words mean: which scheme marks where entities begin and end."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

OUTSIDE = "O"
"""The tag of words that belong to no entity."""

_TAG = re.compile(r"([BIESLUM])-(.+)", re.DOTALL)
_ORDER = "BIMELSU"
# BILOU's letters, and BMES's, as those of BIOES.
_MEANS = {"L": "E", "U": "S", "M": "I"}


@dataclass(frozen=True)
class Scheme:
    """How tags mark entities.

    Attributes:
        name: ``IOB1``, ``IOB2``, ``BIOES``, ``BILOU`` or ``BMES``.
        kinds: The kinds of entities, sorted.
    """

    name: str
    kinds: tuple[str, ...]

    @property
    def about(self) -> str:
        """A description."""
        if self.name == "IOB1":
            return "IOB1 (B- only if an entity follows another one of its kind)"
        return self.name


def part(tag: str) -> tuple[str, str] | None:
    """The letter of a tag, as in BIOES, and the kind of entity; None if it has no such letter."""
    if tag == OUTSIDE:
        return OUTSIDE, ""
    found = _TAG.fullmatch(tag)
    return None if found is None else (_MEANS.get(found[1], found[1]), found[2])


def are_entities(names: Iterable[str]) -> bool:
    """Whether tags mark entities: all are O or have a letter such as B-, at least one of them."""
    parts = [part(name) for name in names]
    return None not in parts and any(found and found[1] for found in parts)


def scheme_of(names: Sequence[str], sentences: Iterable[Sequence[str]]) -> Scheme | None:
    """The scheme of tags; None if they mark no entities, such as parts of speech.

    Args:
        names: All tags.
        sentences: The tags of the words of each sentence, to tell IOB1 and IOB2 apart.
    """
    if not are_entities(names):
        return None
    letters = {name[0] for name in names if name != OUTSIDE}
    kinds = tuple(sorted({found[1] for found in map(part, names) if found and found[1]}))
    if letters & set("LU"):
        name = "BILOU"
    elif "M" in letters:
        name = "BMES"
    elif letters & set("ES"):
        name = "BIOES"
    else:
        name = "IOB1" if _are_iob1(sentences) else "IOB2"
    return Scheme(name, kinds)


def _are_iob1(sentences: Iterable[Sequence[str]]) -> bool:
    """Whether entities begin with I-, and with B- only directly after one of the same kind."""
    begins_inside = False
    for tags in sentences:
        for before, tag in pairwise([OUTSIDE, *tags]):
            same = before != OUTSIDE and before[2:] == tag[2:]
            if tag.startswith("B-") and not same:
                return False
            begins_inside |= tag.startswith("I-") and not same
    return begins_inside


def ordered(names: Iterable[str]) -> tuple[str, ...]:
    """Tags in a fixed order: O first, then by the kind of entity and the letter."""

    def place(name: str) -> tuple[bool, str, int, str]:
        found = _TAG.fullmatch(name)
        if found is None:
            return name != OUTSIDE, name, 0, name
        return True, found[2], _ORDER.index(found[1]), name

    return tuple(sorted(names, key=place))
