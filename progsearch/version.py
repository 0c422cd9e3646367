"""The version, and what stored work depends on, in one place.

Rule: raise a counter in the commit after which the same input gives another stored value, or a
stored value means something else. Old entries are then not read any more. A contribution metric,
a method and a task type carry a ``version`` of their own beside these.
"""

from __future__ import annotations

import functools

__version__ = "0.2.0"

ENGINE_VERSION = 7
"""Trained segments and the states of frozen prefixes: the same config gives other weights."""

CHECK_VERSION = 2
"""Comparisons of shortcuts with plain passes: the comparison itself changes.

If the new comparison disables a shortcut that changed numbers, also raise `ENGINE_VERSION`.
"""

COSTS_VERSION = 1
"""Measured costs of the parts of a model: the measurement itself changes."""

MEMORY_VERSION = 3
"""Measured memory of the parts of a model: the measurement itself changes."""

PROBE_VERSION = 1
"""Contribution scores: the same probe settings give another probe."""

ROOM_VERSION = 3
"""Measured input limits of models: the measurement itself changes."""

RESCORING_VERSION = 2
"""Scores during training: the same state gets other scores."""

TOKENS_VERSION = "2"
"""Tokenised data: the same texts and tokenizer give other tokens."""

WEIGHTS_VERSION = 1
"""Remarks on loaded weights: the same files and config get another remark or are refused."""


@functools.cache
def libraries() -> tuple[str, ...]:
    """Versions of the libraries that stored numbers depend on; part of all their keys."""
    from importlib.metadata import version

    return tuple(version(name) for name in ("torch", "transformers", "peft"))
