"""Training by a schedule: the engine, whole runs and the callback for transformers.Trainer."""

from progsearch.training.callback import ProgtuningCallback
from progsearch.training.describe import describe
from progsearch.training.run import Record, RunResult, TrainingRun
from progsearch.training.save import load_trained, save_run
from progsearch.training.seeds import SeedMean
from progsearch.training.store import Store

__all__ = [
    "ProgtuningCallback",
    "Record",
    "RunResult",
    "SeedMean",
    "Store",
    "TrainingRun",
    "describe",
    "load_trained",
    "save_run",
]
