"""What every trial needs, loaded by importing this module with the collector paused."""

import gc

from progsearch.importing import collector_paused

with collector_paused():
    import progsearch.training  # noqa: F401

    # The process is a worker's alone, and all of this stays: the collector need not inspect it.
    gc.freeze()
