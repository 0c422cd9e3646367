"""Search spaces: which settings of a run are varied, and how."""
