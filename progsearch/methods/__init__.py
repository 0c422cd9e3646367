"""Fine-tuning methods: which parameters of a part are trained while it is not frozen.

Other packages add methods through the entry point group ``progsearch.methods``. Importing this
package does not import torch; it registers the built-in methods in `progsearch.config`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from progsearch.config.method import METHODS
from progsearch.methods.adapter import Adapter
from progsearch.methods.base import Method
from progsearch.methods.bitfit import BitFit
from progsearch.methods.full import Full
from progsearch.methods.lora import Lora
from progsearch.methods.qlora import QLora

if TYPE_CHECKING:
    from progsearch.methods.applying import apply_method as apply_method
    from progsearch.methods.applying import merge_method as merge_method

__all__ = [
    "Adapter",
    "BitFit",
    "Full",
    "Lora",
    "Method",
    "QLora",
    "apply_method",
    "merge_method",
]

for _method in (Full, Lora, QLora, BitFit, Adapter):
    METHODS.add(_method)


def __getattr__(name: str) -> Any:
    # Lazy, so that listing the methods does not import torch.
    if name in ("apply_method", "merge_method"):
        from progsearch.methods import applying

        return getattr(applying, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
