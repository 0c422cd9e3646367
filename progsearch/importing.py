"""Loads large libraries sooner."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """While active, the garbage collector is off.

    Importing torch and transformers makes about a million objects that stay. The collector looks
    through them again and again meanwhile, which is a fifth of the time that importing takes.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
