"""Runs the README's first command and keeps what it prints and what it found.

    python benchmarks/demo.py

Writes ``benchmarks/results/demo.txt``, what the command prints at a width of 80 columns,
``benchmarks/results/demo.json``, its report, and ``docs/front.svg``, the README's picture. The
README quotes lines of the former; a test holds that they are still there.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from front_svg import Picture

from progsearch.version import __version__

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
COMMAND = "progsearch run --task bbc-headlines --budget 8"
# Of the report what the picture shows; all of it is many times as long.
KEPT = ("study", "task", "model", "metric", "split", "objectives")
OF_A_TRIAL = ("number", "state", "name", "params", "schedule", "values")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            COMMAND.split(),
            cwd=folder,
            env=os.environ | {"COLUMNS": "80", "PROGSEARCH_CACHE": str(Path(folder, "cache"))},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        (found,) = Path(folder, "studies").glob("*/report.json")
        report = json.loads(found.read_text(encoding="utf-8"))
        printed = done.stdout.replace(f"{folder}/", "")
    RESULTS.joinpath("demo.txt").write_text(printed, encoding="utf-8")
    kept = {"version": __version__} | short(report)
    RESULTS.joinpath("demo.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    ROOT.joinpath("docs", "front.svg").write_text(Picture(kept).svg(), encoding="utf-8")


def short(report: dict[str, Any]) -> dict[str, Any]:
    """The report without what the picture does not show."""
    lists = {key: [_short(trial) for trial in report[key]] for key in ("baselines", "front")}
    trials = [_short(trial) for trial in report["trials"] if trial["state"] == "COMPLETE"]
    return {key: report[key] for key in KEPT} | lists | {"trials": trials}


def _short(trial: dict[str, Any]) -> dict[str, Any]:
    updated = {"updated_parameters": trial["user_attrs"]["costs"]["updated_parameters"]}
    kept = {key: trial[key] for key in OF_A_TRIAL if key in trial}
    return kept | {"user_attrs": {"costs": updated}}


if __name__ == "__main__":
    main()
