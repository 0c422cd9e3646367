"""Loads large libraries faster."""

from __future__ import annotations

import gc
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
