"""Strategies that damage valid inputs: trees of YAML and JSON, bytes, texts and command lines."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

_WORDS = ("", " ", "0", "-1", "nan", "null", "é", "\u202e", "🙂", "\x00", "a" * 3000, "1e-4", "~")
_NUMBERS = (0, -1, 1, 2**31, 2**63, 10**30, 10**400, 0.0, -0.5, 1e-320, 1e308)
_SPECIAL = (float("nan"), float("inf"), -float("inf"), None, True, False, [], {}, [[]], {"": None})


def _deep(depth: int) -> Any:
    found: Any = []
    for _ in range(depth):
        found = [found]
    return found


def values() -> st.SearchStrategy[Any]:
    """Values that are mostly wrong where they are put."""
    return st.one_of(
        st.sampled_from(_WORDS),
        st.sampled_from(_NUMBERS),
        # A copy, since it may be damaged further where it is put.
        st.sampled_from(_SPECIAL).map(copy.deepcopy),
        st.text(max_size=6),
        st.integers(),
        st.floats(),
        st.sampled_from((5, 60)).map(_deep),
    )


def _places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all nodes of a tree, the root first."""
    found = [path]
    if isinstance(tree, dict | list):
        items = tree.items() if isinstance(tree, dict) else enumerate(tree)
        for key, value in items:
            found += _places(value, (*path, key))
    return found


def _at(tree: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        tree = tree[key]
    return tree


@st.composite
def damaged_trees(draw: st.DrawFn, tree: Any, most: int = 3) -> Any:
    """A tree with a few changes: removed, renamed, copied, swapped or replaced nodes."""
    holder = [copy.deepcopy(tree)]
    for _ in range(draw(st.integers(1, most))):
        places = [path for path in _places(holder) if path]
        path = draw(st.sampled_from(places))
        parent, key = _at(holder, path[:-1]), path[-1]
        match draw(st.sampled_from(("replace", "replace", "near", "remove", "rename", "other"))):
            case "replace":
                parent[key] = draw(values())
            case "near":
                parent[key] = draw(_near(parent[key]))
            case "remove" if path != (0,):
                del parent[key]
            case "rename" if isinstance(parent, dict):
                parent[draw(st.sampled_from(("", "x", f"{key}s", str(key).upper())))] = parent.pop(
                    key
                )
            case _:
                # What stands elsewhere in the tree, so that references and types are wrong.
                parent[key] = copy.deepcopy(_at(holder, draw(st.sampled_from(places))))
    return holder[0]


def _near(value: Any) -> st.SearchStrategy[Any]:
    """Values of the same type."""
    match value:
        case bool():
            return st.just(not value)
        case int():
            return st.sampled_from((value + 1, value - 1, -value, value * 1000, str(value)))
        case float():
            return st.sampled_from((value * 2, -value, 1 - value, value * 1e6, str(value)))
        case str():
            return st.sampled_from((value[1:], value + "x", value.upper(), value * 2, f" {value}"))
        case list():
            return st.sampled_from((value[1:], value + value, value[::-1], tuple(value)[:1]))
    return st.just([value])


@st.composite
def damaged_bytes(draw: st.DrawFn, data: bytes, most: int = 3) -> bytes:
    """Bytes with a few changes: flipped bits, a torn end, lost or repeated pieces, other bytes."""
    for _ in range(draw(st.integers(1, most))):
        place = draw(st.integers(0, max(0, len(data) - 1)))
        length = draw(st.sampled_from((1, 2, 7, 64, 500)))
        match draw(st.sampled_from(("flip", "flip", "tear", "lose", "repeat", "insert"))):
            case "flip" if data:
                flipped = data[place] ^ (1 << draw(st.integers(0, 7)))
                data = data[:place] + bytes([flipped]) + data[place + 1 :]
            case "tear":
                data = data[:place]
            case "lose":
                data = data[:place] + data[place + length :]
            case "repeat":
                data = data[: place + length] + data[place:]
            case _:
                data = data[:place] + draw(_pieces()) + data[place:]
    return data


def _pieces() -> st.SearchStrategy[bytes]:
    return st.one_of(
        st.sampled_from(
            (b"\xef\xbb\xbf", b"\xff\xfe", b"\x00", b"\n", b"\r", b'"', b",", b"\t", b"{", b"[")
        ),
        st.sampled_from((b"[" * 3000, b"9" * 5000, b"- " * 2000, b"&a *a", b"\x85", b"1e999")),
        st.binary(max_size=8),
        st.text(max_size=4).map(lambda text: text.encode(errors="replace")),
    )


def recoded(text: str) -> st.SearchStrategy[bytes]:
    """A text in some encoding."""
    names = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252", "latin-1", "cp037")
    return st.sampled_from(names).map(lambda name: text.encode(name, errors="replace"))


def words() -> st.SearchStrategy[str]:
    """Words of a command line that name no place outside of the folder."""
    pool = ("", "-", "--", "-1", "0", "nan", "1e400", "é", "🙂", "a b", "x.yaml", ".", "%", "50%")
    free = st.text(st.characters(exclude_characters="/\\~\x00"), max_size=6)
    return st.one_of(st.sampled_from(pool), free.filter(lambda word: ".." not in word))


@st.composite
def damaged_lines(draw: st.DrawFn, line: list[str], options: list[str]) -> list[str]:
    """A command line with words removed, doubled, replaced or added."""
    line = list(line)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(1, max(1, len(line) - 1)))
        match draw(st.sampled_from(("remove", "double", "replace", "option", "word", "swap"))):
            case "remove":
                del line[place : place + 1]
            case "double":
                line[place:place] = line[place : place + 1]
            case "replace":
                line[place : place + 1] = [draw(words())]
            case "option":
                line[place:place] = [draw(st.sampled_from(options)), draw(words())]
            case "word":
                line[place:place] = [draw(words())]
            case _ if len(line) > 2:
                other = draw(st.integers(1, len(line) - 1))
                place = min(place, len(line) - 1)
                line[place], line[other] = line[other], line[place]
    return line
