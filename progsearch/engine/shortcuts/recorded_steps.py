"""Records optimizer steps as CUDA graphs and replays them without Python.

A step of a small model runs hundreds of kernels of a few microseconds each, and launching them
from Python takes ten times as long. A CUDA graph holds all kernels of a step and is launched by
one call. What changes from step to step (the examples, the learning rate, the random seed) is in
tensors that the graph reads.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from progsearch.engine.batches import Batch
from progsearch.engine.shortcuts.base import Shortcut, StageStart, Update
from progsearch.engine.shortcuts.frozen_prefix import FrozenPrefix
from progsearch.engine.shortcuts.target_tokens import n_places
from progsearch.models.architectures import architecture_of

_log = logging.getLogger(__name__)

# A graph takes a few MiB on the device. Data with more batch shapes than this has large batches.
_MOST_GRAPHS = 64


def recordable(model: nn.Module) -> bool:
    """Whether steps of ``model`` can be recorded; logs it if they cannot."""
    architecture = architecture_of(model)
    if not architecture.recordable:
        _log.info(
            "training without CUDA graphs: not known to work with %s",
            architecture.model_type,
        )
    return architecture.recordable


@dataclass(frozen=True)
class _Recorded:
    graph: torch.cuda.CUDAGraph
    rows: list[Tensor]


class RecordedSteps(Shortcut):
    """The recorded steps of one stage, by batch shape.

    Args:
        device: A GPU.
        prefix: The frozen-prefix shortcut, if it is used. A step that copies its states from host
            memory waits for them, so it cannot be recorded.
        counts_targets: Whether the shape of a step depends on its number of target tokens.
    """

    title = "recorded steps"

    def __init__(
        self, device: torch.device, prefix: FrozenPrefix | None, *, counts_targets: bool = False
    ) -> None:
        self._device = device
        self._prefix = prefix
        self._counts_targets = counts_targets
        self._recorded: dict[Hashable, _Recorded] = {}
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._usable = True
        self.forget()

    def enter_stage(self, start: StageStart) -> None:
        """Drop the recorded steps: a new stage uses other tensors."""
        self.forget()

    def forget(self) -> None:
        """Drop the recorded steps: the tensors that they use may be replaced."""
        if self._recorded:
            self._recorded.clear()
            # Their memory can be used again only after this.
            torch.cuda.empty_cache()
        # All graphs of a stage share one memory pool. No step leaves anything in it that another
        # one reads, so they may be replayed in any order.
        self._pool = torch.cuda.graph_pool_handle()
        self._is_first = True

    def step(
        self, batches: list[Batch], rows: list[Tensor], update: Update
    ) -> Callable[[], None] | None:
        """The step as one call, if it can be recorded.

        ``update`` must not wait for the device, and its kernels and their arguments must depend
        only on the `_kind` of each batch.
        """
        # The first step of a stage is not recorded: it allocates tensors that later steps use.
        if self._is_first:
            self._is_first = False
            return None
        kinds = [self._kind(batch) for batch in batches]
        if None in kinds:
            return None
        key = tuple(kinds)
        if key not in self._recorded and self._usable and len(self._recorded) < _MOST_GRAPHS:
            self._record(key, rows, partial(update, batches))
        recorded = self._recorded.get(key)
        return partial(_replay, recorded, rows) if recorded is not None else None

    def _kind(self, batch: Batch) -> Hashable | None:
        """What the kernels of a pass depend on within a stage; None if it cannot be recorded."""
        # Without padding, transformers drops the attention mask, but to find out it has to read
        # the mask, which it cannot do in a recording.
        if not batch.is_padded:
            return None
        if self._prefix is not None and not self._prefix.on_device(batch):
            return None
        shape = len(batch.indices), batch.width
        return (*shape, n_places(batch)) if self._counts_targets else shape

    def _record(
        self, key: Hashable, rows: list[Tensor], step: Callable[[list[Tensor]], None]
    ) -> None:
        """Record the kernels of ``step`` without executing them."""
        held = [row.to(self._device) for row in rows]
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize(self._device)
        try:
            with torch.cuda.stream(self._stream):
                # Not torch.cuda.graph, which also collects garbage and empties the memory cache.
                # "thread_local": other threads of this process do not disturb the recording.
                graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
                try:
                    step(held)
                finally:
                    graph.capture_end()
        except Exception as error:
            _log.info("training without CUDA graphs: %s", error)
            # Otherwise the random generator would stay in recording mode for ever.
            generator = torch.cuda.default_generators[torch.cuda.current_device()]
            generator.graphsafe_set_state(torch.Generator(generator.device))
            self._usable = False
            self._recorded.clear()
            return
        self._recorded[key] = _Recorded(graph, held)


def _replay(recorded: _Recorded, rows: list[Tensor]) -> None:
    for held, given in zip(recorded.rows, rows, strict=True):
        held.copy_(given, non_blocking=True)
    recorded.graph.replay()
