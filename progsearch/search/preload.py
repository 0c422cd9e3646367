"""What every trial needs, to be loaded by importing this module.

Ray imports it in the processes that it starts ahead.
"""

from progsearch.importing import collector_paused

with collector_paused():
    import progsearch.search.trainable
    import progsearch.training  # noqa: F401
