"""Checks once whether the model and data hub can be reached."""

from __future__ import annotations

import functools
import logging
import threading
from pathlib import Path

from progsearch.internals import datasets, huggingface_hub

_logger = logging.getLogger(__name__)

TIMEOUT = 5.0
"""Seconds after which the hub counts as unreachable."""


def cached_folder(name: str) -> Path | None:
    """The folder on this machine that holds what was downloaded of a model; no hub is asked."""
    from huggingface_hub import try_to_load_from_cache

    try:
        config = try_to_load_from_cache(name, "config.json")
    except ValueError:  # no name that the hub would give
        return None
    return Path(config).parent if isinstance(config, str) else None


@functools.cache
def offline() -> bool:
    """Whether the hub cannot be reached; checked once per process.

    If so, huggingface_hub, transformers and datasets are switched to offline mode: cached files
    still load, and everything else fails at once instead of after many retries.
    """
    from huggingface_hub import constants

    if constants.is_offline_mode():
        return True
    if _reachable():
        return False
    _logger.info("%s cannot be reached: working offline", constants.ENDPOINT)
    _go_offline()
    return True


def _reachable() -> bool:
    """Whether the hub answers a request.

    The request runs in a thread, because looking up a host name has no timeout.
    """
    answers: list[int] = []
    thread = threading.Thread(target=_ask, args=(answers,), daemon=True)
    thread.start()
    thread.join(TIMEOUT)
    return bool(answers)


def _ask(answers: list[int]) -> None:
    # The hub's own client knows the proxies and certificates of this machine.
    from huggingface_hub import constants, get_session

    try:
        response = get_session().head(constants.ENDPOINT, timeout=TIMEOUT)
    except Exception as error:  # on any error of the client, the hub gave no answer
        _logger.debug("no answer from %s: %s", constants.ENDPOINT, error)
    else:
        if response.status_code < 500:
            answers.append(response.status_code)


def _go_offline() -> None:
    huggingface_hub.go_offline()
    datasets.go_offline()
