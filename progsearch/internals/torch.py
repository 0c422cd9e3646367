"""Parts of torch that are not documented, each behind one name, with the reason it is used."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

__all__ = [
    "TorchDispatchMode",
    "divide_gradients",
    "seed_generator",
    "tree_leaves",
    "tree_map",
]

# `TorchDispatchMode` sees every operation with its tensors, also those that no module and no
# function of torch's Python interface makes. The public modes see calls of functions alone.
#
# `tree_leaves` and `tree_map` go through nested tuples, lists, dicts and the outputs of
# transformers, which registers them there. torch has no public function that does.


def seed_generator(seed: int, device: torch.device) -> None:
    """Seed the random numbers of ``device`` and of the CPU.

    `torch.manual_seed` also asks every other kind of device, without effect here: 0.3 ms, a tenth
    of a step that trains only the head.

    Args:
        seed: The seed.
        device: With its index, if it has one.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index].manual_seed(seed)
    elif device.type != "cpu":
        torch.manual_seed(seed)


def divide_gradients(optimizer: Optimizer, divisor: Tensor | None) -> None:
    """Let a fused optimizer divide the gradients by ``divisor`` as it reads them.

    It spares a pass over all gradients. The optimizer has this for `torch.amp.GradScaler`; no
    public name sets it.

    Args:
        optimizer: Its ``fused`` is true, and it works on a CPU. With parameters on a GPU it reads
            its ``found_inf`` as well.
        divisor: A scalar; None: the gradients are taken as they are.
    """
    optimizer.grad_scale = divisor  # type: ignore[attr-defined]


def cpu_capabilities() -> dict[str, Any]:
    """What torch knows of this processor, such as ``avx512_bf16``; empty if it does not tell.

    There is no other way to ask whether a CPU computes in bfloat16. Older versions of torch do
    not have it.
    """
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return capabilities


def lacks_deterministic_form(error: RuntimeError) -> bool:
    """Whether torch refused an operation because it has no deterministic form.

    The error has no class of its own, only this text.
    """
    return "deterministic implementation" in str(error)
