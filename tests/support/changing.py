"""Changes every field of a config, so that tests also cover fields added later."""

from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

ConfigT = TypeVar("ConfigT", bound=BaseModel)


def with_each_field_changed(
    config: ConfigT,
    given: Mapping[str, Any] | None = None,
    left_out: Mapping[str, str] | None = None,
) -> dict[str, ConfigT]:
    """Copies of a config with another value of one field, by the field's name.

    Args:
        config: What is changed.
        given: Values for the fields that take no number and no word of a few.
        left_out: The fields that are not changed, with the reason.
    """
    given, left_out = given or {}, left_out or {}
    fields = type(config).model_fields
    assert given.keys() | left_out.keys() <= fields.keys(), "a field that is not there any more"
    return {
        name: _changed(config, name, given, get_args(fields[name].annotation))
        for name in fields
        if name not in left_out
    }


def _changed(
    config: ConfigT, name: str, given: Mapping[str, Any], words: tuple[Any, ...]
) -> ConfigT:
    value = getattr(config, name)
    if name in given:
        candidates = [given[name]]
    elif isinstance(value, bool):
        candidates = [not value]
    elif isinstance(value, (int, float)):
        candidates = [value + 1, value / 2, 2 * value]
    else:
        candidates = [word for word in words if isinstance(word, str)]
    for candidate in candidates:
        if candidate == value:
            continue
        try:
            return type(config).model_validate({**dict(config), name: candidate})
        except ValidationError:
            pass
    raise AssertionError(f"say what else {type(config).__name__}.{name} may be")
