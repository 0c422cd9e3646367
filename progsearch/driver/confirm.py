"""Runs a confirmation from the study's trials to the last seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from progsearch.config import Resources
from progsearch.driver.prepared import check_inputs
from progsearch.driver.search import train_lost_references, with_resources
from progsearch.driver.work import interruptible, ready, run_to_end
from progsearch.errors import NothingUsable, StudyError
from progsearch.strategy.confirmation import (
    ConfirmationSource,
    JobQueue,
    job_of,
    missing,
    new_seeds,
    to_confirm,
)
from progsearch.study.confirmed_runs import (
    DEFAULT_MARGIN,
    ConfirmedRuns,
    read_confirmed,
    write_confirmed,
)
from progsearch.study.folder import StudyFolder, command_line, open_study
from progsearch.study.trial import Trial
from progsearch.study.view import ConfirmGoal, View
from progsearch.workers.halt import Halt
from progsearch.workers.logs import study_log


def confirm(
    study: str | Path,
    seeds: int,
    *,
    picks: Sequence[str],
    margin: float,
    resources: Resources,
    studies_dir: str | Path,
    view: View,
) -> StudyFolder:
    """Confirm a study; see `progsearch.api.confirm`."""
    folder = open_study(study, studies_dir)
    folder.recipe = with_resources(folder.recipe, resources)
    with folder.locked("confirmation"), study_log() as log:
        log.write_to(folder.log)
        train_lost_references(folder, view)
        trials = to_confirm(folder.trials(), folder.recipe.limits, picks)
        if not trials:
            raise StudyError(
                f"no trial of study {folder.name} has a result, so there is nothing to confirm; "
                f"continue the search with `{folder.resume_line}`"
            )
        wanted = new_seeds(folder.recipe, seeds)
        kept = read_confirmed(folder.path) or ConfirmedRuns(margin=margin)
        kept = kept.model_copy(update={"margin": margin})
        write_confirmed(folder.path, kept)
        jobs = missing(trials, wanted, kept)
        goal = ConfirmGoal(tuple(wanted), len(trials), len(jobs))
        if jobs:
            check_inputs(folder.recipe)
            command = _command(folder, seeds, picks, margin)
            saved = f"what is done is saved, continue with `{command}`"
            kept = _train(folder, jobs, kept, goal, saved, view)
        else:
            view.started(folder, goal)
            view.finished("budget")
    return _checked(folder, kept)


def _train(
    folder: StudyFolder,
    jobs: Sequence[tuple[Trial, int]],
    kept: ConfirmedRuns,
    goal: ConfirmGoal,
    saved: str,
    view: View,
) -> ConfirmedRuns:
    """Train what is missing; returns all results."""
    # The limits of a search are not those of its confirmation.
    recipe = folder.recipe.model_copy(update={"max_gpu_hours": None})
    methods = list(dict.fromkeys(trial.run.method for trial, _ in jobs))
    end = interruptible(f"interrupted; {saved}", folder.path)
    with end, ready(recipe, methods, (), view) as found:
        if found.problem.fingerprint != folder.info.fingerprint:
            raise StudyError(
                f"the model or the data of study {folder.name} changed since it was searched, so "
                "its trials cannot be confirmed; bring them back or begin a new study"
            )
        queue = JobQueue([job_of(*job, recipe, found.problem) for job in jobs], recipe)
        source = ConfirmationSource(queue, folder.path, kept, view)
        run_to_end(
            source,
            goal,
            folder,
            found.machines,
            halt=Halt(None),
            saved=saved,
            view=view,
        )
    return source.kept


def _checked(folder: StudyFolder, kept: ConfirmedRuns) -> StudyFolder:
    """The study, if any run has a result."""
    if any(run.reason is None for run in kept.runs):
        return folder
    raise NothingUsable(
        f"no run of study {folder.name} on a new seed has a result; the first ended with: "
        f"{kept.runs[0].reason}; {folder.log} may say more"
    )


def _command(folder: StudyFolder, seeds: int, picks: Sequence[str], margin: float) -> str:
    """The command that continues a confirmation."""
    words = ["--seeds", str(seeds)]
    for how in picks:
        words += ["--pick", how]
    if margin != DEFAULT_MARGIN:
        words += ["--margin", f"{margin:g}"]
    return command_line("confirm", folder.name, folder.path.parent, *words)
