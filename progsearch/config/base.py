"""What all configuration shares: checked models, and YAML read and written.

All models refuse unknown keys and report every mistake of a file at once.
"""

from __future__ import annotations

import re
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from progsearch.errors import ConfigError
from progsearch.paths import did_you_mean, reason_of

UNSHOWN = "unshown"
"""The type of pydantic's errors of which the input must not be shown."""


class Config(BaseModel):
    """Base of all configuration: immutable, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


ConfigT = TypeVar("ConfigT", bound=BaseModel)


def parse(kind: type[ConfigT], data: Any, source: str) -> ConfigT:
    """Check ``data`` against ``kind``.

    Raises:
        ConfigError: With every mistake and its place; ``source`` names the file.
    """
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        items = error.errors()
        problems = [
            (".".join(str(part) for part in item["loc"]), _sentence(item))
            for item in items
            # A list is "too short" for pydantic if only its items are wrong.
            if not any(_lies_in(other["loc"], item["loc"]) for other in items)
        ]
        raise ConfigError(source, problems) from None


def _lies_in(place: tuple[int | str, ...], outer: tuple[int | str, ...]) -> bool:
    return len(place) > len(outer) and place[: len(outer)] == outer


def _sentence(item: Any) -> str:
    if item["type"] == "extra_forbidden":
        return "unknown key; remove it or correct its spelling"
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "missing":
        return "is missing; add it"
    given = repr(item["input"])
    # A wrong value may contain nested keys, such as a database URL.
    if len(given) > 60 or isinstance(item["input"], dict) or item["type"] == UNSHOWN:
        return message
    return f"{message[:1].lower()}{message[1:]}, got {given}"


def read_yaml(path: str | PathLike[str]) -> Any:
    """The content of a YAML file; floats may be written ``1e-4``.

    Raises:
        ConfigError: The file is missing, unreadable or not YAML.
    """
    path = Path(path)
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except FileNotFoundError:
        reason = f"there is no such file{did_you_mean(path)}"
        raise ConfigError(str(path), [("", reason)]) from None
    except UnicodeDecodeError as error:
        reason = f"is not UTF-8 (byte {error.start}); convert it to UTF-8"
        raise ConfigError(str(path), [("", reason)]) from None
    except OSError as error:
        reason = f"cannot be read ({reason_of(error)}); correct the path or its permissions"
        raise ConfigError(str(path), [("", reason)]) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or "it cannot be parsed"
        raise ConfigError(str(path), [(where, f"is not YAML: {what}")]) from None
    except RecursionError:
        reason = "is nested too deeply; correct its indentation and brackets"
        raise ConfigError(str(path), [("", reason)]) from None
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        # Of values that have the form of a date or a number and are none, such as 2026-13-01.
        reason = f"is not YAML: {error}; put such a value in quotes"
        raise ConfigError(str(path), [("", reason)]) from None


def write_yaml(path: str | Path, data: Any, *, header: str = "") -> None:
    """Write ``header`` and ``data`` as `yaml_of` gives it."""
    Path(path).write_text(header + yaml_of(data), encoding="utf-8")


def yaml_of(data: Any) -> str:
    """Data as YAML: keys in the order given, short lists on one line."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=99))


def plain(config: BaseModel) -> dict[str, Any]:
    """A config as JSON-able data without its unset (None) fields."""
    return config.model_dump(mode="json", exclude_none=True)


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads ``1e-4`` as a string; here it is a float. No key may stand twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping; yaml alone would take the last of two equal keys."""
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                problem = f"the key {key.value} is there twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Lists of numbers and words go on one line; nested values go on separate lines."""


# What one reads as a float, the other must write in quotes if it is a word.
for _kind in (_Loader, _Dumper):
    _kind.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?[eE][-+]?[0-9]+$"),
        list("-+0123456789"),
    )


def _represent_list(dumper: yaml.SafeDumper, data: list[Any] | tuple[Any, ...]) -> yaml.Node:
    flat = all(isinstance(item, (int, float, str, type(None))) for item in data)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=flat)


_Dumper.add_representer(list, _represent_list)
_Dumper.add_representer(tuple, _represent_list)
