"""Tokenised examples of a split, packed without padding, and the batches made from them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from progsearch.models.token_scores import IGNORED

if TYPE_CHECKING:
    from progsearch.tasks.passages import Passages
    from progsearch.tasks.tokenising import Tokens
    from progsearch.tasks.unseen import UnseenWords

__all__ = ["IGNORED", "Split", "batch_units", "is_per_token", "joined", "with_token"]

A = TypeVar("A", np.ndarray, Tensor)

_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


@dataclass(frozen=True)
class _Packed:
    """The tensors of a `Split` on one device; ``starts`` are positions in the packed tokens."""

    ids: Tensor
    token_types: Tensor | None
    starts: Tensor
    lengths: Tensor
    units: Tensor
    targets: dict[str, Tensor]


class Split:
    """The tokenised examples of one split.

    Attributes:
        lengths: Number of tokens of each row, of its longest choice if it has several, int64.
        targets: What the model must predict, by the name of the model's argument: one value per
            row, shape (rows, ...), or one per token, packed like the tokens.
        per_token: Whether targets are per token.
        units: The weight of each row in the mean loss, shape (rows,), int64: 1, or its number of
            target tokens.
        example_of: The example that each row belongs to, shape (rows,); a long example may have
            several rows, one per window.
        keeps_tokens: Whether what is kept of a model's outputs is per token.
        passages: The texts behind the tokens, if metrics need them.
        unseen: Words without a token that metrics count; None if there are no words.
        n_choices: Number of sequences of each row, of which the model chooses one.
        sequence_lengths: Number of tokens of each sequence, shape (rows * n_choices,), int64.

    Example:
        >>> labels = {"labels": np.array([0, 1])}
        >>> split = Split(np.array([5, 6, 7]), np.array([1, 2]), labels)
        >>> split.batch([0, 1])["input_ids"].tolist()
        [[5, 0], [6, 7]]
    """

    def __init__(
        self,
        ids: np.ndarray,
        lengths: np.ndarray,
        targets: Mapping[str, np.ndarray],
        *,
        per_token: bool = False,
        token_types: np.ndarray | None = None,
        pad_id: int = 0,
        example_of: np.ndarray | None = None,
        keeps_tokens: bool = False,
        passages: Passages | None = None,
        unseen: UnseenWords | None = None,
        n_choices: int = 1,
    ) -> None:
        """Create a split from packed rows.

        Args:
            ids: Token ids of all sequences, shape (sum of lengths,).
            lengths: Number of tokens of each sequence; the choices of a row follow each other.
            targets: See the class; a target per token may be `IGNORED`.
            per_token: See the class.
            token_types: Token type of each token, same shape as ``ids``, if the model reads it.
            pad_id: The token id of padding.
            example_of: The example of each row; by default each row is its own example.
            keeps_tokens: Whether outputs are kept per token although targets are per row.
            passages: The texts behind the tokens, if metrics need them.
            unseen: Words without a token, if targets are those of words.
            n_choices: Number of sequences of each row.
        """
        self._ids = torch.from_numpy(ids.astype(np.int32))
        types = token_types
        self._token_types = None if types is None else torch.from_numpy(types.astype(np.int8))
        self._pad_id = pad_id
        self.n_choices = n_choices
        self.sequence_lengths = lengths.astype(np.int64)
        of_rows = self.sequence_lengths.reshape(-1, n_choices)
        self.lengths = self.sequence_lengths if n_choices == 1 else of_rows.max(axis=1)
        self._starts = np.cumsum(self.sequence_lengths) - self.sequence_lengths
        self.targets = {name: torch.from_numpy(values) for name, values in targets.items()}
        self.per_token = per_token
        self.keeps_tokens = per_token or keeps_tokens
        self.passages = passages
        self.example_of = np.arange(len(self.lengths)) if example_of is None else example_of
        self.unseen = unseen
        self.units = self._count_units()
        self._packed: dict[torch.device, _Packed] = {}

    @classmethod
    def of(
        cls, tokens: Tokens, targets: Mapping[str, np.ndarray], *, pad_id: int, **settings: Any
    ) -> Split:
        """The split of tokenised examples and their targets; see the constructor."""
        settings |= {"token_types": tokens.token_types, "pad_id": pad_id}
        return cls(tokens.ids, tokens.lengths, targets, **settings)

    def _count_units(self) -> np.ndarray:
        if not self.per_token:
            return np.ones(len(self.lengths), dtype=np.int64)
        counted = np.ones(len(self._ids), dtype=np.int64)
        for values in self.targets.values():
            counted &= (values != IGNORED).numpy()
        ends = np.concatenate([[0], np.cumsum(counted)])
        return np.asarray(ends[self._starts + self.lengths] - ends[self._starts])

    def __len__(self) -> int:
        return len(self.lengths)

    def batch(
        self, indices: Sequence[int] | np.ndarray, device: str | torch.device | None = None
    ) -> dict[str, Tensor]:
        """The examples at ``indices``, padded on the right to the longest of them.

        Returns:
            ``input_ids``, ``attention_mask`` and, if the model reads it, ``token_type_ids``, each
            of shape (indices, longest), with choices (indices, n_choices, longest); and the
            targets, shape (indices, ...), or (indices, longest) if they are per token.
        """
        rows = np.asarray(indices, dtype=np.int64)
        width = int(self.lengths[rows].max(initial=0))
        return self.gather(torch.from_numpy(rows).to(torch.device(device or "cpu")), width)

    def gather(self, rows: Tensor, width: int) -> dict[str, Tensor]:
        """Like `batch`, for indices that are already on the device.

        Args:
            rows: Indices of the examples, int64.
            width: The number of tokens to pad to; at least the length of each example.
        """
        packed = self._on(rows.device)
        columns = torch.arange(width, device=rows.device)
        shape = (len(rows), *([self.n_choices] if self.n_choices > 1 else []), width)
        sequences = self.sequences(rows)[:, None]
        inside = (columns < packed.lengths[sequences]).view(shape)
        # Padding reads the first token, a valid index, and is replaced below.
        tokens = torch.where(inside, (packed.starts[sequences] + columns).view(shape), 0)
        batch = {
            "input_ids": torch.where(inside, packed.ids[tokens].long(), self._pad_id),
            "attention_mask": inside.long(),
        }
        if packed.token_types is not None:
            batch["token_type_ids"] = torch.where(inside, packed.token_types[tokens].long(), 0)
        for name, values in packed.targets.items():
            found = values[tokens] if self.per_token else values[rows]
            batch[name] = torch.where(inside, found, IGNORED) if self.per_token else found
        return batch

    def units_of(self, rows: Tensor) -> Tensor:
        """The number of units of some rows together, on the device of their indices."""
        return self._on(rows.device).units[rows].sum()

    def sequences(self, rows: A) -> A:
        """The numbers of the sequences of some rows, one row after another."""
        if self.n_choices == 1:
            return rows
        if isinstance(rows, np.ndarray):
            return (rows[:, None] * self.n_choices + np.arange(self.n_choices)).reshape(-1)
        choices = torch.arange(self.n_choices, device=rows.device)
        return (rows[:, None] * self.n_choices + choices).flatten()

    def _on(self, device: torch.device) -> _Packed:
        """All examples on a device; they stay there, so that a batch only sends its indices."""
        if device not in self._packed:
            self._packed[device] = _Packed(
                ids=self._ids.to(device),
                token_types=None if self._token_types is None else self._token_types.to(device),
                starts=torch.from_numpy(self._starts).to(device),
                lengths=torch.from_numpy(self.sequence_lengths).to(device),
                units=torch.from_numpy(self.units).to(device),
                targets={name: values.to(device) for name, values in self.targets.items()},
            )
        return self._packed[device]

    def subset(self, indices: Sequence[int] | np.ndarray) -> Split:
        """The rows at ``indices``, in that order, as a new split."""
        rows = np.asarray(indices, dtype=np.int64)
        sequences = self.sequences(rows)
        tokens = self._tokens_of(sequences)
        places = tokens if self.per_token else torch.from_numpy(rows)
        return Split(
            self._ids[tokens].numpy(),
            self.sequence_lengths[sequences],
            {name: values[places].numpy() for name, values in self.targets.items()},
            token_types=None if self._token_types is None else self._token_types[tokens].numpy(),
            example_of=self.example_of[rows],
            passages=self.passages and self.passages.subset(rows, tokens.numpy()),
            unseen=None if self.unseen is None else self.unseen.subset(rows),
            **self._kind,
        )

    def without_token_types(self) -> Split:
        """The same rows for a model that reads no token types."""
        return Split(
            self.ids,
            self.sequence_lengths,
            {name: values.numpy() for name, values in self.targets.items()},
            example_of=self.example_of,
            passages=self.passages,
            unseen=self.unseen,
            **self._kind,
        )

    @property
    def _kind(self) -> dict[str, Any]:
        """The arguments of the constructor that are the same for any rows."""
        kind = {"per_token": self.per_token, "keeps_tokens": self.keeps_tokens}
        return {**kind, "n_choices": self.n_choices, "pad_id": self._pad_id}

    @property
    def ids(self) -> np.ndarray:
        """The token ids of all rows, one row after another."""
        return self._ids.numpy()

    @property
    def n_token_types(self) -> int:
        """The largest token type plus one; 0 if the rows have no token types."""
        types = self._token_types
        return 0 if types is None or not len(types) else int(types.max()) + 1

    def token_ids(self) -> Tensor:
        """The distinct token ids that batches may hold, including padding, ascending."""
        return torch.from_numpy(np.union1d(self._ids.numpy(), [self._pad_id]).astype(np.int64))

    def fingerprint(self) -> str:
        """A hash of all data used in batches and metrics."""
        digest = hashlib.sha256(str(self._pad_id).encode())
        types = b"" if self._token_types is None else self._token_types.numpy().tobytes()
        digest.update(self._ids.numpy().tobytes() + types)
        for name, values in self.targets.items():
            usual = name == "labels" and values.dtype in (torch.int64, torch.float32)
            if self.per_token or not usual:
                digest.update(f"{name} {self.per_token} {values.dtype}".encode())
            digest.update(values.numpy().tobytes())
        digest.update(self.sequence_lengths.tobytes())
        if not np.array_equal(self.example_of, np.arange(len(self))):
            digest.update(self.example_of.astype(np.int64).tobytes())
        if self.n_choices > 1:
            digest.update(f"{self.n_choices} choices".encode())
        if self.keeps_tokens and not self.per_token:
            digest.update(b"keeps tokens")
        if self.passages is not None:
            digest.update(self.passages.fingerprint.encode())
        if self.unseen is not None:
            digest.update(self.unseen.fingerprint.encode())
        return digest.hexdigest()[:16]

    def _tokens_of(self, sequences: np.ndarray) -> Tensor:
        """Positions in the packed arrays of all tokens of some sequences, one after another."""
        lengths = self.sequence_lengths[sequences]
        first = np.cumsum(lengths) - lengths
        places = np.arange(lengths.sum()) + np.repeat(self._starts[sequences] - first, lengths)
        return torch.from_numpy(places)


def with_token(split: Split, row: int, place: int, token: int) -> Split:
    """A split with only row ``row``, in which the token at ``place`` is replaced."""
    one = split.subset([row])
    one._ids[place] = token
    return one


def joined(splits: Sequence[Split]) -> Split:
    """One split with the rows of all, which have the same targets; without texts and words."""
    first = splits[0]
    types = [s._token_types.numpy() for s in splits if s._token_types is not None]
    return Split(
        torch.cat([s._ids for s in splits]).numpy(),
        np.concatenate([s.sequence_lengths for s in splits]),
        {name: torch.cat([s.targets[name] for s in splits]).numpy() for name in first.targets},
        token_types=np.concatenate(types) if types else None,
        example_of=np.concatenate([s.example_of for s in splits]),
        **first._kind,
    )


def batch_units(batch: Mapping[str, Tensor]) -> int:
    """Number of loss units in a batch of a `Split`: rows, or target tokens."""
    targets = [values for name, values in batch.items() if name not in _INPUTS]
    per_token = [values for values in targets if is_per_token(values, batch)]
    if per_token:
        return int(torch.stack([values != IGNORED for values in per_token]).all(dim=0).sum())
    return len(batch["input_ids"])


def is_per_token(values: Tensor, batch: Mapping[str, Tensor]) -> bool:
    """Whether a tensor of a batch of a `Split` has one value per token.

    Targets per token are class or token numbers. Decimals in that shape are several targets of a
    row that happen to be as many as its tokens.
    """
    return values.shape == batch["input_ids"].shape and not values.is_floating_point()
