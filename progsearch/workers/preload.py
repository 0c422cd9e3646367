"""What every trial needs, to be loaded by importing this module.

Ray imports it in the processes that it starts ahead, and a worker that was not among them does.
"""

import gc

from progsearch.importing import collector_paused

with collector_paused():
    import progsearch.training
    import progsearch.workers.worker  # noqa: F401

    # The process is a worker's alone, and all of this stays: the collector need not visit it.
    gc.freeze()
