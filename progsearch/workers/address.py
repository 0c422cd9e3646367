"""Checks that a Ray cluster answers at an address; Ray itself would wait for 15 minutes."""

from __future__ import annotations

import os
import socket
from urllib.parse import urlsplit

from progsearch.errors import ConfigError
from progsearch.internals.ray import unanswered
from progsearch.paths import reason_of

_SECONDS_TO_CONNECT = 10.0
_SECONDS_TO_ANSWER = 30.0
_CLIENT = "ray"
_CLIENT_PORT = 10001


def check_address(address: str) -> None:
    """Check that a cluster answers, if the address names a machine.

    For other addresses ("auto", "local") Ray itself fails at once.

    Raises:
        ConfigError: Nothing listens there, or it is not a Ray cluster.
    """
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS", address)
    place = _host_and_port(address)
    if place is None:
        return
    try:
        with socket.create_connection(place, timeout=_SECONDS_TO_CONNECT):
            pass
    except OSError as error:
        reason = f"{reason_of(error)}; correct the address or start a cluster"
        raise _refusal(address, reason) from None
    if urlsplit(address).scheme == _CLIENT:
        return
    silence = unanswered(address, _SECONDS_TO_ANSWER)
    if silence is not None:
        raise _refusal(address, silence)


def _host_and_port(address: str) -> tuple[str, int] | None:
    """The host and port of an address; None if it has none or another form."""
    parts = urlsplit(address if "://" in address else f"//{address}")
    try:
        port = parts.port
    except ValueError:
        return None
    if port is None and parts.scheme == _CLIENT:
        port = _CLIENT_PORT
    return None if parts.hostname is None or port is None else (parts.hostname, port)


def _refusal(address: str, reason: str) -> ConfigError:
    text = f"cannot connect to a Ray cluster at {address}: {reason}"
    return ConfigError("address", [("", text)])
