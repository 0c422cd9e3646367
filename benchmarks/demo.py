"""Runs the README's first command and shows there what it prints and finds.

    python benchmarks/demo.py [--study FOLDER]

Writes what the command prints at a width of 80 columns to ``results/demo.txt``, what the picture
shows of its report to ``results/demo.json``, the picture to ``docs/front.svg``, the main lines
into the README, and how long it took into README and first steps. It takes a few minutes on two
idle cores. With ``--study`` nothing is trained: what a finished search of that command found is
printed again, as this version does it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from front_svg import Picture

from progsearch.version import __version__

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
README = ROOT / "README.md"
COMMAND = ["progsearch", "run", "--task", "bbc-headlines", "--budget", "8"]
# How long the command took, in the README and the first steps.
TIMED = (README, ROOT / "docs" / "first-steps.md")
MINUTES = re.compile(r"about \d+ minutes? on two idle cores")
BLOCK = re.compile(r"(<!-- output: demo -->\n```text\n).*?(```\n)", re.DOTALL)
# Of the report what the picture shows; all of it is many times as long.
KEPT = ("study", "task", "model", "metric", "split", "objectives")
OF_A_TRIAL = ("number", "state", "name", "params", "schedule", "values")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", type=Path, help="the folder of a finished search")
    study = parser.parse_args().study
    with tempfile.TemporaryDirectory() as folder:
        command = COMMAND
        if study is not None:
            shutil.copytree(study, Path(folder, "studies", study.name))
            command = ["progsearch", "resume", study.name]
        done = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | {"COLUMNS": "80", "PROGSEARCH_CACHE": str(Path(folder, "cache"))},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        (found,) = Path(folder, "studies").glob("*/report.json")
        report = short(json.loads(found.read_text(encoding="utf-8")))
        printed = done.stdout.replace(f"{folder}/", "")
    RESULTS.joinpath("demo.txt").write_text(printed, encoding="utf-8")
    RESULTS.joinpath("demo.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    ROOT.joinpath("docs", "front.svg").write_text(Picture(report).svg(), encoding="utf-8")
    README.write_text(filled(README.read_text(encoding="utf-8"), printed), encoding="utf-8")
    for page in TIMED:
        page.write_text(timed(page.read_text(encoding="utf-8"), report), encoding="utf-8")


def short(report: dict[str, Any]) -> dict[str, Any]:
    """The report without what the picture does not show."""
    kept = {"version": __version__} | {key: report[key] for key in KEPT}
    lists = {key: [_short(trial) for trial in report[key]] for key in ("baselines", "front")}
    trials = [_short(trial) for trial in report["trials"] if trial["state"] == "COMPLETE"]
    return kept | lists | {"trials": trials, "seconds": report["timings"]["seconds"]}


def timed(page: str, report: dict[str, Any]) -> str:
    """The page with how long the command took; earlier result files do not say it."""
    if "seconds" not in report:
        return page
    minutes = max(1, round(report["seconds"] / 60))
    words = f"about {minutes} minute{'' if minutes == 1 else 's'} on two idle cores"
    return MINUTES.sub(words, page)


def _short(trial: dict[str, Any]) -> dict[str, Any]:
    updated = {"updated_parameters": trial["user_attrs"]["costs"]["updated_parameters"]}
    kept = {key: trial[key] for key in OF_A_TRIAL if key in trial}
    return kept | {"user_attrs": {"costs": updated}}


def filled(readme: str, printed: str) -> str:
    """The README with the main lines of what the command printed."""
    text, _, rest = printed.partition("what one training saves")
    end = rest[rest.index("\nreport:") + 1 :]
    shown = "{}\n...\n{}\n".format(text.strip("\n"), end.strip("\n"))
    return BLOCK.sub(lambda block: block[1] + shown + block[2], readme)


if __name__ == "__main__":
    main()
