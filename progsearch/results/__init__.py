"""A study as Python users read it: tables, figures, one schedule."""

from progsearch.results.chosen import Pick
from progsearch.results.study import Study

__all__ = ["Pick", "Study"]
