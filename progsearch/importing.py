"""Loads large libraries faster, and without their advice."""

from __future__ import annotations

import gc
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """While active, the garbage collector is off.

    Importing torch and transformers makes about a million objects that stay. The collector would
    scan them repeatedly, which takes a fifth of the import time.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def without_widget_advice() -> Iterator[None]:
    """While active, tqdm and Ray do not ask for ipywidgets in notebooks, which are not needed."""
    logger = logging.getLogger("ray.widgets.util")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "IProgress not found")
            yield
    finally:
        logger.setLevel(level)
