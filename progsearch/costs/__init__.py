"""What a schedule costs, known before any training."""

from progsearch.costs.parts import ModelCost, PartCost, RunCost, steps_per_epoch

__all__ = ["ModelCost", "PartCost", "RunCost", "steps_per_epoch"]
