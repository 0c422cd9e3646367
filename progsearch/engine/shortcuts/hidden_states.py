"""Stores hidden states of a split's examples without padding."""

from __future__ import annotations

import logging
import shutil
import tempfile

import numpy as np
import numpy.typing as npt
import psutil
import torch
from torch import Tensor

from progsearch.engine.batches import Indices
from progsearch.engine.mapped import mapped
from progsearch.numerals import size

_log = logging.getLogger(__name__)

# The share of free memory that states may take; larger ones go to a memory-mapped file, which may
# take this share of the free disk.
_MEMORY_SHARE = 0.25
_DISK_SHARE = 0.25


class NoRoom(Exception):
    """Neither memory nor disk has room for the states; the message says how much they need."""


class HiddenStates:
    """Hidden states of a split's examples after some block, without padding.

    Args:
        lengths: Number of states of each example: one per token, or a single one.
        depth: Number of blocks before the states.
        like: A tensor with their dtype and hidden size, on the model's device. If they do not fit
            there, they are kept in host memory or in a memory-mapped file.

    Raises:
        NoRoom: They fit nowhere.

    Attributes:
        depth: Number of blocks before the states.
        states: All states, shape ``(sum of lengths + 2, hidden_size)``.
    """

    def __init__(self, lengths: npt.NDArray[np.int64], depth: int, like: Tensor) -> None:
        self.depth = depth
        self._device = like.device
        ends = np.cumsum(lengths)
        # Two extra rows: padding is read from the first, which stays zero, and written to the
        # second. So the kernels do not depend on the amount of padding.
        self._padding_row = int(ends[-1])
        self.states = _allocate(self._padding_row + 2, like)
        self.states[self._padding_row :] = 0
        place = self.states.device
        self._lengths = torch.as_tensor(lengths, device=place)
        self._starts = torch.as_tensor(ends - lengths, device=place)
        self._filled = np.zeros(len(lengths), dtype=bool)

    @classmethod
    def loaded(
        cls, lengths: npt.NDArray[np.int64], depth: int, states: Tensor, device: torch.device
    ) -> HiddenStates:
        """The complete states that another run has computed."""
        made = cls(lengths, depth, states[:1].to(device))
        made.states.copy_(states)
        made._filled[:] = True
        return made

    @property
    def on_device(self) -> bool:
        """Whether the states are on the model's device."""
        return self.states.device == self._device

    @property
    def complete(self) -> bool:
        """Whether the states of all examples are stored."""
        return bool(self._filled.all())

    @property
    def size(self) -> int:
        """Size in bytes."""
        return self.states.numel() * self.states.element_size()

    def has(self, indices: Indices) -> npt.NDArray[np.bool_]:
        """For each of these examples, whether its states are stored."""
        return self._filled[indices]

    def put(self, indices: Indices, hidden: Tensor) -> None:
        """Store the states of some examples.

        Args:
            indices: The examples.
            hidden: Shape ``(len(indices), width, hidden_size)``, padded on the right.
        """
        rows = torch.from_numpy(indices)
        places = self._places(rows, hidden.shape[1], self._padding_row + 1)
        self.states[places] = hidden.to(self.states.device)
        self._filled[indices] = True

    def get(self, rows: Tensor, width: int) -> Tensor:
        """The stored states of some examples; padding is zero.

        Args:
            rows: Indices of the examples, int64, on the model's device.
            width: The number of tokens to pad to.

        Returns:
            Shape ``(len(rows), width, hidden_size)``, on the model's device.
        """
        return self.states[self._places(rows, width, self._padding_row)].to(self._device)

    def _places(self, rows: Tensor, width: int, padding: int) -> Tensor:
        rows = rows.to(self.states.device)
        position = torch.arange(width, device=rows.device)
        real = position < self._lengths[rows, None]
        return torch.where(real, self._starts[rows, None] + position, padding)


def _allocate(rows: int, like: Tensor) -> Tensor:
    shape = (rows, like.shape[-1])
    needed = rows * like.shape[-1] * like.element_size()
    if like.device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(like.device)
        if needed <= free * _MEMORY_SHARE:
            return torch.empty(shape, dtype=like.dtype, device=like.device)
    memory = int(psutil.virtual_memory().available * _MEMORY_SHARE)
    if needed <= memory:
        return torch.empty(shape, dtype=like.dtype)
    disk = int(shutil.disk_usage(tempfile.gettempdir()).free * _DISK_SHARE)
    if needed > disk:
        raise NoRoom(
            f"prefix cache of {size(needed)} has no room ({size(memory)} of memory and "
            f"{size(disk)} of the disk may be used)"
        )
    _log.info("prefix cache of %s goes to a memory-mapped file", size(needed))
    return mapped(shape, like.dtype)
