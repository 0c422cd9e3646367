"""The number format of forward and backward passes, and what its rounding depends on.

What is trained is fp32; for frozen weights see `progsearch.engine.frozen_weights`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from progsearch.config import Precision
from progsearch.errors import ConfigError
from progsearch.internals.torch import cpu_capabilities

DTYPES: dict[Precision, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""The dtypes of products under autocast, by resolved precision; fp32 has none."""


def resolve_precision(precision: Precision, device: torch.device) -> Precision:
    """Resolve ``auto`` for ``device``: bf16 if the hardware computes in it, else fp32.

    Raises:
        ConfigError: fp16 without a GPU; training in fp16 on a CPU does not work.
    """
    if precision == "fp16" and device.type != "cuda":
        raise ConfigError("precision", [("", "fp16 needs a GPU; use bf16, fp32 or auto")])
    if precision != "auto":
        return precision
    return "bf16" if _has_fast_bf16(device) else "fp32"


def _has_fast_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        # If the capabilities are unknown, use fp32, which works everywhere.
        capabilities = cpu_capabilities()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return False


def arithmetic(device: torch.device) -> list[Any]:
    """What the rounding on ``device`` depends on in a given precision, as JSON-able data.

    Kernels depend on the GPU model or on the processor's instruction sets, and different kernels
    sum in different orders.
    """
    if device.type == "cuda":
        return [device.type, torch.cuda.get_device_name(device)]
    # The number of cores does not matter: the number of threads is in the key of a run.
    kind = {k: v for k, v in cpu_capabilities().items() if not k.startswith("num_")}
    return [device.type, torch.backends.cpu.get_cpu_capability(), kind]


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[None]:
    """The autocast context of a forward pass in a resolved ``precision``."""
    if precision == "fp32":
        return nullcontext()
    context: AbstractContextManager[None] = torch.autocast(device.type, dtype=DTYPES[precision])
    return context
