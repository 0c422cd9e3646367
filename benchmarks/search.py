"""Search strategies, replayed on a table of `tabular/`: nothing is trained.

    python benchmarks/search.py [--task bbc-headlines] [--repeats 50] [--baselines all] [--json]

Repeat r sees the metrics of one seed of the table, each in turn, and searches with seed r, one
trial at a time. The hypervolume of (metric, updated parameters) counts from the corner (metric
of a constant answer, 1.0), and only trials that ran to their end count.

A search of progsearch begins with four references, tuned over the learning rates at which the
table holds them. One of them, head-only, is no point of the space and lies on every front, so all
other strategies begin with them, too, each trained whole at the default rate; with ``--baselines
own`` they do not, and what is compared then is mostly whether a search knows of these runs.

``steps_ratio_to_random``: the steps that a strategy trains until its hypervolume is what random
search has after 50 whole trials (the mean over its repeats on that seed), over the steps of those
50 trials. Median over repeats, with a bootstrap interval of 95 %. A repeat that does not get there
in the steps of 150 whole trials counts as those; ``reached`` says how many did.

After 50 trials means after a budget of them, references included: a trial that is stopped after
one of three epochs is a third of one.

The strategies of progsearch's own that follow its default lack a part of it each, or have another
in its place. Without candidates that wait, trials are stopped by dominance. A search that
sees one seed repeats nothing with another one, so ``without repeats`` is the default here.

``progsearch_over_this``: progsearch's steps over the strategy's, repeat by repeat; below 1 where
progsearch needs fewer.

``the_same_on_other_seeds``: the front that a repeat has after 50 trials, with the mean metric of
the seeds that it did not see: what is left of it without the luck by which it was chosen.

Writes ``benchmarks/results/search-TASK.json`` and prints a table, or with ``--json`` that file.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from tabular.contenders import OTHERS, OURS, OWN, RANDOM
from tabular.race import Trace, in_parallel, interval, run, volume_of
from tabular.strategies import Strategy, after_baselines
from tabular.table import Table, tables

RESULTS = Path(__file__).parent / "results"
TRIALS = 50
MOST_TRIALS = 150
FRACTIONS = (0.1, 0.2, 0.33, 0.5)
Traces = dict[str, list[Trace]]


@dataclass(frozen=True)
class Replay:
    """Repeats of strategies on a table.

    Attributes:
        table: What is searched.
        strategies: By name, random search first: it says what is to be reached.
        repeats: How often.
    """

    table: Table
    strategies: dict[str, Strategy]
    repeats: int

    @property
    def columns(self) -> list[int]:
        """The seed of the table that each repeat sees."""
        seeds = self.table.seeds
        return [seeds[repeat % len(seeds)] for repeat in range(self.repeats)]

    def all(self, parallel: int = 1) -> tuple[Traces, list[float]]:
        """All repeats of all strategies, and the hypervolume that each repeat is to reach."""
        traces: Traces = {}
        targets: list[float] = []
        for name in self.strategies:
            started = time.perf_counter()
            jobs = [
                (name, repeat, targets[repeat] if targets else None)
                for repeat in range(self.repeats)
            ]
            traces[name] = in_parallel(lambda job: self.one(*job), jobs, parallel)
            targets = targets or self._targets(traces[name])
            seconds = time.perf_counter() - started
            print(f"{name}: {seconds:.0f} s", file=sys.stderr, flush=True)
        return traces, targets

    def one(self, name: str, repeat: int, target: float | None) -> Trace:
        """One repeat of one strategy."""
        base, limit = TRIALS * self.table.steps, MOST_TRIALS * self.table.steps
        column = self.columns[repeat]
        unseen = [seed for seed in self.table.seeds if seed != column]
        return run(
            self.strategies[name](self.table, (column,), repeat),
            Trace(self.table, column, unseen),
            partial(_enough, target=target, base=base, limit=limit),
        )

    def _targets(self, traces: list[Trace]) -> list[float]:
        reached = [trace.volume_after(TRIALS) for trace in traces]
        return [
            statistics.mean(v for v, c in zip(reached, self.columns, strict=True) if c == column)
            for column in self.columns
        ]


def _enough(trace: Trace, target: float | None, base: int, limit: int) -> bool:
    """Whether a repeat has shown all that is compared."""
    if trace.steps[-1] >= limit:
        return True
    compared = trace.steps[-1] >= max(FRACTIONS) * base and trace.trials[-1] > TRIALS
    return compared and target is not None and trace.volumes[-1] >= target


def summary(traces: Traces, targets: list[float], table: Table) -> dict[str, Any]:
    """What the repeats of each strategy come to."""
    base, limit = TRIALS * table.steps, MOST_TRIALS * table.steps
    found = {
        name: [trace.steps_to(target) for trace, target in zip(repeats, targets, strict=True)]
        for name, repeats in traces.items()
    }
    needed = {name: [min(limit, s or limit) for s in steps] for name, steps in found.items()}
    strategies: dict[str, Any] = {}
    for name, repeats in traces.items():
        reached = sum(steps is not None and steps <= limit for steps in found[name])
        ratio = interval([steps / base for steps in needed[name]], np.median)
        strategies[name] = {
            "steps_ratio_to_random": {**ratio, "reached": reached},
            **_volumes(repeats, traces.get(OURS)),
            "hypervolume_at": {
                str(fraction): interval(
                    [trace.volume_at(fraction * base) for trace in repeats], np.mean
                )
                for fraction in FRACTIONS
            },
        }
        if OURS in needed and name != OURS:
            pairs = zip(needed[OURS], needed[name], strict=True)
            strategies[name]["progsearch_over_this"] = interval(
                [ours / theirs for ours, theirs in pairs], np.median
            )
    return {
        "repeats": len(targets),
        "trainings": len(table.entries),
        "steps_of_a_trial": table.steps,
        "hypervolume_to_reach": sorted(set(targets)),
        "hypervolume_of_all": _volumes_of_all(table),
        "strategies": strategies,
    }


def _volumes(repeats: list[Trace], ours: list[Trace] | None) -> dict[str, Any]:
    """The hypervolume after `TRIALS` trials, and how much more ours has, by the seeds."""
    found: dict[str, Any] = {}
    seeds = {f"hypervolume_after_{TRIALS}_trials": False}
    if repeats[0].unseen:
        seeds["the_same_on_other_seeds"] = True
    for name, true in seeds.items():
        volumes = [trace.volume_after(TRIALS, true=true) for trace in repeats]
        found[name] = interval(volumes, np.mean)
        if ours is not None and ours is not repeats:
            of_ours = [trace.volume_after(TRIALS, true=true) for trace in ours]
            more = [mine - theirs for mine, theirs in zip(of_ours, volumes, strict=True)]
            found[name]["progsearch_has_more"] = interval(more, np.mean)
    return found


def _volumes_of_all(table: Table) -> list[float]:
    """What a search reaches that trains every point, by seed of the table."""
    return [volume_of(table.default, (seed,), table) for seed in table.seeds]


def markdown(result: dict[str, Any]) -> str:
    """The result as a table."""
    repeats = result["repeats"]
    head = [
        "strategy",
        "steps to random's front, over random's",
        f"reached, of {repeats}",
        "progsearch's steps over these",
        f"hypervolume after {TRIALS} trials",
        "the same on other seeds",
        *(f"at {float(fraction):.0%} of the steps" for fraction in FRACTIONS),
    ]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name, entry in result["strategies"].items():
        over = entry.get("progsearch_over_this")
        cells = [
            name,
            _cell(entry["steps_ratio_to_random"], "median", 2),
            str(entry["steps_ratio_to_random"]["reached"]),
            _cell(over, "median", 2) if over else "",
            _cell(entry[f"hypervolume_after_{TRIALS}_trials"], "mean", 4),
            _cell(other, "mean", 4) if (other := entry.get("the_same_on_other_seeds")) else "",
            *(_cell(entry["hypervolume_at"][str(f)], "mean", 4) for f in FRACTIONS),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(entry: dict[str, float], name: str, digits: int) -> str:
    middle, low, high = (f"{entry[key]:.{digits}f}" for key in (name, "low", "high"))
    return f"{middle} ({low} to {high})"


def main() -> None:
    """Replay, write the file, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=50)
    names = list(OTHERS | OWN)
    parser.add_argument("--strategies", nargs="+", choices=names, default=names)
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument("--baselines", choices=("all", "own"), default="all")
    parser.add_argument("--task", choices=tables(), default="bbc-headlines")
    parser.add_argument("--out", type=Path, help="(results/search-TASK.json)")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    table = Table.load(arguments.task)
    others = OTHERS
    if arguments.baselines == "all":
        others = {name: after_baselines(strategy) for name, strategy in OTHERS.items()}
    chosen = {n: s for n, s in (others | OWN).items() if n in (RANDOM, *arguments.strategies)}
    traces, targets = Replay(table, chosen, arguments.repeats).all(arguments.parallel)
    result = {
        "task": arguments.task,
        "baselines": arguments.baselines,
        **summary(traces, targets, table),
    }
    out = arguments.out or RESULTS / f"search-{arguments.task}.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result) if arguments.json else markdown(result))


if __name__ == "__main__":
    main()
