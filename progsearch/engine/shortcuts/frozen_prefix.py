"""The frozen-prefix cache: the output of frozen leading blocks is computed once per example.

While the embeddings and the first k blocks are frozen, the output of block k-1 depends only on
the input. It is computed before an example's first pass, in large batches, and kept in the dtype
that the block returned. Later passes use it instead of running the frozen blocks again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from progsearch.cache import content_key
from progsearch.engine.batches import Batch, Indices, evaluation_batches
from progsearch.engine.shortcuts.base import Shortcut, StageStart
from progsearch.engine.shortcuts.forwards import replaced
from progsearch.engine.shortcuts.head_token import HeadToken
from progsearch.engine.shortcuts.hidden_states import HiddenStates, NoRoom
from progsearch.models.anatomy import Anatomy
from progsearch.models.blocks import as_output, hidden_input, hidden_output, tuple_size
from progsearch.store import Store
from progsearch.tasks import Split

_log = logging.getLogger(__name__)

# A prefix that froze during training is stored only if its states are no larger than a stored
# segment of full fine-tuning: the weights and two Adam moments each.
_SHARED_TIMES_MODEL = 3


class _Filled(Exception):
    """Ends a forward pass early: the states that it was run for are stored."""


class FrozenPrefix(Shortcut):
    """Skips the frozen prefix in forward passes if its output is cached.

    Args:
        model: The model, on the device where it is trained. Only the ``forward`` of its blocks is
            replaced, and only during a pass.
        anatomy: Its parts.
        head_token: The head-token shortcut if it is used; active around this one.
        store: Shares states with other runs.
        origin: Given a step, everything that determines the weights there, as JSON-able data.
    """

    title = "prefix cache"

    def __init__(
        self,
        model: nn.Module,
        anatomy: Anatomy,
        head_token: HeadToken | None = None,
        store: Store | None = None,
        origin: Callable[[int], Sequence[Any]] = lambda step: [step],
    ) -> None:
        self._head_token = head_token
        self._store = store
        self._origin = origin
        self._since = 0
        self._blocks = [model.get_submodule(name) for name in anatomy.blocks]
        self._device = next(self._blocks[0].parameters()).device
        parameters = sum(p.numel() * p.element_size() for p in model.parameters())
        self._most_shared = _SHARED_TIMES_MODEL * parameters
        self._depth = 0
        # The cached states of each split, shallowest first. There are two while a deeper cache is
        # being filled: its passes start from the old one.
        self._states: WeakKeyDictionary[Split, list[HiddenStates]] = WeakKeyDictionary()
        # The depths at which the states of a split have no room: the frozen blocks run each time,
        # without gradients.
        self._without_room: WeakKeyDictionary[Split, set[int]] = WeakKeyDictionary()
        # While a cache is being filled: the states that its passes start from.
        self._filling_from: list[HiddenStates | None] = []
        # The length of the tuple that the blocks return; None if they return only the states.
        self._tuple_size: int | None = None

    # -- called by the engine ----------------------------------------------------------------

    def enter_stage(self, start: StageStart) -> None:
        """Take over how many leading blocks are frozen from now on."""
        self._since = start.frozen_since
        self._set_depth(start.frozen_prefix)
        if start.step == start.first and start.frozen_after:
            _log.info(
                "steps %d to %d, not in the prefix cache: %s",
                start.first,
                start.end,
                start.frozen_after,
            )

    def forget(self) -> None:
        """Drop all states: the skipped steps may have trained the frozen blocks."""
        self._set_depth(0)

    @torch.no_grad()
    def prepare(self, split: Split, indices: Indices, forward: Callable[[Batch], Any]) -> None:
        """Compute the missing states of these examples; does nothing if nothing is frozen."""
        if self._depth == 0 or self._depth in self._without_room.get(split, ()):
            return
        known = self._states.get(split)
        if known is None:
            known = self._states[split] = self._shared(split)
        target = self._current(split)
        missing = indices if target is None else indices[~_has(target, split, indices)]
        if not len(missing):
            return
        for source in (*reversed([s for s in known if s is not target]), None):
            has = _has(source, split, missing) if source else np.ones(len(missing), dtype=bool)
            part, missing = missing[has], missing[~has]
            lengths = split.lengths[part] * split.n_choices
            for batch in evaluation_batches(lengths, self._device):
                try:
                    with self._keeping(split, part[batch], source), suppress(_Filled):
                        forward(Batch.of(split, part[batch]))
                except NoRoom as error:
                    self._do_without(split, str(error))
                    return
        filled = known[-1]
        if filled.complete:
            del known[:-1]
            self._share(split, filled)

    def around(
        self, batch: Batch, rows: Tensor, inputs: dict[str, Tensor]
    ) -> AbstractContextManager[None]:
        """Start the pass of this batch from cached states, if there are any."""
        states = self._source(batch)
        if states is None:
            return nullcontext()
        rows = batch.split.sequences(rows)
        if self._all_tokens(states.depth):
            hidden = states.get(rows, batch.width)
        else:
            # The head reads only one token, so all positions may hold the same state.
            hidden = states.get(rows, 1).expand(-1, batch.width, -1)
        *below, last = self._blocks[: states.depth]
        return replaced(
            {
                **dict.fromkeys(below, self._pass_on),
                last: lambda *args, **kwargs: as_output(hidden, self._tuple_size),
            }
        )

    # -- called by other shortcuts -----------------------------------------------------------

    def replaces(self, batch: Batch) -> bool:
        """Whether the pass of ``batch`` starts from cached states."""
        return self._source(batch) is not None

    def on_device(self, batch: Batch) -> bool:
        """Whether the states that the pass of ``batch`` starts from are on the model's device."""
        states = self._source(batch)
        return states is None or states.on_device

    # -- the cached states -------------------------------------------------------------------

    def _set_depth(self, depth: int) -> None:
        if depth < self._depth:
            # A block was unfrozen: the output of the blocks after it may change.
            self._states.clear()
        self._depth = depth

    def _current(self, split: Split) -> HiddenStates | None:
        """The cached states after the whole frozen prefix."""
        known = self._states.get(split)
        return known[-1] if known and known[-1].depth == self._depth else None

    def _source(self, batch: Batch) -> HiddenStates | None:
        """The states that the pass of ``batch`` starts from."""
        if self._filling_from:
            return self._filling_from[-1]
        return self._current(batch.split) if batch.cached else None

    @contextmanager
    def _keeping(
        self, split: Split, indices: Indices, source: HiddenStates | None
    ) -> Iterator[None]:
        """While active, passes of these examples start from ``source`` and fill the cache."""
        last = self._blocks[self._depth - 1]
        original = last.forward

        def forward(*args: Any, **kwargs: Any) -> Any:
            output = original(*args, **kwargs)
            self._tuple_size = tuple_size(output)
            hidden = hidden_output(output)
            if self._head_token is not None and not self._all_tokens(self._depth):
                hidden = self._head_token.of(hidden)
            states = self._current(split)
            if states is None:
                states = HiddenStates(self._lengths(split, self._depth), self._depth, hidden)
                self._states[split].append(states)
            states.put(split.sequences(indices), hidden)
            raise _Filled

        self._filling_from.append(source)
        try:
            with replaced({last: forward}):
                yield
        finally:
            self._filling_from.pop()

    def _all_tokens(self, depth: int) -> bool:
        """Whether the states of all tokens are needed after ``depth`` blocks, not just one."""
        head_token = self._head_token
        return depth < len(self._blocks) or head_token is None or head_token.position is None

    def _lengths(self, split: Split, depth: int) -> npt.NDArray[np.int64]:
        lengths = split.sequence_lengths
        return lengths if self._all_tokens(depth) else np.ones_like(lengths)

    def _do_without(self, split: Split, reason: str) -> None:
        _log.info("%s, so the frozen blocks run without gradients instead", reason)
        self._without_room.setdefault(split, set()).add(self._depth)
        # Those of fewer blocks are not read any more.
        self._states.pop(split)

    # -- states shared with other runs -------------------------------------------------------

    def _keys(self, split: Split, depths: Iterable[int]) -> list[str]:
        origin, data = list(self._origin(self._since)), split.fingerprint()
        return [
            content_key("prefix", origin, data, depth, self._all_tokens(depth)) for depth in depths
        ]

    def _shared(self, split: Split) -> list[HiddenStates]:
        """The deepest usable states in the store, if there are any."""
        if self._store is None:
            return []
        depths = range(self._depth, 0, -1)
        for depth, key in zip(depths, self._keys(split, depths), strict=True):
            description = self._store.get(key)
            tensors = self._store.load(key) if description else None
            if description is not None and tensors is not None:
                self._tuple_size = description["tuple_size"]
                lengths = self._lengths(split, depth)
                with suppress(NoRoom):
                    return [HiddenStates.loaded(lengths, depth, tensors["states"], self._device)]
        return []

    def _share(self, split: Split, states: HiddenStates) -> None:
        """Store complete states for other runs.

        If the prefix was frozen from the start, every run with such a schedule can use them. If
        it froze later, only runs with the same steps before can, so large states are not stored:
        they must not displace those steps.
        """
        if self._store is not None and (self._since == 0 or states.size <= self._most_shared):
            (key,) = self._keys(split, [states.depth])
            self._store.put(key, {"tuple_size": self._tuple_size}, {"states": states.states})

    # -- replacement of skipped blocks -------------------------------------------------------

    def _pass_on(self, *args: Any, **kwargs: Any) -> Any:
        return as_output(hidden_input(args, kwargs), self._tuple_size)


def _has(states: HiddenStates, split: Split, indices: Indices) -> npt.NDArray[np.bool_]:
    """For each of these examples, whether the states of all its sequences are stored."""
    of_sequences = states.has(split.sequences(indices)).reshape(-1, split.n_choices)
    return np.asarray(of_sequences.all(axis=1))
