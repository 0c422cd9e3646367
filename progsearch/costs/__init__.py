"""The costs of a schedule, computed before any training."""

from progsearch.costs.parts import ModelCost, PartCost, steps_per_epoch
from progsearch.schedule.run_cost import RunCost

__all__ = ["ModelCost", "PartCost", "RunCost", "steps_per_epoch"]
