"""Trains every point of a table, for real, and writes it.

    cd benchmarks && python -m tabular.make --task mrpc --data-dir DIR --runs RUNS.jsonl
                                            [--processes 14] [--minutes 9]

What is finished stands in ``RUNS.jsonl``: the same command continues where it was stopped, on
another machine too if that file and ``RUNS.jsonl.about.json`` are copied. All points are trained
with one seed before the next, and each call writes the table of the seeds that are whole, so that
the first ones can be used while the others are trained. ``--write`` trains nothing.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from progsearch.config import TaskConfig, plain, with_seed
from progsearch.errors import ProgsearchError, TrialFailed
from progsearch.strategy.candidates import Candidate

from .points import EPOCHS, MODEL, SEEDS, TASKS, Point, groups, inspect, points, space_of, task_of
from .runs import RunsFile, commit

FOLDER = Path(__file__).parent
# A group of runs needs the states after the first two epochs of the one that is trained.
_STORE_GIB = 1


@dataclass(frozen=True)
class Job:
    """Runs of one seed with the same first epoch, for one process.

    Attributes:
        points: What to train.
        seed: With which seed.
        runs: The file of finished runs.
        folder: The folder for what the runs share; each process has its own inside.
        deadline: No run starts after it, in seconds since the epoch.
    """

    points: Sequence[Point]
    seed: int
    runs: RunsFile
    folder: Path
    deadline: float

    def __call__(self) -> int:
        """Train until the deadline; returns how many runs were finished."""
        folder = self.folder / str(os.getpid())
        folder.mkdir(parents=True, exist_ok=True)
        for done, point in enumerate(self.points):
            if time.time() >= self.deadline:
                return done
            self.runs.add(train(point.candidate, self.seed, folder))
        return len(self.points)


def train(made: Candidate, seed: int, folder: Path) -> dict[str, Any]:
    """Train a point with one seed, what its beginning shares with earlier ones excepted.

    A run that fails, because its loss is not finite, is a result with its reason.
    """
    from progsearch.store import Store
    from progsearch.training import TrainingRun

    run = TrainingRun.from_config(
        with_seed(made.run, seed), store=Store(folder, _STORE_GIB * 2**30)
    )
    records, reason = [], None
    try:
        for record in run.records():
            records.append(record)
    except TrialFailed as failed:
        reason = str(failed)
    seconds = [0.0, *(record.seconds for record in records)]
    return {
        "key": made.key,
        "seed": seed,
        "curve": [record.metrics[run.task.metric] for record in records],
        "constant": [record.constant for record in records],
        "seconds": [end - start for start, end in itertools.pairwise(seconds)],
        "metrics": records[-1].metrics if records else {},
        "reason": reason,
    }


def jobs(
    every: Sequence[Point],
    seeds: Sequence[int],
    runs: RunsFile,
    folder: Path,
    deadline: float,
) -> Iterator[Job]:
    """What is not finished yet, seed after seed."""
    finished = runs.read()
    for seed in seeds:
        for group in groups(every):
            todo = [point for point in group if (point.candidate.key, seed) not in finished]
            if todo:
                yield Job(todo, seed, runs, folder, deadline)


def run_jobs(todo: Sequence[Job], processes: int) -> None:
    """Run all jobs, and say how far they are."""
    left, done, started = sum(len(job.points) for job in todo), 0, time.monotonic()
    print(f"{left} runs to train", flush=True)
    for job, count in zip(todo, _counts(todo, processes), strict=True):
        done += count
        if count:
            minutes = (time.monotonic() - started) / 60
            print(f"seed {job.seed}: {done} of {left} runs, {minutes:.1f} min", flush=True)


def _counts(todo: Sequence[Job], processes: int) -> Iterator[int]:
    if processes == 1:
        yield from (job() for job in todo)
        return
    # Spawned: a GPU cannot be used in a forked process.
    with multiprocessing.get_context("spawn").Pool(processes, _one_thread) as pool:
        yield from pool.imap(_run, todo)


def _run(job: Job) -> int:
    return job()


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def write_table(every: Sequence[Point], runs: RunsFile, folder: Path = FOLDER) -> list[int]:
    """Write the table of a task with the seeds of which all runs are finished; returns these."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    finished = runs.read()
    whole = [s for s in SEEDS if all((point.candidate.key, s) in finished for point in every)]
    if not whole:
        return []
    rows = [
        row_of(point, finished[point.candidate.key, seed]) for point in every for seed in whole
    ]
    about = runs.about()
    about |= {
        "commit": about["commit"] or commit(),
        "model": MODEL,
        "epochs": EPOCHS,
        "space": plain(space_of().config),
    }
    table = pa.Table.from_pylist(rows).replace_schema_metadata({"about": json.dumps(about)})
    pq.write_table(table, folder / f"{about['task']['name']}.parquet", compression="zstd")
    return whole


def row_of(point: Point, run: dict[str, Any]) -> dict[str, Any]:
    """A row of the table: a point and one of its finished runs."""
    made = point.candidate
    return {
        "baseline": point.baseline,
        "family": point.family,
        "schedule": json.dumps(made.schedule.to_dicts()),
        "rescored_by": point.rescored_by,
        "learning_rate": made.run.training.learning_rate,
        "seed": run["seed"],
        "key": made.key,
        "segments": [key for _, key in made.segments],
        "segment_ends": [end for end, _ in made.segments],
        "steps": made.segments[-1][0],
        "updated_parameters": made.costs.updated_parameters,
        "flops": made.costs.flops,
        "curve": run["curve"],
        "constant": run["constant"],
        "seconds": run["seconds"],
        "metrics": json.dumps(run["metrics"]),
        "reason": run["reason"],
    }


def main() -> None:
    """Train what is left, and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--task", choices=TASKS, required=True)
    parser.add_argument("--data-dir", help="the folder of the task's files")
    parser.add_argument("--runs", type=Path, required=True, help="file of the finished runs")
    parser.add_argument("--seed", type=int, choices=SEEDS, help="train with this seed only")
    parser.add_argument("--only", type=int, help="train the first N points only")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--minutes", type=float, help="start no run after this time")
    parser.add_argument("--store", type=Path, help="folder for steps that runs share (/tmp)")
    parser.add_argument("--write", action="store_true", help="train nothing, write the table")
    arguments = parser.parse_args()
    deadline = time.time() + 60 * (arguments.minutes or float("inf"))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    runs, task = RunsFile(arguments.runs), task_of(arguments.task, arguments.data_dir)
    try:
        _make(arguments, runs, task, deadline)
    except ProgsearchError as error:
        parser.error(str(error))


def _make(
    arguments: argparse.Namespace, runs: RunsFile, task: TaskConfig, deadline: float
) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    _one_thread()
    if not arguments.write:
        runs.begin(task, inspect)
    every = points(runs.problem, task)
    if not arguments.write:
        seeds = SEEDS if arguments.seed is None else (arguments.seed,)
        with tempfile.TemporaryDirectory(dir=arguments.store) as folder:
            first = every[: arguments.only]
            todo = list(jobs(first, seeds, runs, Path(folder), deadline))
            run_jobs(todo, arguments.processes)
    whole = write_table(every, runs)
    print(
        f"{len(runs.read())} of {len(every) * len(SEEDS)} runs of {task.name} are finished; "
        + (f"the table has seeds {whole}" if whole else "no table yet: no seed has all its runs")
    )


if __name__ == "__main__":
    main()
