"""Studies and searchers without Ray and without training."""

import math

from progsearch.config import Recipe, TaskConfig, TrainingConfig, plain
from progsearch.costs import ModelCost, PartCost
from progsearch.schedule import Schedule, Stage
from progsearch.space.space import Space
from progsearch.strategy.candidates import baselines
from progsearch.strategy.problem import Subject
from progsearch.strategy.samplers import Draws
from progsearch.strategy.searcher import StudySearcher
from progsearch.study.folder import create_study, directions
from progsearch.study.progress import Session
from progsearch.study.view import View
from progsearch.workers.worker import Report

SCORES = {
    "depth": (1.0, 2.0, 3.0, 4.0, 5.0, 6.0),
    "taylor": (0.5, 0.1, 0.9, 0.2, 0.8, 0.3),
    "relative_grad_norm": (0.3, 0.2, 0.1, 0.6, 0.5, 0.4),
    "block_influence": (0.1, 0.6, 0.2, 0.5, 0.3, 0.4),
}
EMPTY = PartCost(100, 0, 1.0, 2.0, 1.0, 1.0)


def recipe(**changes):
    training = {"epochs": 3, "batch_size": 8} | changes.pop("training", {})
    settings = {
        "study": "fake",
        "model": "some-model",
        "task": TaskConfig(name="some-task"),
        "budget": 5,
        "training": TrainingConfig(**training),
    }
    return Recipe(**settings | changes)


def subject(space, n_blocks=6):
    """A model of equal blocks; LoRA and adapters train nothing of its embeddings."""
    block, embeddings = PartCost(50, 50, 10.0, 20.0, 15.0, 10.0), PartCost(100, 100, 1, 2, 1, 1)
    costs = {
        method.cost_key: ModelCost(
            EMPTY if method.name in ("lora", "adapter") else embeddings,
            (block,) * n_blocks,
            PartCost(10, 10, 1.0, 2.0, 1.0, 1.0),
        )
        for method in space.methods()
    }
    scores = {metric: SCORES[metric][:n_blocks] for metric in space.metrics()}
    return Subject(costs, scores, 80, 1e-4, "accuracy", 0.5, "print", ())


class NoHalt:
    ending = None
    gpus = None


class Watcher(View):
    """Keeps what a search tells."""

    def __init__(self):
        self.told = []

    def note(self, message):
        self.told.append(("note", message))

    def started(self, folder, n_baselines, budget):
        self.told.append(("started", n_baselines, budget))

    def trial_started(self, trial):
        self.told.append(("trial_started", trial.number))

    def record(self, trial, record):
        self.told.append(("record", trial.number, record["epoch"]))

    def trial_finished(self, trial):
        self.told.append(("trial_finished", trial.number, trial.state.name))

    def finished(self, ending):
        self.told.append(("finished", ending))


def freezing(*depths):
    """Equal stages of 6 blocks, each with so many of the lowest frozen; None: nothing is."""
    stages = [
        Stage(
            number / len(depths),
            (number + 1) / len(depths),
            tuple(range(depth or 0, 6)),
            not depth,
        )
        for number, depth in enumerate(depths)
    ]
    return Schedule(6, tuple(stages))


def new_folder(tmp_path, given, space, n_blocks=6):
    found = subject(space, n_blocks)
    names, _ = baselines(space.default(given.training), given, found)
    attributes = {"baselines": list(names), "fingerprint": "print", "space": plain(space.config)}
    return create_study(given, tmp_path, metric="accuracy", attributes=attributes)


def searcher_of(folder, space, *, parallel=1, n_blocks=6, halt=None, view=None, earlier=None):
    given, found = folder.recipe, subject(space, n_blocks)
    first, _ = baselines(space.default(given.training), given, found)
    known = folder.study.get_trials(deepcopy=False)
    return StudySearcher(
        folder,
        found,
        first,
        Draws(space, given.sampler, given.training.seed, directions(given), known),
        parallel=parallel,
        halt=halt or NoHalt(),
        session=Session(folder),
        view=view or View(),
        earlier=earlier,
    )


def start(
    tmp_path, space="quick", *, parallel=1, n_blocks=6, methods=None, earlier=None, **changes
):
    """A new study and its searcher."""
    given = recipe(space=space, **changes)
    loaded = Space.load(space, methods)
    folder = new_folder(tmp_path, given, loaded, n_blocks)
    made = searcher_of(folder, loaded, parallel=parallel, n_blocks=n_blocks, earlier=earlier)
    return folder, made


def record(epoch, accuracy=0.7):
    return {
        "epoch": epoch,
        "step": 10 * epoch,
        "fraction": epoch / 3,
        "metrics": {"accuracy": accuracy},
        "seconds": 1.0,
    }


def finished(accuracy=0.7):
    """What Tune hands on when a worker has trained a trial."""
    result = {
        "metrics": {"accuracy": accuracy, "f1": 0.8},
        "timings": {"setup": 1.0, "train": 5.0, "evaluate": 2.0, "saved": 0.0},
        "steps_trained": 30,
        "peak_memory": 1000,
    }
    return {"report": Report(record=record(3, accuracy), result=result), "done": True}


def failed(reason):
    return {"report": Report(failure=reason), "done": True}


def accuracy_of(run):
    """A made-up metric that depends on what is trained."""
    trained = sum(len(s.trainable_blocks) * (s.end - s.start) for s in run.stages)
    return 0.6 + 0.3 * math.tanh(trained / 4) + 100 * run.training.learning_rate


def run_all(searcher, limit=200):
    """Train every trial in turn; returns the configs that were run."""
    runs = []
    for index in range(limit):
        config = searcher.suggest(f"t{index}")
        if config == searcher.FINISHED:
            return runs
        runs.append(config["run"])
        searcher.on_trial_complete(f"t{index}", finished(accuracy_of(config["run"])))
    raise AssertionError(f"the search did not end within {limit} trials")
