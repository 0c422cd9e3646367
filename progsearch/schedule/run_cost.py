"""What one run costs, as data: known before it is trained."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class RunCost:
    """What one run costs.

    Attributes:
        n_blocks: Blocks of the model.
        parameters: Parameters of the model; full fine-tuning updates all of them at every step.
        updated_parameters_per_step: Mean over optimizer steps of the parameters a step updates.
        updated_parameters_per_run: The same times the epochs, as the paper counts
            (arXiv 2506.21119: 328.4M for 3 epochs of full fine-tuning of BERT-base).
        updated_parameters: Fraction of full fine-tuning's, in [0, 1].
        flops: FLOPs of all forward and backward passes, without any reuse of cached work.
        flops_relative: The same as a fraction of the full schedule under the same method.
        peak_memory: Predicted bytes of weights, gradients, Adam's moments and activations at
            their peak; None if it is not known.
    """

    n_blocks: int
    parameters: int
    updated_parameters_per_step: float
    updated_parameters_per_run: float
    updated_parameters: float
    flops: float
    flops_relative: float
    peak_memory: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data, without what is not known."""
        return {name: value for name, value in asdict(self).items() if value is not None}
