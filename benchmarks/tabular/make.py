"""Trains every point of the table, for real, and writes it.

    cd benchmarks && python -m tabular.make --runs RUNS.jsonl [--task sst2 --data-dir DIR]
                                            [--seed 0] [--only N]

Each seed may have a process of its own: start it twice, with ``--seed 0`` and ``--seed 1``, and
the same ``--runs``. What is finished stands in that file, so a stopped one goes on where it was.
``--write`` trains nothing and writes ``TASK.parquet`` from what is there.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from progsearch.config import TaskConfig, read_yaml
from progsearch.strategy.candidates import Candidate
from progsearch.strategy.problem import Problem

from .points import EPOCHS, MODEL, SEEDS, SPACE, Point, inspect, points, task_of

FOLDER = Path(__file__).parent
_STORE_GIB = 3
_PROGRESS = 10


def train(made: Candidate, seed: int, folder: Path) -> dict[str, Any]:
    """Train a point with one seed, what its beginning shares with earlier ones excepted."""
    from progsearch.training import Store, TrainingRun

    config = made.run.model_copy(
        update={"training": made.run.training.model_copy(update={"seed": seed})}
    )
    run = TrainingRun.from_config(config, store=Store(folder, _STORE_GIB * 2**30))
    records = list(run.records())
    result = run.result()
    seconds = [0.0, *(record.seconds for record in records)]
    return {
        "key": made.key,
        "seed": seed,
        "accuracy": [record.metrics["accuracy"] for record in records],
        "seconds": [end - start for start, end in itertools.pairwise(seconds)],
        "metrics": result.metrics,
        "timings": result.spent.timings.to_dict(),
        "steps_trained": result.spent.steps_trained,
    }


def read_runs(path: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """The finished runs by key and seed; a line that a killed process left torn is not one."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            run = json.loads(line)
        except ValueError:
            continue
        found[run["key"], run["seed"]] = run
    return found


def write_run(path: Path, run: dict[str, Any]) -> None:
    """Add a finished run; one write, so that two processes may share the file."""
    # A line break first, in case the last line is torn.
    line = ("\n" if path.exists() else "") + json.dumps(run)
    with path.open("ab", buffering=0) as file:
        file.write(line.encode())


def train_all(todo: list[tuple[Point, int]], path: Path, folder: Path) -> None:
    """Train what is not in the file of finished runs yet."""
    finished = read_runs(path)
    todo = [(p, seed) for p, seed in todo if (p.candidate.key, seed) not in finished]
    started, trained = time.monotonic(), 0
    for index, (point, seed) in enumerate(todo, 1):
        run = train(point.candidate, seed, folder)
        write_run(path, run)
        trained += run["steps_trained"]
        if index % _PROGRESS == 0 or index == len(todo):
            seconds = time.monotonic() - started
            print(
                f"{time.strftime('%H:%M:%S')} seed {seed}: {index} of {len(todo)} runs, "
                f"{trained} steps, {seconds:.0f} s, "
                f"{seconds / index * (len(todo) - index):.0f} s left",
                flush=True,
            )


def write_table(every: list[Point], problem: Problem, task: TaskConfig, path: Path) -> int:
    """Write the table of a task from its finished runs; returns how many of them it holds."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    finished = read_runs(path)
    rows = [
        row_of(point, finished[point.candidate.key, seed])
        for point in every
        for seed in SEEDS[task.name]
        if (point.candidate.key, seed) in finished
    ]
    about = {
        "model": MODEL,
        "task": task.model_dump(mode="json", exclude_none=True, exclude={"data_dir"}),
        "epochs": EPOCHS,
        "space": read_yaml(SPACE),
        "subject": asdict(problem),
    }
    table = pa.Table.from_pylist(rows).replace_schema_metadata({"about": json.dumps(about)})
    pq.write_table(table, FOLDER / f"{task.name}.parquet", compression="zstd")
    return len(rows)


def row_of(point: Point, run: dict[str, Any]) -> dict[str, Any]:
    """A row of the table: a point and one of its finished runs."""
    made = point.candidate
    return {
        "baseline": point.baseline,
        "schedule": json.dumps(made.schedule.to_dicts()),
        "learning_rate": made.run.training.learning_rate,
        "seed": run["seed"],
        "key": made.key,
        "segments": [key for _, key in made.segments],
        "segment_ends": [end for end, _ in made.segments],
        "steps": made.segments[-1][0],
        "updated_parameters": made.costs.updated_parameters,
        "flops": made.costs.flops,
        "accuracy": run["accuracy"],
        "seconds": run["seconds"],
        "metrics": json.dumps(run["metrics"]),
    }


def main() -> None:
    """Train what is left, or write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=Path, required=True, help="file of the finished runs")
    parser.add_argument("--task", choices=SEEDS, default="bbc-headlines")
    parser.add_argument("--data-dir", help="where the task's files lie")
    parser.add_argument("--seed", type=int, help="by default all seeds of the table")
    parser.add_argument("--store", type=Path, help="folder for shared steps (RUNS.store)")
    parser.add_argument("--only", type=int, help="train the first N points only")
    parser.add_argument("--write", action="store_true", help="train nothing, write the table")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import torch

    torch.set_num_threads(1)
    task = task_of(arguments.task, arguments.data_dir)
    if arguments.seed not in (None, *SEEDS[task.name]):
        parser.error(f"--seed must be one of {SEEDS[task.name]} for {task.name}")
    problem = inspect(task)
    every = points(problem, task)
    if arguments.write:
        rows = write_table(every, problem, task, arguments.runs)
        print(f"{rows} of {len(every) * len(SEEDS[task.name])} rows in the table of {task.name}")
        return
    segments = {key for point in every for _, key in point.candidate.segments}
    print(f"{len(every)} points, {len(segments)} segments", flush=True)
    seeds = SEEDS[task.name] if arguments.seed is None else (arguments.seed,)
    folder = arguments.store or arguments.runs.with_suffix(".store")
    folder.mkdir(parents=True, exist_ok=True)
    todo = [(point, seed) for seed in seeds for point in every[: arguments.only]]
    train_all(todo, arguments.runs, folder)


if __name__ == "__main__":
    main()
