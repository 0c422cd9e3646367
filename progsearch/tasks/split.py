"""Tokenised examples, packed one after another without padding."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class _Packed:
    """The tensors of a `Split` on one device; starts are places in ids and token types."""

    ids: Tensor
    token_types: Tensor | None
    starts: Tensor
    lengths: Tensor
    labels: Tensor


class Split:
    """The tokenised examples of one split.

    Attributes:
        lengths: Tokens of each example, shape (examples,), int64.
        labels: Labels, shape (examples,): int64 classes, or float32 for regression.

    Example:
        >>> split = Split(np.array([5, 6, 7]), np.array([1, 2]), np.array([0, 1]))
        >>> split.batch([0, 1])["input_ids"].tolist()
        [[5, 0], [6, 7]]
    """

    def __init__(
        self,
        ids: np.ndarray,
        lengths: np.ndarray,
        labels: np.ndarray,
        *,
        token_types: np.ndarray | None = None,
        pad_id: int = 0,
    ) -> None:
        """Take the packed examples.

        Args:
            ids: Token ids of all examples, shape (sum of lengths,).
            lengths: Tokens of each example.
            labels: One label per example.
            token_types: Segment of each token, shape as ``ids``, if the model reads it.
            pad_id: What batches are filled with.
        """
        self._ids = torch.from_numpy(ids.astype(np.int32))
        self._token_types = (
            None if token_types is None else torch.from_numpy(token_types.astype(np.int8))
        )
        self._pad_id = pad_id
        self.lengths = lengths.astype(np.int64)
        self._starts = np.cumsum(self.lengths) - self.lengths
        self.labels = torch.from_numpy(labels)
        self._packed: dict[torch.device, _Packed] = {}

    def __len__(self) -> int:
        return len(self.lengths)

    def batch(
        self, indices: Sequence[int] | np.ndarray, device: str | torch.device | None = None
    ) -> dict[str, Tensor]:
        """The examples at ``indices``, padded on the right to the longest of them.

        Returns:
            ``input_ids``, ``attention_mask`` and, where the model reads it, ``token_type_ids``,
            int64, shape (indices, longest); ``labels``, shape (indices,).
        """
        rows = np.asarray(indices, dtype=np.int64)
        width = int(self.lengths[rows].max(initial=0))
        return self.gather(torch.from_numpy(rows).to(torch.device(device or "cpu")), width)

    def gather(self, rows: Tensor, width: int) -> dict[str, Tensor]:
        """As `batch`, of examples whose numbers lie on the batch's device already.

        Args:
            rows: Which examples, int64.
            width: To how many tokens they are padded; at least as many as each of them has.
        """
        packed = self._on(rows.device)
        columns = torch.arange(width, device=rows.device)
        inside = columns < packed.lengths[rows, None]
        # Padding points at the first token, which is there, and is filled afterwards.
        tokens = torch.where(inside, packed.starts[rows, None] + columns, 0)
        batch = {
            "input_ids": torch.where(inside, packed.ids[tokens].long(), self._pad_id),
            "attention_mask": inside.long(),
        }
        if packed.token_types is not None:
            batch["token_type_ids"] = torch.where(inside, packed.token_types[tokens].long(), 0)
        batch["labels"] = packed.labels[rows]
        return batch

    def _on(self, device: torch.device) -> _Packed:
        """All examples on a device, where they stay: a batch sends its indices alone."""
        if device not in self._packed:
            self._packed[device] = _Packed(
                ids=self._ids.to(device),
                token_types=None if self._token_types is None else self._token_types.to(device),
                starts=torch.from_numpy(self._starts).to(device),
                lengths=torch.from_numpy(self.lengths).to(device),
                labels=self.labels.to(device),
            )
        return self._packed[device]

    def subset(self, indices: Sequence[int] | np.ndarray) -> Split:
        """The examples at ``indices``, in their order, as a split of its own."""
        rows = np.asarray(indices, dtype=np.int64)
        tokens = self._tokens_of(rows)
        return Split(
            self._ids[tokens].numpy(),
            self.lengths[rows],
            self.labels.numpy()[rows],
            token_types=None if self._token_types is None else self._token_types[tokens].numpy(),
            pad_id=self._pad_id,
        )

    def token_ids(self) -> Tensor:
        """The tokens that batches may hold, padding among them, each once, ascending."""
        return torch.from_numpy(np.union1d(self._ids.numpy(), [self._pad_id]).astype(np.int64))

    def fingerprint(self) -> str:
        """A hash of all that batches are made of."""
        digest = hashlib.sha256(str(self._pad_id).encode())
        for part in (self._ids, self._token_types, self.labels):
            digest.update(b"" if part is None else part.numpy().tobytes())
        digest.update(self.lengths.tobytes())
        return digest.hexdigest()[:16]

    def _tokens_of(self, rows: np.ndarray) -> Tensor:
        """Positions in the packed arrays of all tokens of ``rows``, row after row."""
        lengths = self.lengths[rows]
        first = np.cumsum(lengths) - lengths
        return torch.from_numpy(
            np.arange(lengths.sum()) + np.repeat(self._starts[rows] - first, lengths)
        )
