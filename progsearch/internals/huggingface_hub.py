"""What huggingface_hub does not promise."""

from __future__ import annotations


def go_offline() -> None:
    """Have huggingface_hub, and transformers through it, stay off the hub.

    The variable of the environment is read once, when the library is imported; after that only
    its constant decides.
    """
    from huggingface_hub import constants

    constants.HF_HUB_OFFLINE = True
