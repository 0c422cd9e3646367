"""Full fine-tuning against the paper's schedule on all of MRPC, all-MiniLM-L6.

    python benchmarks/mrpc.py --data-dir GLUE/MRPC [--seeds 3] [--parallel 2] [--json]

Trains full fine-tuning at each learning rate of the default space (seed 0), then full fine-tuning
and Progtuning T=3 at 1e-4 with every seed; 3 epochs, batch 32, precision auto, one thread a run.
Writes ``benchmarks/results/mrpc.json`` and prints a table. Finished runs are kept in that file and
not trained again, so that the script may be stopped and started.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
from pathlib import Path
from typing import Any

from scipy import stats

RESULTS = Path(__file__).parent / "results" / "mrpc.json"
LEARNING_RATES = (5e-5, 1e-4, 2e-4, 4e-4)
REFERENCE = 1e-4


def train(job: tuple[str, float, int, str]) -> dict[str, Any]:
    """Train one schedule; runs in a process of its own."""
    import torch

    from progsearch import Schedule, __version__
    from progsearch.config import RunConfig, TaskConfig, TrainingConfig
    from progsearch.training import TrainingRun

    torch.set_num_threads(1)
    name, learning_rate, seed, data_dir = job
    schedule = Schedule.full(6) if name == "full" else Schedule.progtuning(6, 3)
    config = RunConfig(
        progsearch_version=__version__,
        model="minilm-l6",
        task=TaskConfig(name="mrpc", data_dir=data_dir),
        training=TrainingConfig(epochs=3, batch_size=32, learning_rate=learning_rate, seed=seed),
        stages=schedule.to_dicts(),
    )
    run = TrainingRun.from_config(config)
    epochs = [record.metrics["accuracy"] for record in run.records()]
    result = run.result()
    return {
        "schedule": name,
        "learning_rate": learning_rate,
        "seed": seed,
        "accuracy": result.metrics["accuracy"],
        "f1": result.metrics["f1"],
        "epochs": epochs,
        "updated_parameters": run.cost.updated_parameters,
        "majority": run.task.majority(),
    }


def jobs(seeds: int, data_dir: str) -> list[tuple[str, float, int, str]]:
    """All runs of the table, the ones that are compared first."""
    compared = [(s, REFERENCE, seed, data_dir) for seed in range(seeds) for s in ("full", "T=3")]
    rates = [("full", rate, 0, data_dir) for rate in LEARNING_RATES if rate != REFERENCE]
    return compared + rates


def table(runs: list[dict[str, Any]]) -> str:
    """The rows as Markdown: mean and standard deviation over seeds."""
    rows = [
        "| schedule | learning rate | seeds | accuracy | F1 | updated parameters |",
        "|---|---|---|---|---|---|",
    ]
    groups: dict[tuple[str, float], list[dict[str, Any]]] = {}
    for run in runs:
        groups.setdefault((run["schedule"], run["learning_rate"]), []).append(run)
    for (schedule, rate), group in sorted(groups.items()):

        def cell(key: str, digits: int = 3, group: list[dict[str, Any]] = group) -> str:
            values = [run[key] for run in group]
            spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
            return f"{statistics.mean(values):.{digits}f}{spread}"

        updated = 100 * group[0]["updated_parameters"]
        rows.append(
            f"| {schedule} | {rate:g} | {len(group)} | {cell('accuracy')} | {cell('f1')} "
            f"| {updated:.1f} % |"
        )
    return "\n".join(rows) + "\n\n" + difference(runs)


def difference(runs: list[dict[str, Any]]) -> str:
    """The paired difference in accuracy of T=3 to full fine-tuning, with its t interval."""
    by_seed = {
        (run["schedule"], run["seed"]): run["accuracy"]
        for run in runs
        if run["learning_rate"] == REFERENCE
    }
    seeds = sorted(seed for schedule, seed in by_seed if schedule == "T=3")
    differences = [100 * (by_seed["T=3", seed] - by_seed["full", seed]) for seed in seeds]
    mean = statistics.mean(differences)
    text = f"T=3 minus full fine-tuning at {REFERENCE:g}: {mean:+.1f} points"
    if len(seeds) > 1:
        error = statistics.stdev(differences) / len(seeds) ** 0.5
        margin = stats.t.ppf(0.975, len(seeds) - 1) * error
        text += f", 95 % interval {mean - margin:+.1f} to {mean + margin:+.1f}"
    return f"{text} (paired over {len(seeds)} seeds)"


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    done = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    known = {(run["schedule"], run["learning_rate"], run["seed"]) for run in done}
    data_dir = str(Path(arguments.data_dir).resolve())
    missing = [job for job in jobs(arguments.seeds, data_dir) if job[:3] not in known]
    RESULTS.parent.mkdir(exist_ok=True)
    with multiprocessing.get_context("spawn").Pool(arguments.parallel) as pool:
        for run in pool.imap_unordered(train, missing):
            done.append(run)
            RESULTS.write_text(json.dumps(done, indent=1) + "\n")
            print(
                f"{run['schedule']} lr {run['learning_rate']:g} seed {run['seed']}: "
                f"{run['accuracy']:.4f}",
                flush=True,
            )
    print(json.dumps(done) if arguments.json else table(done))


if __name__ == "__main__":
    main()
