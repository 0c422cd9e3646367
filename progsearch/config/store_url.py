"""The place of a store that several machines share."""

from __future__ import annotations

import os
from urllib.parse import parse_qs, urlsplit

from progsearch.errors import ConfigError

VARIABLE = "PROGSEARCH_STORE"
_SCHEMES = ("file", "s3", "gs", "gcs", "abfs", "abfss", "hdfs")

# Options of pyarrow that are no secrets.
_NOT_SECRET = {"allow_bucket_creation", "endpoint_override", "region", "scheme"}


def place_of_store(given: str | None) -> str | None:
    """The place, if it can be one.

    Raises:
        ValueError: It is neither an absolute path nor a URL of a known kind, or has a secret.
    """
    if given is None or given.startswith("/"):
        return given
    parts = urlsplit(given)
    if parts.scheme not in _SCHEMES or "://" not in given:
        raise ValueError(
            f"must be an absolute path or a URL that begins with {', '.join(_SCHEMES)} and ://, "
            f"such as s3://bucket/folder"
        )
    if parts.password is not None or not set(parse_qs(parts.query)) <= _NOT_SECRET:
        # It would be kept in the files of the study.
        raise ValueError(
            f"must not hold a secret, and no options but {', '.join(sorted(_NOT_SECRET))}; give "
            "secrets as the store's own tools do, such as in "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY on each machine"
        )
    return given


def shared_store() -> str | None:
    """The place that the environment names; None if it names none.

    Raises:
        ConfigError: It cannot be one.
    """
    try:
        return place_of_store(os.environ.get(VARIABLE) or None)
    except ValueError as error:
        raise ConfigError(VARIABLE, [("", str(error))]) from None
