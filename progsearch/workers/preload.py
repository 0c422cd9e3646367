"""What Ray imports in the processes that it starts ahead, so that their trials begin at once."""

from progsearch.importing import collector_paused

with collector_paused():
    # The worker first: what lies in memory once the libraries are loaded is never collected.
    import progsearch.workers.worker  # noqa: I001
    import progsearch.workers.libraries  # noqa: F401
