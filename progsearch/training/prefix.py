"""The frozen-prefix cache: what frozen blocks compute is computed once per example.

While the embeddings and the first k blocks are frozen, the output of block k-1 is a constant
function of the input. It is kept the first time a batch passes by, in the very dtype the block
gave, and put in its place from then on, so that the frozen blocks are not run again.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor, nn

from progsearch.anatomy import Anatomy
from progsearch.cache import content_key
from progsearch.tasks import Split
from progsearch.training.batches import Indices
from progsearch.training.store import Store

_log = logging.getLogger(__name__)

# Share of the memory that is free when a cache is made; what does not fit goes to a mapped file.
_MEMORY_SHARE = 0.25
# States of a prefix that froze on the way are shared up to the size of what a segment of full
# fine-tuning leaves behind: the weights and two moments each.
_SHARED_TIMES_MODEL = 3

Forward = Callable[..., Any]


class HiddenStates:
    """Hidden states of a split's examples behind some block, without padding.

    Attributes:
        depth: How many blocks the states have passed.
    """

    def __init__(self, split: Split, depth: int, like: Tensor) -> None:
        self.depth = depth
        lengths = np.asarray(split.lengths)
        self._lengths = torch.as_tensor(lengths, device=like.device)
        ends = np.cumsum(lengths)
        self._starts = torch.as_tensor(ends - lengths, device=like.device)
        # One row more than there are tokens: padding reads it, and it stays zero.
        self._padding_row = int(ends[-1])
        self.states = _allocate(self._padding_row + 1, like)
        self.states[self._padding_row] = 0
        self._filled = np.zeros(len(lengths), dtype=bool)

    @classmethod
    def loaded(cls, split: Split, depth: int, states: Tensor) -> HiddenStates:
        """Those that another run has computed for every example of ``split``."""
        made = cls(split, depth, states[:1])
        made.states.copy_(states)
        made._filled[:] = True
        return made

    def has(self, indices: Indices) -> bool:
        """Whether the states of all these examples are there."""
        return bool(self._filled[indices].all())

    @property
    def complete(self) -> bool:
        """Whether the states of every example are there."""
        return bool(self._filled.all())

    def put(self, indices: Indices, hidden: Tensor) -> None:
        """Keep ``hidden``, shape ``(batch, longest, hidden_size)``, padded on the right."""
        rows, real = self._rows(indices, hidden.shape[1])
        self.states[rows[real]] = hidden[real]
        self._filled[indices] = True

    def get(self, indices: Indices) -> Tensor:
        """The states as they were put; padding is zero."""
        rows, _ = self._rows(indices, int(self._lengths[torch.as_tensor(indices)].max()))
        return self.states[rows]

    def _rows(self, indices: Indices, longest: int) -> tuple[Tensor, Tensor]:
        chosen = torch.as_tensor(indices, device=self._lengths.device)
        position = torch.arange(longest, device=self._lengths.device)
        real = position < self._lengths[chosen, None]
        rows = torch.where(real, self._starts[chosen, None] + position, self._padding_row)
        return rows, real


def _allocate(rows: int, like: Tensor) -> Tensor:
    shape = (rows, like.shape[-1])
    needed = rows * like.shape[-1] * like.element_size()
    if like.device.type != "cpu":
        free, _ = torch.cuda.mem_get_info(like.device)
        if needed <= free * _MEMORY_SHARE:
            return torch.empty(shape, dtype=like.dtype, device=like.device)
    elif needed <= psutil.virtual_memory().available * _MEMORY_SHARE:
        return torch.empty(shape, dtype=like.dtype)
    _log.info("prefix cache of %.1f GiB goes to a memory-mapped file", needed / 2**30)
    # The mapping outlives the name, so the file goes when the tensor does, whatever happens.
    with tempfile.NamedTemporaryFile(prefix="progsearch-prefix-") as file:
        file.truncate(needed)
        flat = torch.from_file(
            file.name, shared=True, size=rows * like.shape[-1], dtype=like.dtype
        )
    return flat.view(shape)


class FrozenPrefix:
    """Runs a model's forward passes without its frozen prefix, as far as that is known.

    Args:
        model: The model; only the ``forward`` of its blocks is replaced, and only within
            `replay`.
        anatomy: Where its blocks are.
        store: Where states are shared with other runs.
        origin: Given a step, all that determines the weights there, as JSON-able data.
    """

    def __init__(
        self,
        model: nn.Module,
        anatomy: Anatomy,
        store: Store | None = None,
        origin: Callable[[int], Sequence[Any]] = lambda step: [step],
    ) -> None:
        self._store = store
        self._origin = origin
        self._since = 0
        self._blocks = [model.get_submodule(name) for name in anatomy.blocks]
        parameters = sum(p.numel() * p.element_size() for p in model.parameters())
        self._most_shared = _SHARED_TIMES_MODEL * parameters
        self._depth = 0
        # Per split the states at hand, shallow first. Two while a cache moves forward: the old
        # one serves the examples that the new one does not hold yet.
        self._states: dict[int, list[HiddenStates]] = {}
        self._splits: dict[int, Split] = {}
        # Some architectures' blocks return a tuple around the hidden states; None: they do not.
        self._tuple_size: int | None = None

    def set_depth(self, depth: int, since: int = 0) -> None:
        """From here on the embeddings and the first ``depth`` blocks are frozen.

        Args:
            depth: Number of frozen blocks; 0 where the embeddings are trained.
            since: The step from which on these parts have not been trained.
        """
        self._since = since
        if depth < self._depth:
            # Something thawed: what was behind it is no constant any more.
            self._states.clear()
        self._depth = depth

    @contextmanager
    def replay(self, split: Split, indices: Indices) -> Iterator[None]:
        """Within, the model's forward pass of exactly this batch skips what is known."""
        if self._depth == 0:
            yield
            return
        self._splits[id(split)] = split  # keeps the id from being used again
        known = self._states.get(id(split))
        if known is None:
            known = self._states[id(split)] = self._shared(split)
        source = next((states for states in reversed(known) if states.has(indices)), None)
        replaced: dict[int, Forward] = {}
        if source is not None:
            hidden = source.get(indices)
            for index in range(source.depth - 1):
                replaced[index] = self._pass_on
            replaced[source.depth - 1] = lambda *args, **kwargs: self._as_output(hidden)
        if source is None or source.depth < self._depth:
            replaced[self._depth - 1] = self._recording(split, indices, known)
        try:
            for index, forward in replaced.items():
                self._blocks[index].forward = forward
            yield
        finally:
            for index in replaced:
                del self._blocks[index].forward

    def _recording(self, split: Split, indices: Indices, known: list[HiddenStates]) -> Forward:
        block = self._blocks[self._depth - 1]
        original = block.forward

        def forward(*args: Any, **kwargs: Any) -> Any:
            output = original(*args, **kwargs)
            self._tuple_size = None if isinstance(output, Tensor) else len(output)
            hidden: Tensor = output if isinstance(output, Tensor) else output[0]
            hidden = hidden.detach()
            if not known or known[-1].depth != self._depth:
                known.append(HiddenStates(split, self._depth, hidden))
            known[-1].put(indices, hidden)
            if known[-1].complete:
                del known[:-1]
                self._share(split, known[-1])
            return output

        return forward

    def _keys(self, split: Split, depths: Iterable[int]) -> list[str]:
        origin, data = list(self._origin(self._since)), split.fingerprint()
        return [content_key("prefix", origin, data, depth) for depth in depths]

    def _shared(self, split: Split) -> list[HiddenStates]:
        """The deepest states that another run has left behind, if there are any."""
        if self._store is None:
            return []
        depths = range(self._depth, 0, -1)
        for depth, key in zip(depths, self._keys(split, depths), strict=True):
            description = self._store.get(key)
            tensors = self._store.load(key) if description else None
            if description is not None and tensors is not None:
                self._tuple_size = description["tuple_size"]
                return [HiddenStates.loaded(split, depth, tensors["states"])]
        return []

    def _share(self, split: Split, states: HiddenStates) -> None:
        """Offer complete states to other runs.

        Every run with such a schedule can use what was frozen from the start; what froze later
        serves those alone that were trained alike before, and must not displace their steps.
        """
        size = states.states.numel() * states.states.element_size()
        if self._store is not None and (self._since == 0 or size <= self._most_shared):
            (key,) = self._keys(split, [states.depth])
            self._store.put(key, {"tuple_size": self._tuple_size}, {"states": states.states})

    def _pass_on(self, *args: Any, **kwargs: Any) -> Any:
        return self._as_output(args[0] if args else kwargs["hidden_states"])

    def _as_output(self, hidden: Tensor) -> Any:
        if self._tuple_size is None:
            return hidden
        return (hidden, *[None] * (self._tuple_size - 1))
