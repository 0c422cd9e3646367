"""One study of 24 fixed runs five ways: what a user would write today, and progsearch.

    python benchmarks/study.py [--task mrpc --data-dir GLUE/MRPC] [--repeats 3] [--json]
        [--parallel 8 --gpus-per-trial 0.125]

- ``peer``: `peer_study.py`, transformers.Trainer with a freezing callback under Ray Tune, with
  Trainer's defaults: fp32, shuffled batches;
- ``tuned``: the same with batches grouped by length and, where the hardware has it, bf16;
- ``plain``: `own_study.py` without reuse of trained prefixes and without the prefix cache;
- ``cached``: with the prefix cache;
- ``everything``: with both, as `progsearch run` does.

The runs are those of `schedules.py`. All five train on the same rows with the same batch size,
learning rates and evaluations, in two workers of one CPU each, or as many as there are to share a
GPU; all but ``peer`` in one precision, unless ``--precision`` gives it to all. Each way is a
process of its own with an empty cache folder; its time is that of the whole process, from
starting Python to the last result.
CPU-seconds are those of all its processes, Ray's included, sampled every second.

Writes ``benchmarks/results/study.json`` and prints a table. Finished ways are kept in that file
and not run again, so that the script may be stopped and started.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import torch
from hardware import hardware
from schedules import add_arguments, task_of

from progsearch.engine.precision import resolve_precision
from progsearch.study.dominance import directions, hypervolume, non_dominated

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "study.json"
WAYS = {
    "peer": ["peer_study.py"],
    "tuned": ["peer_study.py", "--tuned"],
    "plain": ["own_study.py", "--no-reuse", "--no-prefix-cache"],
    "cached": ["own_study.py", "--no-reuse"],
    "everything": ["own_study.py"],
}

OTHERS = ("peer", "tuned", "plain")

Run = dict[str, Any]


class CpuMeter(threading.Thread):
    """Adds up the CPU-seconds of a process and of all that it has started."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._root = psutil.Process(pid)
        self._seconds: dict[psutil.Process, float] = {}
        self._over = threading.Event()

    def run(self) -> None:
        """Look at all processes until `total` is asked for."""
        while not self._over.wait(1):
            try:
                processes = [self._root, *self._root.children(recursive=True)]
            except psutil.NoSuchProcess:
                return
            for process in processes:
                try:
                    times = process.cpu_times()
                except psutil.NoSuchProcess:
                    continue
                self._seconds[process] = times.user + times.system

    def total(self) -> float:
        """The sum; up to the last second of each process is missing."""
        self._over.set()
        self.join()
        return sum(self._seconds.values())


def run_way(way: str, options: list[str]) -> Run:
    """Run one way from nothing, in a process and a folder of its own."""
    script, *flags = WAYS[way]
    with tempfile.TemporaryDirectory() as folder:
        cache, studies = Path(folder, "cache"), Path(folder, "studies")
        if script == "own_study.py":
            flags += ["--studies-dir", str(studies)]
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, str(HERE / script), *options, *flags],
            env=os.environ | {"PROGSEARCH_CACHE": str(cache), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        meter = CpuMeter(process.pid)
        meter.start()
        output, _ = process.communicate()
        seconds = time.perf_counter() - started
        if process.returncode:
            raise SystemExit(f"{script} ended with exit code {process.returncode}; see above")
        found = json.loads(output.splitlines()[-1])
        return {
            "way": way,
            "seconds": seconds,
            "cpu_seconds": meter.total(),
            "steps": found["steps"],
            "bytes_stored": _size(cache),
            "points": found["points"],
        }


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def values_of(run: Run) -> list[tuple[float, float]]:
    """Accuracy and updated parameters of each point."""
    return [(point["accuracy"], point["updated_parameters"]) for point in run["points"]]


def front_of(run: Run) -> list[dict[str, Any]]:
    """The points that no other beats, cheapest first."""
    front = [run["points"][index] for index in non_dominated(values_of(run), directions(2))]
    keys = ("schedule", "learning_rate", "accuracy", "updated_parameters")
    front.sort(key=lambda point: point["updated_parameters"])
    return [{key: point[key] for key in keys} for point in front]


def accuracies(run: Run) -> dict[tuple[str, float], float]:
    """The accuracy of each point by what it is."""
    return {(p["schedule"], p["learning_rate"]): p["accuracy"] for p in run["points"]}


def summary(runs: list[Run]) -> list[dict[str, Any]]:
    """Per way its medians, its ratios to the others of the same repeat, and its front."""
    table = []
    by_repeat = {(run["repeat"], run["way"]): run for run in runs}
    for way in WAYS:
        group = [run for run in runs if run["way"] == way]
        if not group:
            continue
        entry: dict[str, Any] = {"way": way}
        for key in ("seconds", "cpu_seconds", "steps", "bytes_stored"):
            entry[key] = statistics.median(run[key] for run in group)
        for other in OTHERS:
            pairs = [
                (by_repeat[run["repeat"], other], run)
                for run in group
                if (run["repeat"], other) in by_repeat
            ]
            if pairs:
                entry[f"{other}_ratio"] = _spread([o["seconds"] / r["seconds"] for o, r in pairs])
                entry[f"{other}_accuracy"] = _differences(*pairs[0])
        entry["front"] = front_of(group[0])
        # From accuracy 0 at the parameter-updates of full fine-tuning, and a little more.
        entry["hypervolume"] = hypervolume(values_of(group[0]), (0.0, 1.01), directions(2))
        table.append(entry)
    return table


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def _differences(other: Run, run: Run) -> dict[str, float]:
    """How far the accuracies of the same points lie apart."""
    theirs, ours = accuracies(other), accuracies(run)
    gaps = [ours[point] - theirs[point] for point in theirs]
    return {
        "mean_difference": statistics.mean(gaps),
        "largest_difference": max(abs(gap) for gap in gaps),
    }


def markdown(table: list[dict[str, Any]]) -> str:
    """The summary as tables: medians, ratios as median (smallest to largest), fronts."""
    lines = [
        "| way | seconds | × peer | × tuned | × plain | CPU-seconds | steps | stored | volume |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for entry in table:
        ratios = [
            "{median:.2f} ({min:.2f} to {max:.2f})".format(**entry[key]) if key in entry else ""
            for key in (f"{other}_ratio" for other in OTHERS)
        ]
        lines.append(
            f"| {entry['way']} | {entry['seconds']:.0f} | {' | '.join(ratios)} "
            f"| {entry['cpu_seconds']:.0f} | {entry['steps']:.0f} "
            f"| {entry['bytes_stored'] / 2**20:.0f} MiB | {entry['hypervolume']:.4f} |"
        )
    for entry in table:
        front = ", ".join(
            f"{p['schedule']} at {p['learning_rate']:g}: {p['accuracy']:.3f} "
            f"({100 * p['updated_parameters']:.1f} %)"
            for p in entry["front"]
        )
        lines.append(f"\nFront, {entry['way']}: {front}")
        for other in OTHERS:
            if other != entry["way"] and f"{other}_accuracy" in entry:
                lines.append(
                    "Accuracy of the same runs against {}: mean {mean_difference:+.4f}, "
                    "largest difference {largest_difference:.4f}".format(
                        other, **entry[f"{other}_accuracy"]
                    )
                )
    return "\n".join(lines)


def settings_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """What runs must have in common to be compared."""
    device = torch.device("cuda" if arguments.gpus_per_trial else "cpu")
    return {
        "task": arguments.task,
        "max_train_samples": task_of(arguments).max_train_samples,
        "schedules": arguments.schedules,
        "precision": arguments.precision or f"{resolve_precision('auto', device)}, peer fp32",
        "parallel": arguments.parallel,
        "torch": torch.__version__,
        "hardware": hardware(device),
    }


def main() -> None:
    """Run what is missing, write the file, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--ways", nargs="+", choices=tuple(WAYS), default=list(WAYS))
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    settings = settings_of(arguments)
    options = ["--task", arguments.task, "--schedules", str(arguments.schedules)]
    options += ["--parallel", str(arguments.parallel)]
    options += ["--gpus-per-trial", str(arguments.gpus_per_trial)]
    if arguments.precision:
        options += ["--precision", arguments.precision]
    if arguments.data_dir:
        options += ["--data-dir", arguments.data_dir]
    if settings["max_train_samples"]:
        options += ["--max-train-samples", str(settings["max_train_samples"])]

    studies = json.loads(arguments.out.read_text()) if arguments.out.exists() else []
    study = next((study for study in studies if study["settings"] == settings), None)
    if study is None:
        study = {"settings": settings, "runs": [], "summary": []}
        studies.append(study)
    done = {(run["repeat"], run["way"]) for run in study["runs"]}
    arguments.out.parent.mkdir(exist_ok=True)
    for repeat in range(arguments.repeats):
        # Back and forth, so that what drifts on the machine favours no way.
        ways = arguments.ways if repeat % 2 == 0 else arguments.ways[::-1]
        for way in ways:
            if (repeat, way) in done:
                continue
            run = {"repeat": repeat, **run_way(way, options)}
            study["runs"].append(run)
            study["summary"] = summary(study["runs"])
            arguments.out.write_text(json.dumps(studies, indent=1) + "\n")
            print(f"{way}, repeat {repeat}: {run['seconds']:.0f} s", file=sys.stderr, flush=True)
    print(json.dumps(study) if arguments.json else markdown(study["summary"]))


if __name__ == "__main__":
    main()
