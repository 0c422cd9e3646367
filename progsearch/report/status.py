"""The state of a search as data: the output of `progsearch status --json`."""

from __future__ import annotations

from typing import Any

from progsearch.report.counts import counts, run_again
from progsearch.report.data import StudyReport
from progsearch.report.finite import finite


def status(report: StudyReport) -> dict[str, Any]:
    """The output of `progsearch status --json`.

    ``counts`` has the trials by outcome in words, without those that another trial continued.
    ``searched`` is the number of searched trials that have ended; ``spent`` is how much of the
    ``budget`` they cost, in whole trials.
    """
    data: dict[str, Any] = {
        "study": report.study,
        "states": report.states,
        "counts": counts(report),
        "run_again": [
            {
                "number": trial.number,
                "name": trial.name,
                "tries": trial.tries,
                "reason": trial.reason,
            }
            for trial in run_again(report)
        ],
        "nothing_learned": report.nothing_learned,
        "front": report.front_dicts,
        "objectives": report.objectives,
        "budget": report.recipe.budget,
        "spent": report.spent,
        "searched": len(report.searched),
        "seconds": report.seconds,
        "seconds_left": report.seconds_left,
        "reuse": report.reuse.to_dict(),
        "cost": report.payback.to_dict(),
    }
    return {key: finite(value) for key, value in data.items()}
