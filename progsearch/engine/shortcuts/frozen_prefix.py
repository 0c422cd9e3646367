"""The frozen-prefix cache: what frozen blocks compute is computed once per example.

While the embeddings and the first k blocks are frozen, the output of block k-1 is a constant
function of the input. It is computed before an example's first pass, in large batches, kept in
the very dtype the block gave, and put in its place, so that the frozen blocks are not run again.
"""

from __future__ import annotations

import logging
import math
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from progsearch.cache import content_key
from progsearch.engine.batches import Indices, evaluation_batches
from progsearch.engine.shortcuts.head_token import HeadToken
from progsearch.models.anatomy import Anatomy
from progsearch.store import Store
from progsearch.tasks import Split

_log = logging.getLogger(__name__)

# Share of the memory that is free when a cache is made; what does not fit goes to a mapped file.
_MEMORY_SHARE = 0.25
# States of a prefix that froze on the way are shared up to the size of what a segment of full
# fine-tuning leaves behind: the weights and two moments each.
_SHARED_TIMES_MODEL = 3

Forward = Callable[..., Any]


class HiddenStates:
    """Hidden states of a split's examples behind some block, without padding.

    Args:
        lengths: How many states each example has: one per token, or one alone.
        depth: How many blocks the states have passed.
        like: A tensor of their dtype and width, on the device that works with them. What that
            device has no room for lies in the machine's memory.

    Attributes:
        depth: How many blocks the states have passed.
        states: All of them, shape ``(sum of lengths + 2, hidden_size)``, wherever there was room.
    """

    def __init__(self, lengths: np.ndarray, depth: int, like: Tensor) -> None:
        self.depth = depth
        self._device = like.device
        ends = np.cumsum(lengths)
        # Two rows more than there are states: padding reads the first, which stays zero, and is
        # written to the second, so that the kernels do not depend on how much of it there is.
        self._padding_row = int(ends[-1])
        self.states = _allocate(self._padding_row + 2, like)
        self.states[self._padding_row :] = 0
        place = self.states.device
        self._lengths = torch.as_tensor(lengths, device=place)
        self._starts = torch.as_tensor(ends - lengths, device=place)
        self._filled = np.zeros(len(lengths), dtype=bool)

    @classmethod
    def loaded(
        cls, lengths: np.ndarray, depth: int, states: Tensor, device: torch.device
    ) -> HiddenStates:
        """Those that another run has computed for every example."""
        made = cls(lengths, depth, states[:1].to(device))
        made.states.copy_(states)
        made._filled[:] = True
        return made

    @property
    def at_hand(self) -> bool:
        """Whether they lie on the device that works with them."""
        return self.states.device == self._device

    @property
    def complete(self) -> bool:
        """Whether the states of every example are there."""
        return bool(self._filled.all())

    def has(self, indices: Indices) -> npt.NDArray[np.bool_]:
        """Of which of these examples the states are there."""
        return self._filled[indices]

    def put(self, indices: Indices, hidden: Tensor) -> None:
        """Keep the states of some examples.

        Args:
            indices: Which they are.
            hidden: Shape ``(len(indices), width, hidden_size)``, padded on the right.
        """
        rows = torch.from_numpy(indices)
        places = self._places(rows, hidden.shape[1], self._padding_row + 1)
        self.states[places] = hidden.to(self.states.device)
        self._filled[indices] = True

    def get(self, rows: Tensor, width: int) -> Tensor:
        """The states of some examples as they were put; padding is zero.

        Args:
            rows: Which they are, int64, on the device that works with the states.
            width: Tokens that they are padded to.
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
    if needed <= psutil.virtual_memory().available * _MEMORY_SHARE:
        return torch.empty(shape, dtype=like.dtype)
    _log.info("prefix cache of %.1f GiB goes to a memory-mapped file", needed / 2**30)
    # The mapping outlives the name, so the file goes when the tensor does, whatever happens.
    with tempfile.NamedTemporaryFile(prefix="progsearch-prefix-") as file:
        file.truncate(needed)
        flat = torch.from_file(
            file.name, shared=True, size=rows * like.shape[-1], dtype=like.dtype
        )
    return flat.view(shape)


class _Filled(Exception):
    """The states that a pass was made for are there: what comes behind them is not needed."""


class FrozenPrefix:
    """Runs a model's forward passes without its frozen prefix, as far as that is known.

    Args:
        model: The model; only the ``forward`` of its blocks is replaced, and only within
            `replay`.
        anatomy: Where its blocks are.
        head_token: The one that its head reads.
        keeps: Whether states are kept; without them every pass is whole.
        store: Where states are shared with other runs.
        origin: Given a step, all that determines the weights there, as JSON-able data.
    """

    def __init__(
        self,
        model: nn.Module,
        anatomy: Anatomy,
        head_token: HeadToken,
        keeps: bool = True,
        store: Store | None = None,
        origin: Callable[[int], Sequence[Any]] = lambda step: [step],
    ) -> None:
        self.keeps = keeps
        self._head_token = head_token
        self._store = store
        self._origin = origin
        self._since = 0
        self._blocks = [model.get_submodule(name) for name in anatomy.blocks]
        self._device = next(self._blocks[0].parameters()).device
        # Until a pass has shown which of them makes what the first block alone reads, if any does;
        # that one, and of which dtype its work is, from then on.
        self._embeddings = anatomy.modules(model, "embeddings")
        self._unread: tuple[nn.Module, torch.dtype] | None = None
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

    def states(self, split: Split) -> HiddenStates | None:
        """What stands for the frozen blocks in the passes of ``split``; `fill` it before."""
        known = self._states.get(id(split))
        return known[-1] if known and known[-1].depth == self._depth else None

    @torch.no_grad()
    def fill(
        self,
        split: Split,
        indices: Indices,
        forward: Callable[[HiddenStates | None, Indices], Any],
    ) -> None:
        """Compute the states of some examples, each once; nothing where nothing is frozen.

        Args:
            split: Where they are from.
            indices: Which they are.
            forward: Makes the pass of a batch from some states on; None: from the input on.
        """
        if self._depth == 0 or not self.keeps:
            return
        self._splits[id(split)] = split  # keeps the id from being used again
        known = self._states.get(id(split))
        if known is None:
            known = self._states[id(split)] = self._shared(split)
        target = self.states(split)
        missing = indices if target is None else indices[~target.has(indices)]
        if not len(missing):
            return
        for source in (*reversed([s for s in known if s is not target]), None):
            has = source.has(missing) if source else np.ones(len(missing), dtype=bool)
            part, missing = missing[has], missing[~has]
            for batch in evaluation_batches(split.lengths[part], self._device):
                with self._keeping(split, part[batch]), suppress(_Filled):
                    forward(source, part[batch])
        filled = known[-1]
        if filled.complete:
            del known[:-1]
            self._share(split, filled)

    @contextmanager
    def replay(self, states: HiddenStates | None, rows: Tensor, width: int) -> Iterator[None]:
        """Within, the model's forward pass of exactly this batch begins with what is known.

        Args:
            states: Of its split; None: nothing is known.
            rows: Its examples' numbers on the device.
            width: Tokens that it is padded to.
        """
        if states is None:
            yield
            return
        hidden = self._get(states, rows, width)
        *below, last = self._blocks[: states.depth]
        replaced: dict[nn.Module, Forward] = dict.fromkeys(below, self._pass_on)
        replaced[last] = lambda *args, **kwargs: self._as_output(hidden)
        with self._without_embeddings(hidden, replaced), _replaced(replaced):
            yield

    @contextmanager
    def _without_embeddings(
        self, hidden: Tensor, replaced: dict[nn.Module, Forward]
    ) -> Iterator[None]:
        """Within, what the first block alone was to read is not computed.

        The first whole pass shows which module makes it. From then on a number stands for its
        work that a result would show, should something read it after all.
        """
        if self._unread is not None:
            module, dtype = self._unread
            nothing = hidden.new_full((), math.nan, dtype=dtype).expand_as(hidden)
            replaced[module] = lambda *args, **kwargs: nothing
        if not self._embeddings:
            yield
            return
        work, first = _Work(), replaced[self._blocks[0]]
        taken: list[Tensor] = []

        def block(*args: Any, **kwargs: Any) -> Any:
            taken.append(_hidden_states(args, kwargs))
            return first(*args, **kwargs)

        replaced |= {module: work.of(module) for module in self._embeddings}
        replaced[self._blocks[0]] = block
        with work:
            yield
        # Not after a pass that ended early, which says nothing of what is read later.
        self._embeddings = []
        makers = [module for module, output in work.given if output is taken[0]]
        if len(makers) == 1 and not any(tensor is taken[0] for tensor in work.read):
            self._unread = makers[0], taken[0].dtype

    def _get(self, source: HiddenStates, rows: Tensor, width: int) -> Tensor:
        if self._all_tokens(source.depth):
            return source.get(rows, width)
        # The head reads one of them, wherever it looks.
        return source.get(rows, 1).expand(-1, width, -1)

    def _all_tokens(self, depth: int) -> bool:
        """Whether somebody reads more than one token's state behind this many blocks."""
        return depth < len(self._blocks) or self._head_token.position is None

    def _lengths(self, split: Split, depth: int) -> np.ndarray:
        return split.lengths if self._all_tokens(depth) else np.ones_like(split.lengths)

    def _keeping(self, split: Split, indices: Indices) -> AbstractContextManager[None]:
        """Within, a pass of these examples ends where their states are kept."""
        last = self._blocks[self._depth - 1]
        original = last.forward

        def forward(*args: Any, **kwargs: Any) -> Any:
            output = original(*args, **kwargs)
            self._tuple_size = None if isinstance(output, Tensor) else len(output)
            hidden: Tensor = output if isinstance(output, Tensor) else output[0]
            if not self._all_tokens(self._depth):
                hidden = self._head_token.of(hidden)
            states = self.states(split)
            if states is None:
                states = HiddenStates(self._lengths(split, self._depth), self._depth, hidden)
                self._states[id(split)].append(states)
            states.put(indices, hidden)
            raise _Filled

        return _replaced({last: forward})

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
                lengths = self._lengths(split, depth)
                return [HiddenStates.loaded(lengths, depth, tensors["states"], self._device)]
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
        return self._as_output(_hidden_states(args, kwargs))

    def _as_output(self, hidden: Tensor) -> Any:
        if self._tuple_size is None:
            return hidden
        return (hidden, *[None] * (self._tuple_size - 1))


class _Work(TorchFunctionMode):
    """Watches what becomes of what modules give.

    Attributes:
        given: The modules that ran, and their outputs.
        read: Those of the outputs that something was computed from.
    """

    def __init__(self) -> None:
        super().__init__()
        self.given: list[tuple[nn.Module, Any]] = []
        self.read: list[Any] = []

    def of(self, module: nn.Module) -> Forward:
        """The module's forward, watched."""
        original = module.forward

        def forward(*args: Any, **kwargs: Any) -> Any:
            output = original(*args, **kwargs)
            self.given.append((module, output))
            return output

        return forward

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **kwargs or {})
        # A shape or a dtype is no such thing.
        if any(isinstance(leaf, Tensor) for leaf in tree_leaves(result)):
            given = [output for _, output in self.given]
            self.read += [
                leaf for leaf in tree_leaves([args, kwargs]) if any(leaf is o for o in given)
            ]
        return result


@contextmanager
def _replaced(forwards: dict[nn.Module, Forward]) -> Iterator[None]:
    """Within, these modules do something else."""
    try:
        for module, forward in forwards.items():
            module.forward = forward
        yield
    finally:
        for module in forwards:
            del module.forward


def _hidden_states(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a block was given."""
    return args[0] if args else kwargs["hidden_states"]
