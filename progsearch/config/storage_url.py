"""The URL of a database; the only module that knows which parts are secret."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from progsearch.config.base import UNSHOWN

HIDDEN = "***"
"""Shown in place of a secret, as SQLAlchemy does."""

# As in SQLAlchemy, user name and password end at the first @ after the first colon.
_FORM = re.compile(
    r"(?P<scheme>[\w+]+)://"
    r"(?:(?P<user>[^:/]*)(?::(?P<password>[^@]*))?@)?"
    r"(?P<place>[^?]*)(?:\?(?P<query>.*))?"
)
_KEY = r"[^=&?]*(?:password|passwd|passphrase|pwd|token|secret|odbc_connect)[^=&?]*"
_SECRET_KEY = re.compile(_KEY, re.IGNORECASE)
_SECRET_IN_QUERY = re.compile(rf"[?&]{_KEY}=", re.IGNORECASE)
_NAMES_OF_PASSWORD = ("password", "passwd", "pwd")


@dataclass(frozen=True)
class _Secret:
    """A place in a URL for a secret.

    Attributes:
        variable: The environment variable that gives it if the URL does not.
        value: Its value in the URL.
        marked: Whether the URL contains it or ``***``.
        before: The text before it in the URL, if it is there.
        after: The text after it.
    """

    variable: str
    value: str | None
    marked: bool
    before: str
    after: str = ""

    @property
    def shown(self) -> str:
        return f"{self.before}{HIDDEN}{self.after}" if self.marked else ""

    def value_in(self, environment: Mapping[str, str]) -> str | None:
        return self.value or environment.get(self.variable) or None

    def filled(self, environment: Mapping[str, str]) -> str:
        value = self.value_in(environment)
        return "" if value is None else f"{self.before}{quote(value, safe='')}{self.after}"


class StorageUrl:
    """The URL of an Optuna storage; printed, saved and pickled without its secrets.

    Secrets are the password and query keys such as ``password``, ``sslpassword`` and ``token``.
    They are shown as ``***``. Only `whole` and `given` return them; values missing from the URL
    come from the environment: ``PROGSEARCH_STORAGE_PASSWORD``, and ``PROGSEARCH_STORAGE_`` with
    the key in capitals for other keys. Two URLs are equal if they are equal without their secrets.

    Args:
        text: Such as ``postgresql://user:password@host/db``.

    Raises:
        ValueError: It is not a URL, or it is unclear where its password ends; the message does not
            show it.
    """

    def __init__(self, text: str) -> None:
        self._parts = tuple(_parts_of(text))

    def __str__(self) -> str:
        """The URL without its secrets."""
        return "".join(part if isinstance(part, str) else part.shown for part in self._parts)

    def __repr__(self) -> str:
        """Also without its secrets."""
        return f"StorageUrl({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        """Whether both are equal without their secrets."""
        return isinstance(other, StorageUrl) and str(self) == str(other)

    def __hash__(self) -> int:
        """The hash of the URL without its secrets."""
        return hash(str(self))

    def __reduce__(self) -> tuple[type[StorageUrl], tuple[str]]:
        """Pickles never contain the secrets, neither for files nor for other processes."""
        return type(self), (str(self),)

    def __deepcopy__(self, memo: object) -> StorageUrl:
        """Return self: it is immutable, and a copy in this process needs the secrets."""
        return self

    @property
    def variables(self) -> list[str]:
        """The environment variables that provide the secrets after it was saved."""
        return list(dict.fromkeys(secret.variable for secret in self._secrets if secret.marked))

    @property
    def place(self) -> str:
        """The URL without its secrets and without ``***``: equal for URLs of one database."""
        parts = (part for part in self._parts if isinstance(part, str))
        return "".join(parts).replace("://@", "://").rstrip("?&")

    @property
    def given(self) -> dict[str, str]:
        """The secrets that the URL contains, by their variables."""
        return {part.variable: part.value for part in self._secrets if part.value}

    def missing(self, environment: Mapping[str, str]) -> list[str]:
        """The variables of secrets that are missing in both the URL and the environment."""
        have = {secret.variable for secret in self._secrets if secret.value_in(environment)}
        return [variable for variable in self.variables if variable not in have]

    def whole(self, environment: Mapping[str, str]) -> str:
        """The URL to connect with; a secret that is missing is left out.

        Without a password in the URL, PostgreSQL's driver takes PGPASSWORD or ~/.pgpass.
        """
        parts = (p if isinstance(p, str) else p.filled(environment) for p in self._parts)
        return "".join(parts)

    def hide_in(self, text: str, environment: Mapping[str, str]) -> str:
        """A driver's message with the secrets hidden, in every form in which they may occur."""
        values = {secret.value_in(environment) for secret in self._secrets} - {None}
        forms = {form for value in values if value for form in _forms_of(value)}
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, HIDDEN)
        return text

    def hide_in_urls(self, text: str, environment: Mapping[str, str]) -> str:
        """A text with the secrets hidden where they stand in a URL, so that no word is changed."""
        for secret in self._secrets:
            value, end = secret.value_in(environment), "@" if secret.before == ":" else ""
            for form in sorted(_forms_of(value or ""), key=len, reverse=True):
                if form:
                    hidden = f"{secret.before}{HIDDEN}{end}"
                    text = text.replace(f"{secret.before}{form}{end}", hidden)
        return text

    @property
    def _secrets(self) -> list[_Secret]:
        return [part for part in self._parts if isinstance(part, _Secret)]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> CoreSchema:
        """A field is read from text and written as text without secrets."""
        return core_schema.no_info_plain_validator_function(
            _validated,
            json_schema_input_schema=core_schema.str_schema(),
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda value: str(_validated(value))
            ),
        )


def _validated(value: object) -> StorageUrl:
    if isinstance(value, StorageUrl):
        return value
    try:
        return StorageUrl(value if isinstance(value, str) else "")
    except ValueError as error:
        raise PydanticCustomError(UNSHOWN, "{error}", {"error": str(error)}) from None


def _parts_of(text: str) -> Iterator[str | _Secret]:
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(
            "is not a database's URL; write it like postgresql://user:password@host/db"
        )
    user, password, place = match["user"], match["password"] or "", match["place"]
    query = [_query_part(piece) for piece in (match["query"] or "").split("&")]
    beyond = [place, *(part for part in query if isinstance(part, str))]
    is_path = user is None and place.startswith("/")
    given = [part.value for part in query if isinstance(part, _Secret) and part.value]
    given += [unquote(password)] if password not in ("", HIDDEN) else []
    # Pasted into another value, such as that of a key whose & is missing.
    others = [unquote_plus(part.partition("=")[2]) for part in beyond]
    again = any(f"={secret}" in other for secret in given for other in others)
    if (not is_path and "@" in "".join(beyond)) or _SECRET_IN_QUERY.search(password) or again:
        raise ValueError(
            "it is unclear where the password ends, so the URL is not shown; write special "
            "characters of the password as % and two hex digits, such as %40 for @"
        )
    yield f"{match['scheme']}://{user or ''}"
    variable = _variable_of("password")
    is_elsewhere = any(part.variable == variable for part in query if isinstance(part, _Secret))
    # A file has no password.
    if password or not (is_elsewhere or match["scheme"].split("+")[0] == "sqlite"):
        value = None if password in ("", HIDDEN) else unquote(password)
        yield _Secret(variable, value, bool(password), ":", "@" if user is None else "")
    yield place if user is None else f"@{place}"
    if match["query"] is not None:
        yield "?"
        for number, part in enumerate(query):
            yield "&" if number else ""
            yield part


def _query_part(piece: str) -> str | _Secret:
    key, _, value = piece.partition("=")
    name = unquote_plus(key)
    if not value or _SECRET_KEY.fullmatch(name) is None:
        return piece
    given = None if value == HIDDEN else unquote_plus(value)
    return _Secret(_variable_of(name), given, True, f"{key}=")


def _variable_of(key: str) -> str:
    name = "password" if key.lower() in _NAMES_OF_PASSWORD else re.sub(r"\W", "_", key)
    return f"PROGSEARCH_STORAGE_{name.upper()}"


def _forms_of(secret: str) -> set[str]:
    """How a text may be written in URLs, in Python, in JSON and in HTML."""
    quoted = {quote(secret, safe=safe) for safe in ("", "/", " +")}
    in_python = {repr(secret)[1:-1], ascii(secret)[1:-1]}
    in_json = {json.dumps(secret, ensure_ascii=is_ascii)[1:-1] for is_ascii in (False, True)}
    in_html = {escape(form) for form in (secret, *in_json)}
    return {secret, quote_plus(secret), *in_python, *in_json, *in_html, *quoted}
