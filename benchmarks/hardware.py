"""What a benchmark ran on."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import torch


def hardware(device: torch.device) -> str:
    """The GPU's name, or the processor's and whether it multiplies bf16 in tiles."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    file = Path("/proc/cpuinfo")
    text = file.read_text() if file.exists() else ""
    name = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    # Where it does, all else weighs more.
    tiles = " with AMX" if "amx_bf16" in text else ""
    return (name[1] if name else platform.processor()) + tiles
