"""How much work the runs of a study have in common, for `schedules.py` and for random draws.

    python benchmarks/sharing.py [--space progtuning] [--studies 100] [--json]

Trains nothing. Of studies of 24 random draws from a space, for MiniLM on bbc-headlines, 3 epochs,
without and with the baselines that every study begins with, it prints

- ``shared``: the share of all optimizer steps that are the beginning of an earlier run of the same
  study, so that they need not be trained again;
- ``frozen``: the share of block passes in a prefix that is frozen at that time, embeddings
  included, so that the prefix cache can skip them;
- ``updated``: updated parameters as a fraction of full fine-tuning's, mean of the runs.
"""

from __future__ import annotations

import argparse
import json
import statistics

import optuna
from schedules import BATCH, EPOCHS, MODEL, N_BLOCKS, SETTINGS, points, schedules

from progsearch.config import TaskConfig, TrainingConfig, method_of
from progsearch.contribution import contribution_scores_many
from progsearch.costs import ModelCost, steps_per_epoch
from progsearch.errors import ScheduleError
from progsearch.models.loading import default_learning_rate, load_tokenizer
from progsearch.schedule import Schedule
from progsearch.schedule.plan import SegmentPlan
from progsearch.space.settings import choice_of
from progsearch.space.space import Space
from progsearch.strategy.samplers import Draws
from progsearch.study.dominance import directions
from progsearch.tasks import load_task
from progsearch.training import describe

TASK = TaskConfig(name="bbc-headlines")
BUDGET = len(points(24))
BASELINES = (
    Schedule.full(N_BLOCKS),
    Schedule.progtuning(N_BLOCKS, 3),
    Schedule.last_blocks(N_BLOCKS, N_BLOCKS // 4),
    Schedule.last_blocks(N_BLOCKS, 0),
)

Runs = list[tuple[float, Schedule]]


def frozen_prefix(schedule: Schedule, total_steps: int) -> float:
    """The share of block passes in a frozen prefix."""
    passes = sum(
        (end - first) * min(stage.trainable_blocks, default=N_BLOCKS)
        for first, end, stage in schedule.spans(total_steps)
        if not stage.embeddings
    )
    return passes / (total_steps * N_BLOCKS)


def shares(runs: Runs, cost: ModelCost, examples: int) -> dict[str, float]:
    """The three shares of a study, see above."""
    epoch = steps_per_epoch(examples, BATCH)
    total = epoch * EPOCHS
    known: set[str] = set()
    trained = 0
    for rate, schedule in runs:
        first = 0
        for end, key in SegmentPlan(schedule, epoch, EPOCHS).segments([rate]):
            trained += (end - first) * (key not in known)
            known.add(key)
            first = end
    return {
        "shared": 1 - trained / (total * len(runs)),
        "frozen": statistics.mean(frozen_prefix(schedule, total) for _, schedule in runs),
        "updated": statistics.mean(
            cost.of(schedule, EPOCHS, examples, total).updated_parameters for _, schedule in runs
        ),
    }


def draw_runs(space: Space, seed: int, scores: dict[str, tuple[float, ...]]) -> Runs:
    """A study of random draws, none twice."""
    draws = Draws(space, "random", seed, directions(2))
    runs: dict[tuple[float, str], Schedule] = {}
    default = TrainingConfig(learning_rate=default_learning_rate(MODEL))
    while len(runs) < BUDGET:
        draw = draws.draw()
        if draw is None:
            break
        choice = choice_of(draw.values, default)
        try:
            schedule = choice.spec.schedule(N_BLOCKS, scores.get(choice.spec.metric or ""), EPOCHS)
        except ScheduleError:
            continue
        runs[choice.training.learning_rate, schedule.key()] = schedule
    return [(rate, schedule) for (rate, _), schedule in runs.items()]


def main() -> None:
    """Draw, count, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--space", default="progtuning")
    parser.add_argument("--studies", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    default = default_learning_rate(MODEL)
    space = Space.load(arguments.space).at(default)
    cost = describe(MODEL, TASK, method_of())
    examples = len(load_task(TASK, load_tokenizer(MODEL)).train)
    scores = contribution_scores_many(MODEL, TASK, space.metrics(), seed=0)
    first: Runs = [(default, schedule) for schedule in BASELINES]
    drawn = [draw_runs(space, seed, scores) for seed in range(arguments.studies)]
    fixed = [(rate, schedules()[name]) for name, rate in points(BUDGET)]
    groups = {
        f"the {len(SETTINGS)} schedules": [fixed],
        f"{arguments.space}, draws": drawn,
        f"{arguments.space}, baselines and draws": [first + runs for runs in drawn],
    }
    result = {}
    for name, studies in groups.items():
        found = [shares(runs, cost, examples) for runs in studies]
        result[name] = {key: _summary([share[key] for share in found]) for key in found[0]}
    if arguments.json:
        print(json.dumps(result))
        return
    print("| runs | shared | frozen | updated |\n|---|---|---|---|")
    for name, entry in result.items():
        cells = "{mean:.3f} ({low:.3f} to {high:.3f})"
        print(f"| {name} | " + " | ".join(cells.format(**entry[k]) for k in entry) + " |")


def _summary(values: list[float]) -> dict[str, float]:
    """The mean, and the range without the lowest and the highest tenth."""
    values = sorted(values)
    tenth = len(values) // 10
    return {
        "mean": statistics.mean(values),
        "low": values[tenth],
        "high": values[len(values) - 1 - tenth],
    }


if __name__ == "__main__":
    main()
