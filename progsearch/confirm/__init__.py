"""Trains the chosen schedules of a study again on new seeds, to say how sure its front is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from progsearch.confirm.view import ConfirmView
    from progsearch.search.study import StudyFolder

__all__ = ["confirm"]

DEFAULT_MARGIN = 0.01


def confirm(
    study: str | Path,
    seeds: int,
    *,
    picks: Sequence[str] = (),
    margin: float = DEFAULT_MARGIN,
    parallel: int | None = None,
    studies_dir: str | Path = "studies",
    view: ConfirmView | None = None,
) -> StudyFolder:
    """Train a study's front and baselines again on new seeds.

    What is trained already is kept and not trained again: more seeds add to those that are
    there, and a call that was stopped goes on where it was. Runs that failed are tried again.
    The results are in the study's folder; `progsearch.report` reads them.

    Args:
        study: A study's name, or its folder.
        seeds: On how many seeds; the first is the one after those of the study's own trials.
        picks: Rules, trial numbers and names of baselines, as `progsearch export --pick` takes
            them: only what they choose is trained, with full fine-tuning and the paper's
            schedule of 3 stages to compare with.
        margin: How much of the metric may be lost to full fine-tuning (0.01: one point).
        parallel: Runs at once; by default as many as in the search.
        studies_dir: Where study folders lie.
        view: Watches.

    Raises:
        StudyError: There is no such study, it is damaged or in use, no trial has a result,
            something of ``picks`` chooses no trial, or its model or data changed.
        NothingUsable: Every run failed.
        Interrupted: Someone stopped it; what was finished is kept.
        ProgsearchError: As `progsearch.search.search` raises.
    """
    from progsearch.confirm import driver

    return driver.confirm(
        study,
        seeds,
        picks=picks,
        margin=margin,
        parallel=parallel,
        studies_dir=studies_dir,
        view=view,
    )
