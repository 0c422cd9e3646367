"""Training by a schedule: the engine and whole runs."""

from progsearch.store import Store
from progsearch.training.model_costs import describe
from progsearch.training.run import Record, RunResult, TrainingRun
from progsearch.training.save import load_trained, save_run
from progsearch.training.seeds import SeedMean

__all__ = [
    "Record",
    "RunResult",
    "SeedMean",
    "Store",
    "TrainingRun",
    "describe",
    "load_trained",
    "save_run",
]
