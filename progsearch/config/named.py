"""Fields that hold the name of something in a registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic_core import PydanticCustomError

from progsearch.config.base import UNSHOWN
from progsearch.errors import ProgsearchError
from progsearch.registry import Registry


def name_in(registry: Registry[Any]) -> Callable[[str], str]:
    """A validator of names: refuses one that ``registry`` does not hold or cannot load."""

    def check(name: str) -> str:
        try:
            registry.get(name)
        except ProgsearchError as error:
            names = registry.names()
            if name in names:
                # The field's name already says what it is.
                text = str(error).removeprefix(f"{registry.kind} ")
                raise PydanticCustomError(UNSHOWN, "{error}", {"error": text}) from None
            *others, last = (repr(known) for known in names)
            raise PydanticCustomError(
                "unknown_name",
                "Input should be {names}",
                {"names": f"{', '.join(others)} or {last}" if others else last},
            ) from None
        return name

    return check
