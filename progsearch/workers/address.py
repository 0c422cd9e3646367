"""Whether a Ray cluster answers at an address; Ray itself waits a quarter of an hour for one."""

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

    Others ("auto", "local") are found by Ray at once, or not at all.

    Raises:
        ConfigError: Nothing listens there, or it is no Ray cluster.
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
        reason = f"{reason_of(error)}; correct the address or start one"
        raise _refusal(address, reason) from None
    if urlsplit(address).scheme == _CLIENT:
        return
    silence = unanswered(address, _SECONDS_TO_ANSWER)
    if silence is not None:
        raise _refusal(address, silence)


def _host_and_port(address: str) -> tuple[str, int] | None:
    """The machine that an address names; None if it names none, or is written in another way."""
    parts = urlsplit(address if "://" in address else f"//{address}")
    try:
        port = parts.port
    except ValueError:
        return None
    if port is None and parts.scheme == _CLIENT:
        port = _CLIENT_PORT
    return None if parts.hostname is None or port is None else (parts.hostname, port)


def _refusal(address: str, reason: str) -> ConfigError:
    text = f"no Ray cluster can be joined at {address}: {reason}"
    return ConfigError("address", [("", text)])
