"""What transformers does not promise."""

from __future__ import annotations

from typing import Any


def commit_of(config: Any) -> str | None:
    """The hub's commit that a config was loaded from; None for local files.

    No public attribute says it, and the content of a hub's model can change under its name.
    """
    commit: str | None = getattr(config, "_commit_hash", None)
    return commit
