"""Studies and sources of trials without Ray and without training."""

import math

from progsearch.config import Recipe, TaskConfig, TrainingConfig, plain
from progsearch.costs import ModelCost, PartCost
from progsearch.costs.memory import Bytes, ModelMemory, PartMemory
from progsearch.schedule import Schedule, Stage
from progsearch.space.space import Space
from progsearch.strategy.problem import Problem
from progsearch.strategy.references import make_references
from progsearch.strategy.samplers import Draws
from progsearch.strategy.source import Ended, Failed, Finished, Progress
from progsearch.strategy.study_source import StudySource
from progsearch.study.dominance import directions
from progsearch.study.folder import create_study
from progsearch.study.info import StudyInfo
from progsearch.study.results import Outcome, Record, Spent, Timings
from progsearch.study.view import ConfirmGoal, View

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
        "front_seeds": 1,
        "training": TrainingConfig(**training),
    }
    return Recipe(**settings | changes)


def memory_of(n_blocks):
    """Frozen parts take half of what trained ones take; nothing is kept of passes."""
    none = Bytes(0.0, 0.0)
    block = PartMemory(100, 50, 100, 200, 0, 0, none, none, none, none, none, none)
    return ModelMemory((block,) * (n_blocks + 2), 0, n_blocks, 1)


def problem(space, n_blocks=6):
    """A model of equal blocks; LoRA and adapters train nothing of its embeddings."""
    block, embeddings = PartCost(50, 50, 10.0, 20.0, 15.0, 10.0), PartCost(100, 100, 1, 2, 1, 1)
    costs = {
        method.cost_key: ModelCost(
            EMPTY if method.name in ("lora", "adapter") else embeddings,
            (block,) * n_blocks,
            PartCost(10, 10, 1.0, 2.0, 1.0, 1.0),
            memory_of(n_blocks),
        )
        for method in space.methods()
    }
    scores = {metric: SCORES[metric][:n_blocks] for metric in space.metrics()}
    return Problem(costs, scores, 80, 1e-4, "accuracy", 0.5, "print", ())


class Watcher(View):
    """Keeps what a search or a confirmation tells."""

    def __init__(self):
        self.told = []

    def note(self, message):
        self.told.append(("note", message))

    def started(self, folder, goal):
        if isinstance(goal, ConfirmGoal):
            self.told.append(("started", goal.seeds, goal.n_schedules, goal.n_left))
        else:
            self.told.append(("started", goal.n_baselines, goal.baseline_work, goal.budget))

    def run_started(self, run):
        self.told.append(("run_started", *which(run)))

    def record(self, run, record):
        self.told.append(("record", *which(run), record.epoch))

    def run_ended(self, run):
        how = run.trial.state.name if run.kept is None else run.kept.reason
        self.told.append(("run_ended", *which(run), how))

    def finished(self, ending):
        self.told.append(("finished", ending))


def which(run):
    """A trial's number, and the seed of a confirmation."""
    return (run.trial.number,) if run.seed is None else (run.trial.number, run.seed)


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


def space_of(given, methods=None):
    """A recipe's space, with the learning rates of the made-up model."""
    return Space.load(given.space, methods).at(given.training.learning_rate)


def new_folder(tmp_path, given, space, n_blocks=6):
    found = problem(space, n_blocks)
    references = make_references(space, given, found)
    info = StudyInfo(
        baselines=tuple(references.rates),
        reference_rates=references.rates,
        fingerprint="print",
        space=plain(space.config),
        metric="accuracy",
    )
    return create_study(given, tmp_path, info)


def source_of(folder, space, *, n_blocks=6, view=None, earlier=None):
    given, found = folder.recipe, problem(space, n_blocks)
    references = make_references(space, given, found)
    return StudySource(
        folder,
        found,
        references.all,
        Draws(space, given.sampler, given.training.seed, directions(len(given.objectives))),
        view=view or View(),
        earlier=earlier,
    )


def start(tmp_path, space="quick", *, n_blocks=6, methods=None, earlier=None, **changes):
    """A new study and its source of trials."""
    given = recipe(space=space, **changes)
    loaded = space_of(given, methods)
    folder = new_folder(tmp_path, given, loaded, n_blocks)
    return folder, source_of(folder, loaded, n_blocks=n_blocks, earlier=earlier)


def record(epoch, accuracy=0.7):
    return Record(10 * epoch, epoch / 3, epoch, {"accuracy": accuracy}, 1.0)


def progress(epoch, accuracy=0.7):
    """What a worker sends before a run's end, of the 30 steps of 3 epochs."""
    steps = round(10 * epoch)
    return Progress(
        record(epoch, accuracy), Spent(Timings(1.0, steps / 10, 0.0, 0.0), steps, 1000)
    )


def finished(accuracy=0.7, forgetting=None, **outcome):
    """What a worker sends when it has trained a run."""
    spent = Spent(Timings(1.0, 5.0, 2.0, 0.0), 30, 1000)
    metrics = {"accuracy": accuracy, "f1": 0.8}
    metrics |= {} if forgetting is None else {"forgetting": forgetting}
    return Finished(record(3, accuracy), Outcome(metrics, spent, **outcome))


def failed(reason):
    return Failed(reason)


def accuracy_of(run):
    """A made-up metric that depends on what is trained."""
    trained = sum(len(s.trainable_blocks) * (s.end - s.start) for s in run.stages)
    return 0.6 + 0.3 * math.tanh(trained / 4) + 100 * run.training.learning_rate


def finish(source, assignment, accuracy=None):
    """Train an assignment to its end."""
    reached = accuracy_of(assignment.run) if accuracy is None else accuracy
    source.ended(assignment, finished(reached))


def train_references(folder, source):
    """Train every reference at each of its rates; returns the first run after them."""
    while folder.trial((found := source.next()).number).is_baseline:
        finish(source, found)
    return found


def searched(folder):
    """The trials that are no references."""
    return [trial for trial in folder.trials() if not trial.is_baseline]


def run_all(source, limit=200):
    """Train every trial in turn; returns the configs that were run, and why there are no more."""
    runs = []
    for _ in range(limit):
        found = source.next()
        if isinstance(found, Ended):
            return runs, found.ending
        runs.append(found.run)
        finish(source, found)
    raise AssertionError(f"the search did not end within {limit} trials")
