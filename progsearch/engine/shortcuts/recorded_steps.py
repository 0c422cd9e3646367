"""Optimizer steps that a GPU repeats without Python.

A step of a small model is hundreds of kernels of a few microseconds each, and Python takes ten
times as long to start them. A CUDA graph holds all kernels of a step and is started by one call;
what changes from one step to the next (the examples, the learning rate, the random numbers' seed)
lies in tensors that it reads.
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
from progsearch.models.architectures import architecture_of

_log = logging.getLogger(__name__)

# Each holds some MiB on the device. Data with more shapes than this has large batches.
_MOST_GRAPHS = 64


def recordable(model: nn.Module) -> bool:
    """Whether steps of ``model`` can be recorded; if not, the log says so."""
    architecture = architecture_of(model)
    if not architecture.recordable:
        _log.info(
            "steps are made without CUDA graphs: not known to work with %s",
            architecture.model_type,
        )
    return architecture.recordable


@dataclass(frozen=True)
class _Recorded:
    graph: torch.cuda.CUDAGraph
    rows: list[Tensor]


class RecordedSteps(Shortcut):
    """The recorded steps of one stage, by what makes their kernels differ.

    Args:
        device: A GPU.
        prefix: The shortcut that leaves out frozen blocks, if it is used: what a pass fetches
            for it from the machine's memory is waited for, and such a step has no graph.
    """

    title = "recorded steps"

    def __init__(self, device: torch.device, prefix: FrozenPrefix | None) -> None:
        self._device = device
        self._prefix = prefix
        self._recorded: dict[Hashable, _Recorded] = {}
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._usable = True
        self.forget()

    def enter_stage(self, start: StageStart) -> None:
        """Other tensors take part from now on: what was recorded reads the old ones."""
        self.forget()

    def forget(self) -> None:
        """Tensors that the recorded steps work with are about to be replaced."""
        if self._recorded:
            self._recorded.clear()
            # Their memory serves nobody else unless it is given back.
            torch.cuda.empty_cache()
        # All of one stage share their memory. No step leaves anything in it, so their order does
        # not matter.
        self._pool = torch.cuda.graph_pool_handle()
        self._is_first = True

    def step(
        self, batches: list[Batch], rows: list[Tensor], update: Update
    ) -> Callable[[], None] | None:
        """The step as one call, if it can be recorded.

        ``update`` must not wait for the device, and its kernels and their arguments must follow
        from what `_kind` tells of its batches.
        """
        # A stage's first step is not recorded: it allocates what the others work with.
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
        """What the kernels of a pass depend on while a stage lasts; None if it is not known."""
        # If a batch needs no padding, transformers leaves the attention mask out, but only if it
        # can read it.
        if not batch.is_padded:
            return None
        if self._prefix is not None and not self._prefix.on_device(batch):
            return None
        return len(batch.indices), batch.width

    def _record(
        self, key: Hashable, rows: list[Tensor], step: Callable[[list[Tensor]], None]
    ) -> None:
        """Run ``step`` for its kernels' sake: none of them is executed."""
        held = [row.to(self._device) for row in rows]
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize(self._device)
        try:
            with torch.cuda.stream(self._stream):
                # Not torch.cuda.graph, which also collects garbage and gives memory back. Other
                # threads of this process have no part in it.
                graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
                try:
                    step(held)
                finally:
                    graph.capture_end()
        except Exception as error:
            _log.info("steps are made without CUDA graphs: %s", error)
            # The generator of random numbers would wait for the end of the recording for ever.
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
