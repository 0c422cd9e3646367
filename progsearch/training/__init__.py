"""A run from its config to its result, trained according to a schedule."""

from progsearch.engine.meeting import Meeting
from progsearch.engine.ranks import Ranks
from progsearch.store import Store
from progsearch.training.model_costs import describe
from progsearch.training.protocol import Run
from progsearch.training.run import TrainingRun
from progsearch.training.save import (
    check_files,
    check_room,
    load_trained,
    per_class_scores,
    save_run,
)
from progsearch.training.seeds import SeedMean
from progsearch.training.together import follow

__all__ = [
    "Meeting",
    "Ranks",
    "Run",
    "SeedMean",
    "Store",
    "TrainingRun",
    "check_files",
    "check_room",
    "describe",
    "follow",
    "load_trained",
    "per_class_scores",
    "save_run",
]
