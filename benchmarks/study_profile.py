"""Where a study's time goes: its phases, and what its workers do.

    python benchmarks/study_profile.py [--schedules 8] [--max-train-samples 200] [--json]

Runs the first runs of `schedules.py` as `own_study.py` does, once, in the package's own driver and
workers and with an empty cache, and takes the time of two things: of the study's phases, from
starting Python to its end, and of what its workers do while trials run. A worker's time is split
without gaps or overlaps: a clock in it always charges one kind of work, and what is called from
within another kind is taken out of that (evaluation keeps its own forward passes). Only calls
are timed, so on a GPU, which works on after a call has returned, the split within a step is not
to be read.

The file is not called ``profile.py``: each script of this folder has the folder on its path, and
that name would hide the standard library's module from torch and others.

Writes ``benchmarks/results/study_profile.json`` and prints two tables.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil
import torch
from own_study import given_runs, recipe_of
from schedules import PARALLEL, add_arguments, points, task_of

from progsearch import search
from progsearch.config import Recipe
from progsearch.driver import search as driver
from progsearch.report.reuse import Reuse
from progsearch.study.folder import StudyFolder
from progsearch.study.view import ConfirmGoal, Ending, SearchGoal, View
from progsearch.workers import adapter
from progsearch.workers.worker import TrialWorker

RESULTS = Path(__file__).parent / "results" / "study_profile.json"

PHASES = (
    "starting Python, imports",
    "starting Ray",
    "loading and examining",
    "trials",
    "ending",
)
# What workers do, in the order of the table. The first two and the last are without a worker.
WORK = {
    "starting": "worker processes start",
    "imports": "imports of torch and transformers in workers",
    "data": "reading and tokenising data",
    "model": "loading the model, switching trials",
    "batches": "making batches",
    "forward": "forward",
    "backward": "backward",
    "clipping": "gradient clipping",
    "optimizer": "optimizer",
    "step": "the rest of the step",
    "evaluation": "evaluation",
    "store reads": "store: reads, restoring",
    "store writes": "store: writes",
    "store waits": "store: waiting for another trial's segment",
    "other": "other work of a worker",
    "driver": "waiting for the driver",
    "idle": "idle, no trial left",
}


class Clock:
    """Charges every moment of one thread to one kind of work."""

    def __init__(self, kind: str) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.calls: defaultdict[str, int] = defaultdict(int)
        self._stack = [kind]
        self._since = time.perf_counter()
        self._thread = threading.get_ident()

    def _charge(self) -> None:
        now = time.perf_counter()
        self.seconds[self._stack[-1]] += now - self._since
        self._since = now

    def push(self, kind: str) -> None:
        """From here on it is ``kind``, until `pop`."""
        self._charge()
        self.calls[kind] += 1
        self._stack.append(kind)

    def pop(self) -> None:
        """Back to what it was before."""
        self._charge()
        self._stack.pop()

    def replace(self, kind: str) -> None:
        """From here on the outermost work is ``kind``."""
        self._charge()
        self._stack[0] = kind

    def counts(self, kind: str, evaluation: bool) -> bool:
        """Whether a call is charged to ``kind``; threads that work beside are not looked at."""
        if threading.get_ident() != self._thread or self._stack[-1] == kind:
            return False
        return evaluation or "evaluation" not in self._stack

    def wrap(self, owner: Any, name: str, kind: str, *, evaluation: bool = False) -> None:
        """Charge the calls of ``owner.name`` to ``kind``.

        Args:
            owner: A class or a module.
            name: The function that is replaced.
            kind: One of `WORK`.
            evaluation: Also where evaluation calls it.
        """
        function: Callable[..., Any] = getattr(owner, name)

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            if not self.counts(kind, evaluation):
                return function(*args, **kwargs)
            self.push(kind)
            try:
                return function(*args, **kwargs)
            finally:
                self.pop()

        setattr(owner, name, timed)

    def wrap_lock(self, store: Any) -> None:
        """Charge the time until a lock is had."""
        lock = store.lock

        @contextmanager
        def timed(own: Any, key: str) -> Iterator[None]:
            self.push("store waits")
            try:
                held = lock(own, key)
                held.__enter__()
            finally:
                self.pop()
            try:
                yield
            finally:
                held.__exit__(None, None, None)

        store.lock = timed


def install(clock: Clock) -> None:
    """Put the clock into the parts of the package that work in a worker."""
    from torch.optim.optimizer import (
        register_optimizer_step_post_hook,
        register_optimizer_step_pre_hook,
    )

    from progsearch.engine.batches import TrainingBatches
    from progsearch.engine.loop import Engine
    from progsearch.engine.optimizer import Optimizer
    from progsearch.tasks import Split
    from progsearch.training import Store, assembly, run
    from progsearch.training.evaluator import Evaluator

    for name in ("load_task_for", "load_tokenizer"):
        clock.wrap(assembly, name, "data")
    clock.wrap(run, "assemble", "model")
    clock.wrap(Evaluator, "metrics", "evaluation")
    clock.wrap(TrainingBatches, "steps_of", "batches")
    clock.wrap(Split, "batch", "batches")
    clock.wrap(Engine, "advance", "step")
    clock.wrap(Engine, "_forward", "forward")
    clock.wrap(torch.Tensor, "backward", "backward")
    clock.wrap(Optimizer, "clip", "clipping")
    register_optimizer_step_pre_hook(lambda *_: clock.push("optimizer"))
    register_optimizer_step_post_hook(lambda *_: clock.pop())
    clock.wrap(Engine, "restore", "store reads")
    for name in ("get", "load"):
        clock.wrap(Store, name, "store reads", evaluation=True)
    clock.wrap(Store, "put", "store writes", evaluation=True)
    clock.wrap_lock(Store)


class ProfiledWorker(TrialWorker):
    """The package's worker with a clock in it."""

    folder: str

    def setup(self, config: dict[str, Any]) -> None:
        """Start the clock, before the process imports what is large."""
        self.began = time.time()
        self.clock = Clock("imports")
        import progsearch.training  # noqa: F401

        install(self.clock)
        super().setup(config)
        self.clock.replace("driver")

    def step(self) -> dict[str, Any]:
        """Train an epoch and keep what it took so far."""
        self.clock.push("other")
        try:
            return super().step()
        finally:
            self.clock.pop()
            kept = {"began": self.began, "ended": time.time(), "seconds": self.clock.seconds}
            kept["calls"] = self.clock.calls
            Path(self.folder, f"{os.getpid()}.json").write_text(json.dumps(kept))


class Stamps(View):
    """Keeps when each phase of a study began."""

    def __init__(self) -> None:
        self.times = [psutil.Process().create_time()]

    def preparing(self, message: str) -> None:
        """Ray starts; then model and data are inspected, in one or more stretches."""
        if len(self.times) < 3:
            self.times.append(time.time())

    def started(self, folder: StudyFolder, goal: SearchGoal | ConfirmGoal) -> None:
        """Trials begin."""
        self.times.append(time.time())

    def finished(self, ending: Ending) -> None:
        """The last trial has ended."""
        self.times.append(time.time())


def profile(recipe: Recipe, runs: list[tuple[str, float]]) -> dict[str, Any]:
    """Run a study of these runs and say where its time went."""
    stamps = Stamps()
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.object(driver, "make_references", given_runs(runs)),
        patch.object(adapter, "TrialWorker", ProfiledWorker),
    ):
        ProfiledWorker.folder = str(Path(folder, "workers"))
        Path(ProfiledWorker.folder).mkdir()
        os.environ["PROGSEARCH_CACHE"] = str(Path(folder, "cache"))
        study = search(recipe, studies_dir=Path(folder, "studies"), view=stamps)
        stamps.times.append(time.time())
        workers = [json.loads(path.read_text()) for path in Path(ProfiledWorker.folder).iterdir()]
        stored = sum(file.stat().st_size for file in Path(folder, "cache").rglob("*.*"))
        trials = study.folder.trials()
    phases = {
        name: end - begin
        for name, begin, end in zip(PHASES, stamps.times[:-1], stamps.times[1:], strict=True)
    }
    began, ended = stamps.times[3:5]
    work = {kind: sum(worker["seconds"].get(kind, 0.0) for worker in workers) for kind in WORK}
    work["starting"] = sum(worker["began"] - began for worker in workers)
    work["idle"] = (recipe.parallel or PARALLEL) * (ended - began) - sum(work.values())
    return {
        "phases": phases,
        "work": work,
        "calls": {kind: sum(w["calls"].get(kind, 0) for w in workers) for kind in WORK},
        "workers": len(workers),
        "trials": len(trials),
        "states": sorted({trial.state.name for trial in trials}),
        "reuse": Reuse.of(trials).to_dict(),
        "bytes_stored": stored,
    }


def tables(found: dict[str, Any]) -> str:
    """Phases and workers' time as tables in markdown."""
    whole = sum(found["phases"].values())
    lines = [
        "| phase | seconds | share |",
        "|---|---|---|",
        *(f"| {k} | {v:.1f} | {v / whole:.1%} |" for k, v in found["phases"].items()),
        f"| the whole study | {whole:.1f} | |",
        "",
        "| while trials ran, the workers' time | seconds | share | calls | ms a call |",
        "|---|---|---|---|---|",
    ]
    busy = sum(found["work"].values())
    for kind, seconds in found["work"].items():
        # A segment's steps, or an epoch, come in one call.
        calls = 0 if kind in ("step", "other") else found["calls"][kind]
        each = f"{calls:,} | {1000 * seconds / calls:.2f}" if calls else " | "
        lines.append(f"| {WORK[kind]} | {seconds:.1f} | {seconds / busy:.1%} | {each} |")
    reuse = found["reuse"]
    lines += [
        f"| {found['workers']} workers | {busy:.1f} | | | |",
        "",
        f"{found['trials']} trials; {reuse['steps_trained']:,} of {reuse['steps']:,} steps "
        f"trained, the others reused; {found['bytes_stored'] / 2**20:.0f} MiB stored.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Run the study, write the file, print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_arguments(parser)
    parser.set_defaults(schedules=8)
    parser.add_argument("--no-reuse", action="store_true")
    parser.add_argument("--no-prefix-cache", action="store_true")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    task = task_of(arguments)
    recipe = recipe_of(arguments)
    found = {
        "settings": {
            "task": task.name,
            "max_train_samples": task.max_train_samples,
            "schedules": arguments.schedules,
            "precision": recipe.training.precision,
            "reuse": recipe.reuse,
            "prefix_cache": recipe.prefix_cache,
            "torch": torch.__version__,
        },
        **profile(recipe, points(arguments.schedules)),
    }
    arguments.out.parent.mkdir(exist_ok=True)
    arguments.out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found) if arguments.json else tables(found))


if __name__ == "__main__":
    main()
