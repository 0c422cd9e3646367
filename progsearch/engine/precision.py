"""Which number format the passes use, and what decides how it rounds.

Master weights are always fp32.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from progsearch.config import Precision
from progsearch.errors import ConfigError
from progsearch.internals.torch import cpu_capabilities


def resolve_precision(precision: Precision, device: torch.device) -> Precision:
    """What ``auto`` means on ``device``: bf16 if the hardware computes in it, else fp32.

    Raises:
        ConfigError: fp16 without a GPU, which no optimizer survives on a CPU.
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
        # Without an answer it is fp32, which is always right.
        capabilities = cpu_capabilities()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return False


def arithmetic(device: torch.device) -> list[Any]:
    """What decides how ``device`` rounds in a given precision, as JSON-able data.

    The kernels depend on the kind of GPU or on what the processor can do, and no two of them add
    up in the same order.
    """
    if device.type == "cuda":
        return [device.type, torch.cuda.get_device_name(device)]
    # How many cores there are decides nothing: a trial's threads are counted elsewhere.
    kind = {k: v for k, v in cpu_capabilities().items() if not k.startswith("num_")}
    return [device.type, torch.backends.cpu.get_cpu_capability(), kind]


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[None]:
    """The context of a forward pass in a resolved ``precision``."""
    if precision == "fp32":
        return nullcontext()
    dtype = torch.bfloat16 if precision == "bf16" else torch.float16
    context: AbstractContextManager[None] = torch.autocast(device.type, dtype=dtype)
    return context
