"""Prepares a process that trains trials, as a worker or as its follower."""

from __future__ import annotations

from progsearch.workers.logs import log_to


def prepare_process(log: str) -> None:
    """Load what every trial needs, once for all trials of the process.

    Args:
        log: The file for what happens in it.
    """
    log_to(log)
    # Before anything else that is large: it loads all of it with the collector paused.
    import torch

    import progsearch.workers.libraries  # noqa: F401
    from progsearch.engine.memory import keep_freed_memory

    keep_freed_memory()
    # Up to one process per core trains at once, so each uses one thread.
    torch.set_num_threads(1)
