"""Named parts of one kind, the built-in ones and those that other packages add by entry point."""

from __future__ import annotations

import difflib
import functools
import logging
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib.metadata import EntryPoint, entry_points
from typing import ClassVar, Generic, Protocol, TypeVar

from progsearch.errors import ProgsearchError

_log = logging.getLogger(__name__)


class Named(Protocol):
    """What everything in a registry has, as attributes of its class."""

    name: ClassVar[str]
    description: ClassVar[str]


T = TypeVar("T", bound=Named)


class Registry(Generic[T]):
    """Classes of one kind by name.

    A class of another package is found through an entry point whose name is the class's ``name``:

        [project.entry-points."progsearch.metrics"]
        mean_weight = "my_package:MeanWeight"

    Args:
        kind: What one of them is called in messages, such as ``contribution metric``.
        group: The entry point group.
        base: What each of them must be a subclass of.
        error: The error that names a mistake.
        built_in: The project's own, in the order of listings.
        contract: The full name of the class that other packages extend, if it is not ``base``,
            which this module must not import before it is needed.
        mistake: What else is wrong with a class of another package, if anything: a sentence
            without its subject.
    """

    def __init__(
        self,
        kind: str,
        group: str,
        base: type[T],
        error: Callable[[str], ProgsearchError],
        built_in: Iterable[type[T]] = (),
        contract: str | None = None,
        mistake: Callable[[type[T]], str | None] = lambda found: None,
    ) -> None:
        self.kind = kind
        self._group = group
        self._base = base
        self._error = error
        self._contract = contract or f"{base.__module__}.{base.__qualname__}"
        self._mistake = mistake
        self._built_in: dict[str, type[T]] = {found.name: found for found in built_in}

    def add(self, found: type[T]) -> type[T]:
        """Make a class of this project known; usable as a decorator."""
        self._built_in[found.name] = found
        return found

    def get(self, name: str) -> type[T]:
        """The class called ``name``.

        Raises:
            ProgsearchError: There is no such name, or another package's cannot be loaded.
        """
        if name in self._built_in:
            return self._built_in[name]
        others = self._others()
        if name in others:
            return self._load(others[name])
        known = [*self._built_in, *others]
        # What a file holds may be a number.
        close = difflib.get_close_matches(str(name), known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"choose one of {', '.join(known)}"
        raise self._error(f"there is no {self.kind} {name!r}; {hint}")

    @property
    def built_in(self) -> tuple[str, ...]:
        """The names of the project's own."""
        return tuple(self._built_in)

    def names(self) -> list[str]:
        """All names, the built-in ones first."""
        return [*self._built_in, *self._others()]

    def __iter__(self) -> Iterator[type[T]]:
        """All that can be used, the built-in ones first; others are loaded when reached."""
        yield from self._built_in.values()
        for entry in self._others().values():
            with suppress(ProgsearchError):
                yield self._load(entry)

    def described(self) -> list[tuple[str, str]]:
        """Name and one-line description of each, the built-in ones first.

        One of another package that cannot be loaded is listed with the reason.
        """
        rows = [(name, found.description) for name, found in self._built_in.items()]
        for name, entry in self._others().items():
            try:
                rows.append((name, self._load(entry).description))
            except ProgsearchError as error:
                rows.append((name, f"not usable: {error}"))
        return rows

    def _others(self) -> dict[str, EntryPoint]:
        """Entry points of other packages by name; built-in names cannot be taken over."""
        others = {}
        for entry in _entry_points(tuple(sys.path)).get(self._group, ()):
            if entry.name in self._built_in:
                _log.warning("ignored: %s takes the name of a built-in %s", entry.value, self.kind)
            else:
                others[entry.name] = entry
        return others

    def _load(self, entry: EntryPoint) -> type[T]:
        where = f"{self.kind} {entry.name!r} ({entry.value})"
        try:
            found = entry.load()
        except Exception as error:  # whatever another package does when it is imported
            raise self._error(
                f"{where} cannot be loaded: {type(error).__name__}: {error}; fix or uninstall its "
                "package"
            ) from error
        contract = pkgutil.resolve_name(self._contract)
        if not (isinstance(found, type) and issubclass(found, contract)):
            raise self._error(f"{where} is not a subclass of {self._contract}; fix its package")
        if lacking := _lacking(found, contract):
            raise self._error(f"{where} does not define {', '.join(lacking)}; fix its package")
        if getattr(found, "name", None) != entry.name:
            raise self._error(f"{where} must have its entry point's name as its name")
        if mistake := self._mistake(found):
            raise self._error(f"{where} {mistake}")
        return found


def _lacking(found: type, contract: type) -> list[str]:
    """What a class must define and does not: class attributes without a value, and methods."""
    attributes = [
        name
        for base in contract.__mro__
        for name, kind in vars(base).get("__annotations__", {}).items()
        if str(kind).startswith(("ClassVar", "typing.ClassVar")) and not hasattr(found, name)
    ]
    return sorted({*attributes, *getattr(found, "__abstractmethods__", ())})


@functools.cache
def _entry_points(path: tuple[str, ...]) -> dict[str, tuple[EntryPoint, ...]]:
    """All entry points by group, read once for all registries, which takes 10 ms.

    Args:
        path: Python's path: after a change of it there may be others.
    """
    del path  # `entry_points` reads it where it stands
    found = entry_points()
    return {group: tuple(found.select(group=group)) for group in found.groups}
