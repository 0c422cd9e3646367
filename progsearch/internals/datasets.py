"""What datasets does not promise."""

from __future__ import annotations

import sys


def go_offline() -> None:
    """Have datasets stay off the hub, if it has been imported.

    It copies huggingface_hub's constant when it is imported, so changing that is not enough, and
    importing it here for nothing would take a second.
    """
    if "datasets.config" in sys.modules:
        sys.modules["datasets.config"].HF_HUB_OFFLINE = True  # type: ignore[attr-defined]
