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

import torch
from torch import Tensor, nn

from progsearch.models.architectures import architecture_of

_log = logging.getLogger(__name__)

# Each holds some MiB on the device. Data with more shapes than this has large batches.
_MOST_GRAPHS = 64


def recordable(model: nn.Module) -> bool:
    """Whether steps of ``model`` can be recorded; the log says if they cannot."""
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


class StepGraphs:
    """The recorded steps of one stage, by what makes their kernels differ.

    Args:
        device: A GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._recorded: dict[Hashable, _Recorded] = {}
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._usable = True
        self.clear()

    def clear(self) -> None:
        """Forget all: tensors that the steps work with are about to be replaced."""
        if self._recorded:
            self._recorded.clear()
            # Their memory serves nobody else unless it is given back.
            torch.cuda.empty_cache()
        # All of one stage share their memory. No step leaves anything in it, so their order does
        # not matter.
        self._pool = torch.cuda.graph_pool_handle()

    def get(
        self, key: Hashable, rows: list[Tensor], step: Callable[[list[Tensor]], None]
    ) -> Callable[[], None] | None:
        """A call that makes a step on ``rows``; None where it has to be made without a graph.

        Args:
            key: What the kernels of a step depend on.
            rows: Which examples its batches hold, on the CPU.
            step: Makes the step, given these on the device. Its kernels and their arguments must
                follow from the key. It must not wait for the device.
        """
        recorded = self._recorded.get(key)
        if recorded is None:
            if not self._usable or len(self._recorded) >= _MOST_GRAPHS:
                return None
            recorded = self._record(rows, step)
            if recorded is None:
                return None
            self._recorded[key] = recorded

        def replay() -> None:
            for held, given in zip(recorded.rows, rows, strict=True):
                held.copy_(given, non_blocking=True)
            recorded.graph.replay()

        return replay

    def _record(
        self, rows: list[Tensor], step: Callable[[list[Tensor]], None]
    ) -> _Recorded | None:
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
            return None
        return _Recorded(graph, held)
