"""Says which of two classes is the positive one, whose F1 score ``f1`` is."""

from __future__ import annotations

from collections.abc import Sequence

from progsearch.errors import TaskError
from progsearch.tasks.sources.cells import number
from progsearch.tasks.types.kinds import normalised

_PAIRS = (
    ("0", "1"),
    ("-1", "1"),
    ("no", "yes"),
    ("n", "y"),
    ("false", "true"),
    ("f", "t"),
    ("negative", "positive"),
    ("neg", "pos"),
    ("bad", "good"),
    ("ham", "spam"),
    ("incorrect", "correct"),
    ("invalid", "valid"),
    ("irrelevant", "relevant"),
    ("unacceptable", "acceptable"),
    ("absent", "present"),
)
"""The negative and the positive class, in any case, of names that leave no doubt."""


def positive_class(names: Sequence[str], given: str | None) -> int | None:
    """The index of the positive class: the given one, or the one that the names say.

    With names such as ``toxic`` and ``not_toxic`` it is the one without "not" or "non".

    Args:
        names: The classes.
        given: The name that the user gave, if any.

    Returns:
        None if nobody says which class is the positive one.

    Raises:
        TaskError: There is no class of the given name, or there are not two classes.
    """
    if given is not None:
        if len(names) != 2:
            raise TaskError(
                f"--positive-class is for two classes, and the data has {len(names)}: leave it out"
            )
        if given not in names:
            raise TaskError(
                f"--positive-class {given!r} is no class of the data: give "
                f"{' or '.join(map(repr, names))}"
            )
        return list(names).index(given)
    words = [_plain(name) for name in names]
    for negative, positive in _PAIRS:
        if set(words) == {negative, positive}:
            return words.index(positive)
    for index, word in enumerate(words):
        others = {f"not_{word}", f"non_{word}", f"no_{word}", f"non{word}", f"not{word}"}
        if words[1 - index] in others:
            return index
    return None


def _plain(name: str) -> str:
    """A name as it is compared; ``1.0`` is 1."""
    value = number(name)
    return f"{value:g}" if value is not None else normalised(name)
