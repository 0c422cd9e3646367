"""Whether what a search prints holds on seeds that it did not see: replays on the tables.

    python benchmarks/truth.py [--tasks bbc-headlines ...] [--rows progsearch random ...]
                               [--repeats 50] [--budget 20] [--json]

Nothing is trained. Repeat r searches with seed r. It sees the larger half of the seeds of a table
(`tabular/README.md`), another part of them each time, one run after the other; the mean over the
other seeds is called true. A search ends after a budget of 20 whole trials beside the references.

optimism
    The printed metric minus the true one, in points: the mean over the front, and for the picks
    `best` and `knee`.
coverage
    The share of printed intervals of 95 % that hold the true metric. Its own error, from the
    spread between seeds at that learning rate, is allowed for. None if no error is printed.
to full
    The printed difference to full fine-tuning minus the true one, in points, over the front: the
    mean; the mean without signs; the largest of all repeats; and the mean for `best`. The true
    one is the difference to full fine-tuning at its best rate.
true volume
    The hypervolume of the printed front by its true metrics, as a share of that of the table's
    own true front, from the corner (metric of a constant answer, 1.0). The table's front is the
    best by the seeds that judge it, so a little less than 1 is all that can be had:
    ``if_all_are_trained`` is the share of who trains every point with every seed seen.
cost
    Of the whole search, and until its true volume was first what random search has after 50
    trials beside the references (the mean of many such searches): steps and FLOPs, over those of
    one full fine-tuning. A repeat that does not get there at the steps of these trials counts as
    them; ``reached`` says how many did.

Progsearch's own rows tune its references at the learning rates at which the table holds them, and
repeat with the seeds that they see. The others begin with the references at the default rate,
train each run with one seed and print the best by it. The rows below the default lack a part of
it, or have another. The intervals are bootstrap intervals of 95 % over repeats.

Writes ``benchmarks/results/truth.json`` and prints a table, or with ``--json`` that file.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import optuna
from tabular.contenders import OTHER_WAYS, OTHERS, OWN, RANDOM
from tabular.judge import Judge, Repeat, Target, follow, judges
from tabular.race import in_parallel, interval
from tabular.strategies import Strategy, as_a_user
from tabular.table import Table, tables

from progsearch.errors import StudyError

RESULTS = Path(__file__).parent / "results"
RANDOM_TRIALS = 50
# Random searches, over all ways to divide the seeds, whose mean is to be reached.
_RANDOM_REPEATS = 200
# Their seeds are not those of the rows.
_RANDOM_SEEDS = 1_000_000
ROWS = [*OTHERS, *OWN, *OTHER_WAYS]


@dataclass(frozen=True)
class Truth:
    """Replays on a table.

    Attributes:
        judges: The ways to divide its seeds.
        repeats: Of each search.
        budget: Of each search, in whole trials.
        parallel: Processes.
    """

    judges: Sequence[Judge]
    repeats: int
    budget: int
    parallel: int

    @property
    def table(self) -> Table:
        """The table."""
        return self.judges[0].table

    def strategy(self, name: str) -> Strategy | None:
        """The search of a row; None if the table holds nothing of what it adds."""
        if name in OTHERS:
            return as_a_user(OTHERS[name], self.budget)
        own = (OWN | OTHER_WAYS)[name]
        if all(entry.family != own.family for entry in self.table.entries):
            return None
        return replace(own, budget=self.budget)

    def targets(self) -> list[Target]:
        """What each judge sees random search reach."""
        search = as_a_user(OTHERS[RANDOM], RANDOM_TRIALS)
        each = -(-_RANDOM_REPEATS // len(self.judges))
        jobs = [(i, _RANDOM_SEEDS + n) for i in range(len(self.judges)) for n in range(each)]
        found = self._all(jobs, lambda index, seed: follow(search, self.judges[index], seed, None))
        return [
            Target(
                mean(repeat.verdict.volume for repeat in part),
                mean(repeat.end.steps for repeat in part),
                mean(repeat.end.flops for repeat in part),
            )
            for first in range(0, len(found), each)
            if (part := found[first : first + each])
        ]

    def row(self, name: str, targets: Sequence[Target]) -> dict[str, Any] | None:
        """What the repeats of a search come to; None if it is not in the table."""
        strategy = self.strategy(name)
        if strategy is None:
            return None

        def one(index: int, seed: int) -> Repeat:
            return follow(strategy, self.judges[index], seed, targets[index])

        jobs = [(repeat % len(self.judges), repeat) for repeat in range(self.repeats)]
        return summary(self._all(jobs, one), [targets[index] for index, _ in jobs], self.table)

    def _all(
        self, jobs: Sequence[tuple[int, int]], one: Callable[[int, int], Repeat]
    ) -> list[Repeat]:
        """A search for each judge, by number, and seed."""
        return in_parallel(lambda job: one(*job), jobs, self.parallel)


def summary(repeats: Sequence[Repeat], targets: Sequence[Target], table: Table) -> dict[str, Any]:
    """The repeats of one search, with bootstrap intervals."""
    verdicts = [asdict(repeat.verdict) for repeat in repeats]
    (full,) = (entry for entry in table.baselines if entry.baseline == "full")
    result: dict[str, Any] = {
        name: _over([verdict[name] for verdict in verdicts], np.mean) for name in verdicts[0]
    }
    largest = [v["to_full_most"] for v in verdicts if v["to_full_most"] is not None]
    result["to_full_most"] = max(largest, default=None)
    until = [repeat.reached or target for repeat, target in zip(repeats, targets, strict=True)]
    for unit, one in (("steps", full.steps), ("flops", full.flops)):
        spent = [getattr(repeat.end, unit) / one for repeat in repeats]
        needed = [getattr(point, unit) / one for point in until]
        result[f"cost_{unit}"] = _over(spent, np.mean)
        result[f"cost_{unit}_to_random"] = _over(needed, np.median)
    result["reached"] = sum(repeat.reached is not None for repeat in repeats)
    result["missing_runs"] = mean(repeat.end.missing for repeat in repeats)
    return result


def _over(
    values: Sequence[float | None], statistic: Callable[..., Any]
) -> dict[str, float] | None:
    known = [value for value in values if value is not None]
    return interval(known, statistic) if known else None


def of_table(name: str, table: Table, rows: Sequence[str], truth: Truth) -> dict[str, Any]:
    """All rows of a table."""
    # First, so that the processes that are forked need not find the true front each.
    if_all = mean(judge.volume_if_all_are_trained for judge in truth.judges)
    targets = truth.targets()
    (full,) = (entry for entry in table.baselines if entry.baseline == "full")
    result: dict[str, Any] = {}
    for row in rows:
        started = time.perf_counter()
        result[row] = truth.row(row, targets)
        print(f"{name}, {row}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    return {
        "engine": table.about.get("engine"),
        "commit": table.about.get("commit"),
        "metric": table.problem.metric,
        "trainings": len(table.entries),
        "seeds": len(table.seeds),
        "seen": len(truth.judges[0].seen),
        "spread_of_seeds": {str(r): 100 * v**0.5 for r, v in truth.judges[0].noise.items()},
        "random": {
            "volume": mean(target.volume for target in targets),
            "cost_steps": mean(target.steps for target in targets) / full.steps,
            "cost_flops": mean(target.flops for target in targets) / full.flops,
        },
        "if_all_are_trained": if_all,
        "rows": result,
    }


# -- the printed table -------------------------------------------------------------------------

_COLUMNS: Sequence[tuple[str, str, int]] = (
    ("optimism of the front", "optimism_front", 2),
    ("of `best`", "optimism_best", 2),
    ("of `knee`", "optimism_knee", 2),
    ("coverage", "coverage", 2),
    ("to full, off by", "to_full", 2),
    ("without signs", "to_full_off", 2),
    ("of `best` to full, off by", "to_full_best", 2),
    ("true volume", "volume", 3),
    ("cost in steps", "cost_steps", 1),
    ("cost in FLOPs", "cost_flops", 1),
    ("steps to random's", "cost_steps_to_random", 1),
    ("FLOPs to random's", "cost_flops_to_random", 1),
)


def markdown(result: Mapping[str, Any]) -> str:
    """The result as a table."""
    head = [
        "task",
        "search",
        *(title for title, _, _ in _COLUMNS),
        "to full, at most off by",
        "reached",
    ]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for task, found in result["tasks"].items():
        for name, row in found["rows"].items():
            cells = ["not in the table"]
            if row is not None:
                cells = [_cell(row[key], digits) for _, key, digits in _COLUMNS]
                most = row["to_full_most"]
                cells += ["" if most is None else f"{most:.1f}", str(row["reached"])]
            lines.append(f"| {' | '.join([task, name, *cells])} |")
    return "\n".join(lines)


def _cell(entry: Mapping[str, float] | None, digits: int) -> str:
    if entry is None:
        return ""
    middle = entry["mean"] if "mean" in entry else entry["median"]
    return f"{middle:.{digits}f} ({entry['low']:.{digits}f} to {entry['high']:.{digits}f})"


def main() -> None:
    """Replay, write the file, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tasks", nargs="+", choices=tables(), default=tables())
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=ROWS)
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--budget", type=int, default=20)
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS / "truth.json")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    # Its Gaussian process warns of every setting that depends on another.
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    result: dict[str, Any] = {
        "repeats": arguments.repeats,
        "budget": arguments.budget,
        "tasks": {},
    }
    for name in arguments.tasks:
        table = Table.load(name)
        try:
            found = judges(table)
        except StudyError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
            continue
        truth = Truth(found, arguments.repeats, arguments.budget, arguments.parallel)
        result["tasks"][name] = of_table(name, table, arguments.rows, truth)
    arguments.out.parent.mkdir(exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result) if arguments.json else markdown(result))


if __name__ == "__main__":
    main()
