"""Tensors in memory-mapped files: they take room on the disk instead of in memory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence

import torch
from torch import Tensor


def mapped(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """A tensor in a file that is freed with it, even in a crash; its values are not set.

    Raises:
        OSError: The disk has no room for it.
    """
    numbers = torch.Size(shape).numel()
    n_bytes = numbers * dtype.itemsize
    # A file without a name, so that a kill leaves none; the mapping outlives it.
    with tempfile.TemporaryFile() as file:
        if hasattr(os, "posix_fallocate"):
            # Otherwise a full disk would end the process when a value is written.
            os.posix_fallocate(file.fileno(), 0, max(1, n_bytes))
        else:
            file.truncate(n_bytes)
        flat = torch.from_file(f"/dev/fd/{file.fileno()}", shared=True, size=numbers, dtype=dtype)
    return flat.view(*shape)
