"""Runs a confirmation from the study's trials to the last seed."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from optuna.trial import FrozenTrial

from progsearch.config import RunConfig, parse
from progsearch.driver.confirm_view import ConfirmView
from progsearch.errors import Interrupted, NothingUsable, StudyError
from progsearch.report.data import study_report
from progsearch.strategy.confirm_searcher import ConfirmSearcher
from progsearch.strategy.confirmation import JobQueue, job_of, missing, new_seeds, to_confirm
from progsearch.study.confirmed_runs import (
    DEFAULT_MARGIN,
    ConfirmedRuns,
    read_confirmed,
    write_confirmed,
)
from progsearch.study.folder import StudyFolder, open_study
from progsearch.workers.cluster import machines
from progsearch.workers.halt import Halt
from progsearch.workers.inspection import examination
from progsearch.workers.logs import study_log
from progsearch.workers.tuning import run_trials
from progsearch.workers.worker import worker_settings


def confirm(
    study: str | Path,
    seeds: int,
    *,
    picks: Sequence[str],
    margin: float,
    parallel: int | None,
    studies_dir: str | Path,
    view: ConfirmView | None,
) -> StudyFolder:
    """Confirm a study; see `progsearch.api.confirm`."""
    view = view or ConfirmView()
    folder = open_study(study, studies_dir)
    if parallel is not None:
        folder.recipe = folder.recipe.model_copy(update={"parallel": parallel})
    with folder.locked(), study_log() as log:
        log.write_to(folder.log)
        report = study_report(folder.study)
        trials = to_confirm(report, picks)
        if not trials:
            raise StudyError(
                f"no trial of study {folder.name} has a result, so there is nothing to confirm; "
                f"search on with `{folder.resume_line}`"
            )
        wanted = new_seeds(folder.recipe, seeds)
        kept = read_confirmed(folder.path) or ConfirmedRuns(margin=margin)
        kept = kept.model_copy(update={"margin": margin})
        write_confirmed(folder.path, kept)
        left = missing(trials, wanted, kept)
        view.started(report, wanted, len(trials), len(left))
        interrupted = False
        again = Interrupted(
            "interrupted; what is done is saved, go on with "
            f"`{_command(folder, seeds, picks, margin)}`"
        )
        if left:
            try:
                interrupted, kept = _train(folder, left, kept, view)
            except KeyboardInterrupt:
                raise again from None
        view.finished(interrupted)
        if interrupted:
            raise again
    return _checked(folder, kept)


def _train(
    folder: StudyFolder,
    left: list[tuple[FrozenTrial, int]],
    kept: ConfirmedRuns,
    view: ConfirmView,
) -> tuple[bool, ConfirmedRuns]:
    """Train what is left; says whether it was stopped, and all results."""
    # The limits of a search are not those of its confirmation.
    recipe = folder.recipe.model_copy(update={"max_gpu_hours": None})
    halt = Halt(None)
    runs = (parse(RunConfig, t.user_attrs["run"], f"trial {t.number}") for t, _ in left)
    methods = list(dict.fromkeys(run.method for run in runs))
    view.preparing("starting Ray")
    with examination(recipe, methods, ()) as answer, machines(recipe) as fit:
        view.preparing(f"loading {recipe.task.name} and {recipe.model}")
        subject = answer(fit)
        if subject.fingerprint != folder.study.user_attrs["fingerprint"]:
            raise StudyError(
                f"the model or the data of study {folder.name} changed since it was searched, so "
                "its trials cannot be confirmed; bring them back or begin a new study"
            )
        jobs = [job_of(trial, seed, recipe, subject) for trial, seed in left]
        searcher = ConfirmSearcher(
            JobQueue(jobs, recipe),
            worker_settings(folder, test=True),
            folder.path,
            kept,
            parallel=fit.parallel,
            halt=halt,
            view=view,
        )
        session = 1 + len(list(folder.ray.glob("confirm-*")))
        run_trials(searcher, f"confirm-{session}", folder, fit, halt, searcher.worker_died)
    return halt.ending is not None, searcher.kept


def _checked(folder: StudyFolder, kept: ConfirmedRuns) -> StudyFolder:
    """The study, if any run has a result."""
    if any(run.reason is None for run in kept.runs):
        return folder
    raise NothingUsable(
        f"no run of study {folder.name} on a new seed has a result; the first ended with: "
        f"{kept.runs[0].reason}; {folder.log} may say more"
    )


def _command(folder: StudyFolder, seeds: int, picks: Sequence[str], margin: float) -> str:
    """What goes on with a confirmation."""
    words = ["progsearch", "confirm", folder.name, "--seeds", str(seeds)]
    for how in picks:
        words += ["--pick", how]
    if margin != DEFAULT_MARGIN:
        words += ["--margin", f"{margin:g}"]
    if folder.path.parent != Path("studies").absolute():
        words += ["--studies-dir", str(folder.path.parent)]
    return shlex.join(words)
