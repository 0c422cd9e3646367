"""Does fitting the new head first make contribution scores agree more between seeds?

Each seed has a head and a choice of examples of its own. For every metric that looks at the
model: the mean over pairs of seeds of Spearman's correlation of the scores, with a random head
and with the fitted one. Prints a table, or JSON with ``--json``.
"""

from __future__ import annotations

import argparse
import itertools
import json
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from progsearch.config import TaskConfig
from progsearch.contribution import ProbeSettings, get_metric, metric_names
from progsearch.contribution.scores import make_probe
from progsearch.models.loading import load_tokenizer
from progsearch.tasks import load_task


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="bbc-headlines")
    parser.add_argument("--data-dir")
    parser.add_argument("--model", default="minilm-l6")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--metric", action="append", help="repeatable; default: all")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    # Depth and random look at no model, so no head can matter to them.
    looking = [name for name, _ in metric_names() if name not in ("depth", "random")]
    metrics = arguments.metric or looking
    task = TaskConfig(name=arguments.task, data_dir=arguments.data_dir)
    data = load_task(task, load_tokenizer(arguments.model))
    fitted_head = ProbeSettings()
    random_head = ProbeSettings(head_passes=0)
    results: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in metrics}
    for label, settings in (("random head", random_head), ("fitted head", fitted_head)):
        scores: dict[str, list[list[float]]] = {name: [] for name in metrics}
        for seed in range(arguments.seeds):
            probe = make_probe(arguments.model, data, seed, None, settings)
            for name in metrics:
                scores[name].append(get_metric(name).scores(probe))
        for name in metrics:
            pairs = [spearmanr(a, b)[0] for a, b in itertools.combinations(scores[name], 2)]
            results[name][label] = {
                "mean": float(np.mean(pairs)),
                "lowest": float(np.min(pairs)),
                "mean_scores": np.mean(scores[name], axis=0).tolist(),
            }
    if arguments.json:
        print(json.dumps(results, indent=2))
        return
    print("| metric | random head: mean (lowest) | fitted head: mean (lowest) |")
    print("|---|---|---|")
    for name, by_head in results.items():
        cells = [f"{by_head[k]['mean']:.2f} ({by_head[k]['lowest']:.2f})" for k in by_head]
        print(f"| `{name}` | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
