"""The version, and what stored work depends on, in one place.

Rule: raise a counter in the commit after which the same input gives another stored value, or a
stored value means something else. Old entries are then not read any more. A contribution metric
and a method carry a ``version`` of their own beside these.
"""

__version__ = "0.1.0"

ENGINE_VERSION = 7
"""Trained segments and the states of frozen prefixes: the same config gives other weights."""

CHECK_VERSION = 1
"""Comparisons of shortcuts with plain passes: the comparison itself changes.

If it then leaves out a shortcut that changed numbers, raise `ENGINE_VERSION`, too.
"""

COSTS_VERSION = 1
"""Measured costs of the parts of a model: the measurement itself changes."""

PROBE_VERSION = 1
"""Contribution scores: the same probe settings give another probe."""

RESCORING_VERSION = 2
"""Scores during training: the same state gets other scores."""

TOKENS_VERSION = "1"
"""Tokenised data: the same texts and tokenizer give other tokens."""
