"""Fills the tables and measured figures of README and docs from the result files.

    python benchmarks/tables.py [--check]

A table stands between ``<!-- table: NAME -->`` and ``<!-- /table -->``, a figure in a sentence
between ``<!-- figure: NAME -->`` and ``<!-- /figure -->``; what is between them is replaced. With
``--check`` nothing is written, and files that are out of date end it with exit code 1.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from progsearch.numerals import learning_rate, percent, size
from progsearch.report.formatting import in_words

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
BLOCK = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- /table -->)", re.DOTALL)
FIGURE = re.compile(r"(<!-- figure: (\S+) -->).*?(<!-- /figure -->)", re.DOTALL)
FULL, PAPER = "full", "progtuning-3"
N_BLOCKS = 6  # of all-MiniLM-L6, the model of all results
NAMES = {
    FULL: "full fine-tuning",
    PAPER: "Progtuning, 3 stages",
    "last-quarter": "last quarter of the blocks",
    "head-only": "head only",
}
# Of the confirmed schedules, those in the README: the references and the three cheapest that are
# close to full fine-tuning or show where that ends.
OF_THE_README = (FULL, PAPER, 28, 20, 26, "last-quarter", "head-only")
STRATEGIES = {
    "random": "random",
    "optuna-tpe": "TPE as OptunaSearch runs it",
    "nsga2": "NSGA-II",
    "mo-asha, 1/2 go on": "MO-ASHA, the best half continues",
    "mo-asha, 1/3 go on": "MO-ASHA, the best third continues",
    "progsearch": "**progsearch, defaults**",
    "without reuse": "progsearch `--no-reuse`",
    "without stopping": "progsearch `--scheduler none`",
    "stopping by dominance": "progsearch `--scheduler dominance`",
    "stopping by mo-asha": "progsearch `--scheduler mo-asha`",
    "without choosing": "progsearch `--candidates 1`",
    "without contributions": "progsearch without contributions: always the lowest blocks",
    "tpe instead": "progsearch `--sampler tpe`",
}
WAYS = {
    "peer": "Trainer, a freezing callback, Ray Tune with OptunaSearch (fp32)",
    "plain": "progsearch `--no-reuse --no-prefix-cache` (bf16)",
    "everything": "progsearch (bf16)",
}
WORK = {
    "forward": ("forward",),
    "backward": ("backward",),
    "AdamW": ("optimizer",),
    "gradient clipping": ("clipping",),
    "evaluation": ("evaluation",),
    "the rest of the step, batches": ("step", "batches"),
    "store: reading, restoring, writing, waiting": ("store reads", "store writes", "store waits"),
    "worker processes start": ("starting", "imports"),
    "data, model, switching trials": ("data", "model"),
    "waiting for the driver, idle, other": ("driver", "idle", "other"),
}

Row = Sequence[str]
Found = dict[str, Any]


def results(name: str) -> Any:
    """What a result file holds."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def confirmed(name: str) -> str:
    """The confirmed schedules of a study, by falling updated parameters."""
    return table(*_confirmed(name))


def front() -> str:
    """The README's table: some of the confirmed schedules, without what few readers need."""
    head, rows = _confirmed("mrpc-search-h100", OF_THE_README)
    kept = (0, 1, 3, 4, 6)  # not the metric in the search, and not p
    return table([head[n] for n in kept], [[row[n] for n in kept] for row in rows])


def _confirmed(name: str, chosen: Iterable[str | int] | None = None) -> tuple[Row, list[Row]]:
    study = results(name)
    found = {s.get("name") or s["number"]: s for s in study["confirmed"]["schedules"]}
    searched = {t["number"]: t["values"][0] for t in (*study["front"], *study["baselines"])}
    n_seeds = len(study["confirmed"]["seeds"])
    head = (
        "schedule",
        "updated",
        "in the search",
        f"{study['metric']} on {n_seeds} new seeds",
        "to full fine-tuning, points",
        "p",
        "verdict",
    )
    rows = sorted(
        (found[key] for key in (chosen or found)), key=lambda s: -s["updated_parameters"]
    )
    return head, [_confirmed_row(s, searched) for s in rows]


def _confirmed_row(schedule: Found, searched: dict[int, float]) -> Row:
    name = schedule.get("name")
    words = in_words(schedule["schedule"], N_BLOCKS)
    title = NAMES[name] if name else f"#{schedule['number']}: {words}"
    low, high = schedule["interval"]
    mean = f"{schedule['mean']:.4f} ± {schedule['sd']:.4f} ({low:.4f} to {high:.4f})"
    difference, p = schedule["difference_to_full"], schedule["corrected_p"]
    return (
        title,
        percent(schedule["updated_parameters"]),
        f"{searched[schedule['number']]:.4f}" if schedule["number"] in searched else "",
        mean,
        "" if difference is None else _points(difference),
        "" if p is None else _p(p),
        schedule["verdict"] or "",
    )


def _points(difference: Found) -> str:
    low, high = (100 * value for value in difference["interval"])
    return f"{100 * difference['mean']:+.1f} ({low:+.1f} to {high:+.1f})".replace("-", "−")


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.2g}"


def paper() -> str:
    """The paper's schedule against full fine-tuning on all of MRPC."""
    runs = results("mrpc")
    rows = []
    for key in sorted({(r["schedule"], r["learning_rate"]) for r in runs}):
        found = [r for r in runs if (r["schedule"], r["learning_rate"]) == key]
        name = NAMES[FULL] if key[0] == FULL else NAMES[PAPER]
        scores = [_mean_of([r[metric] for r in found]) for metric in ("accuracy", "f1")]
        updated = percent(found[0]["updated_parameters"])
        rows.append((name, learning_rate(key[1]), str(len(found)), *scores, updated))
    return table(("schedule", "learning rate", "seeds", "accuracy", "F1", "updated"), rows)


def _mean_of(values: Sequence[float]) -> str:
    spread = f" ± {stdev(values):.3f}" if len(values) > 1 else ""
    return f"{fmean(values):.3f}{spread}"


def engine(name: str) -> str:
    """Samples per second of the engine, and its ratios to others."""
    head = ("precision", "frozen", "samples/s", "× Trainer", "× full", "× without prefix cache")
    rows = []
    for row in results(name)["summary"]:
        if "to_full" not in row:
            continue  # both tools with their own defaults
        frozen = f"embeddings, {row['frozen']} of 6 blocks" if row["frozen"] else "nothing"
        ratios = [_ratio(row[key]) for key in ("to_trainer", "to_full", "cache")]
        rows.append((row["precision"], frozen, f"{row['samples_per_second']:,.0f}", *ratios))
    return table(head, rows)


def _ratio(found: Found) -> str:
    if found["min"] == found["max"] == 1:
        return "1"
    return f"{found['median']:.3g} ({found['min']:.3g} to {found['max']:.3g})"


def engine_types() -> str:
    """Ratios of samples per second for other task types."""
    names = {"span": "spans", "tokens": "words with tags", "causal-lm": "language model"}
    found = results("engine-types")["summary"]
    head = ("task type", "4 of 6 frozen, × full", "4 of 6 frozen, × Trainer", "full, × Trainer")
    keys = ("to_full", "to_trainer", "full_to_trainer")
    rows = [(name, *(_ratio(found[kind][key]) for key in keys)) for kind, name in names.items()]
    return table(head, rows)


def memory() -> str:
    """Peak memory by schedule and by what saves it, and the least as a share of full's."""
    ways = {
        "plain": "without",
        "frozen": "frozen in bf16",
        "checkpointing": "checkpointing",
        "both": "both",
        "nf4": "4 bits, checkpointing",
        "8-bit": "both, 8-bit moments",
    }
    runs = results("memory")["runs"]
    found = {(run["schedule"], run["way"]): run for run in runs}
    full = found["full", "plain"]["measured"]
    rows = []
    for name in dict.fromkeys(run["schedule"] for run in runs):
        cells = [
            f"{size(found[name, way]['measured'])} ({size(found[name, way]['predicted'])})"
            for way in ways
        ]
        saved = [1 - found[name, way]["measured"] / full for way in ("plain", "both")]
        updated = percent(found[name, "plain"]["updated"])
        rows.append((NAMES.get(name, name), updated, *cells, *map(_below, saved)))
    below = ("without, below full", "both, below full")
    head = ("schedule", "updated", *ways.values(), *below)
    return table(head, rows)


def _below(share: float) -> str:
    return f"{100 * share:.0f} %".replace("-", "−")


def study() -> str:
    """A study of fixed runs, three ways, in seconds of each repetition."""
    head, rows = ["way"], {way: [name] for way, name in WAYS.items()}
    for found in results("study"):
        settings = found["settings"]
        if "hardware" not in settings:
            continue  # by an earlier engine
        head += [settings["task"], "steps"]
        for way, row in rows.items():
            runs = [run for run in found["runs"] if run["way"] == way]
            row += [", ".join(f"{run['seconds']:.0f}" for run in runs), f"{runs[0]['steps']:,}"]
    return table(head, list(rows.values()))


def search(task: str) -> str:
    """Strategies, replayed on a table of finished trainings."""
    head = (
        "strategy",
        "steps, median",
        "progsearch's steps over these",
        "hypervolume after 50 trials",
        "progsearch has more",
    )
    rows = []
    for name, found in results(f"search-{task}")["strategies"].items():
        volume = found["hypervolume_after_50_trials"]
        rows.append(
            (
                STRATEGIES[name],
                _median(found["steps_ratio_to_random"]),
                _median(found.get("progsearch_over_this")),
                _mean(volume, "0.4f"),
                _mean(volume.get("progsearch_has_more"), "+.4f"),
            )
        )
    return table(head, rows)


def _median(found: Found | None) -> str:
    if found is None:
        return ""
    return f"{found['median']:.2f} ({found['low']:.2f} to {found['high']:.2f})"


def _mean(found: Found | None, form: str) -> str:
    if found is None:
        return ""
    mean, low, high = (format(found[key], form) for key in ("mean", "low", "high"))
    return f"{mean} ({low} to {high})".replace("-", "−")


def profile() -> str:
    """Where the time of two workers goes."""
    work = results("study_profile")["work"]
    total = sum(work.values())
    seconds = {name: sum(work[key] for key in keys) for name, keys in WORK.items()}
    rows = [(name, f"{s:.1f}", percent(s / total)) for name, s in seconds.items()]
    return table(("", "seconds", "share"), rows)


def contributions() -> str:
    """The scores of blocks by some metrics, on MRPC with seed 0."""
    scores = results("mrpc-search-amx")["contributions"]
    metrics = [name for name in scores if name != "depth"]
    head = ("block", *map(str, range(N_BLOCKS)))
    return table(head, [(f"`{name}`", *(f"{s:.2g}" for s in scores[name])) for name in metrics])


def shared_steps() -> str:
    """The share of steps that fixed runs of bbc-headlines reuse."""
    steps = {}
    for found in results("study"):
        if "hardware" in found["settings"] and found["settings"]["task"] == "bbc-headlines":
            steps = {run["way"]: run["steps"] for run in found["runs"]}
    return percent(1 - steps["everything"] / steps["plain"])


def optimizer_share() -> str:
    """The share of the workers' time that no cache saves."""
    work = results("study_profile")["work"]
    return percent((work["optimizer"] + work["clipping"]) / sum(work.values()))


def saved_steps(without: str) -> str:
    """The share of steps that a search saves against one without some part, in both tables."""
    found = [
        100
        * (1 - results(f"search-{task}")["strategies"][without]["progsearch_over_this"]["median"])
        for task in ("bbc-headlines", "sst2")
    ]
    return f"{min(found):.0f} to {max(found):.0f} %"


def trials_on_sst2() -> str:
    """After how many whole trials a search on SST-2 has the front of random search."""
    ratio = results("search-sst2")["strategies"]["progsearch"]["steps_ratio_to_random"]
    return f"{50 * ratio['median']:.0f}"


def gain_on_another_seed() -> str:
    """How much of the gains in hypervolume stays on a seed that was not searched on."""
    strategies = results("search-bbc-headlines")["strategies"]
    gains = []
    for name in ("random", "optuna-tpe", "nsga2", "mo-asha, 1/2 go on", "mo-asha, 1/3 go on"):
        found = strategies[name]
        seen, other = found["hypervolume_after_50_trials"], found["the_same_on_another_seed"]
        gains.append(other["progsearch_has_more"]["mean"] / seen["progsearch_has_more"]["mean"])
    return f"{100 * min(gains):.0f} to {100 * max(gains):.0f} %"


def table(head: Row, rows: Iterable[Row]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


TABLES: dict[str, Callable[[], str]] = {
    "front": front,
    "mrpc-20-seeds": lambda: confirmed("mrpc-search-h100"),
    "mrpc-5-seeds": lambda: confirmed("mrpc-search-amx"),
    "mrpc-10-seeds": lambda: confirmed("mrpc-search-amx-10-seeds"),
    "mrpc-earlier": lambda: confirmed("mrpc-search"),
    "mrpc-dominance": lambda: confirmed("mrpc-search-dominance"),
    "paper": paper,
    "engine-cpu": lambda: engine("engine-amx"),
    "engine-gpu": lambda: engine("engine-h100"),
    "engine-earlier": lambda: engine("engine"),
    "engine-types": engine_types,
    "memory": memory,
    "study": study,
    "search-bbc-headlines": lambda: search("bbc-headlines"),
    "search-bbc-headlines-142": lambda: search("bbc-headlines-142"),
    "search-sst2": lambda: search("sst2"),
    "profile": profile,
    "contributions": contributions,
}


FIGURES: dict[str, Callable[[], str]] = {
    "mrpc-constant": lambda: f"{results('mrpc-search-amx')['majority']:.3f}",
    "shared-steps": shared_steps,
    "optimizer-share": optimizer_share,
    "saved-by-reuse": lambda: saved_steps("without reuse"),
    "saved-by-stopping": lambda: saved_steps("without stopping"),
    "trials-on-sst2": trials_on_sst2,
    "gain-on-another-seed": gain_on_another_seed,
}


def files() -> list[Path]:
    """The files that may hold tables and figures."""
    pages = sorted((ROOT / "docs").glob("*.md"))
    return [ROOT / "README.md", *pages, ROOT / "benchmarks" / "HISTORY.md"]


def filled(text: str) -> str:
    """The text with its tables and figures as the result files have them."""
    text = BLOCK.sub(lambda block: f"{block[1]}{TABLES[block[2]]()}{block[3]}", text)
    return FIGURE.sub(lambda found: f"{found[1]}{FIGURES[found[2]]()}{found[3]}", text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="only say which files are out of date"
    )
    check = parser.parse_args().check
    old = {path: path.read_text(encoding="utf-8") for path in files()}
    changed = {path: text for path, before in old.items() if (text := filled(before)) != before}
    for path, text in changed.items():
        print(f"{path.relative_to(ROOT)} {'is out of date' if check else 'was filled'}")
        if not check:
            path.write_text(text, encoding="utf-8")
    return int(check and bool(changed))


if __name__ == "__main__":
    sys.exit(main())
