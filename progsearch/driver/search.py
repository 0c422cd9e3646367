"""Runs a search from its recipe to its last trial."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from optuna.trial import TrialState

from progsearch.config import Recipe, parse, plain
from progsearch.driver.prepared import Prepared
from progsearch.errors import Interrupted, NothingUsable, StudyError
from progsearch.space.space import Space, SpaceConfig
from progsearch.strategy.candidates import baselines
from progsearch.strategy.problem import Subject
from progsearch.strategy.samplers import Draws
from progsearch.strategy.searcher import StudySearcher
from progsearch.strategy.warm_start import Earlier
from progsearch.study.folder import (
    StudyFolder,
    create_study,
    directions,
    open_study,
)
from progsearch.study.progress import Session, interrupt_running, left
from progsearch.study.view import View
from progsearch.version import __version__
from progsearch.workers.cluster import Machines, machines
from progsearch.workers.halt import GpuClock, Halt
from progsearch.workers.inspection import examination
from progsearch.workers.logs import study_log
from progsearch.workers.scheduler import JudgeScheduler
from progsearch.workers.tuning import run_trials


def search(prepared: Prepared, view: View) -> StudyFolder:
    """Search schedules; see `progsearch.api.search`."""
    recipe, space, earlier = prepared.recipe, prepared.space, prepared.earlier
    halt = Halt(recipe.time_limit)
    with study_log() as log, _nothing_to_save():
        with _prepared(recipe, space, view) as (subject, fit):
            recipe = _with_learning_rate(recipe, subject.learning_rate)
            folder = create_study(
                recipe,
                prepared.studies_dir,
                metric=subject.metric,
                attributes=_attributes(recipe, space, subject, earlier),
            )
            log.write_to(folder.log)
            with folder.locked():
                _run(folder, space, subject, fit, halt, view)
    return _checked(folder)


def resume(
    study: str | Path,
    *,
    studies_dir: str | Path = "studies",
    budget: int | None = None,
    view: View | None = None,
) -> StudyFolder:
    """Go on with a search; see `progsearch.api.resume`."""
    view = view or View()
    folder = open_study(study, studies_dir)
    halt = Halt(folder.recipe.time_limit)
    with folder.locked(), study_log() as log:
        log.write_to(folder.log)
        interrupt_running(folder)
        if budget is not None:
            folder.set_budget(budget)
        if not any(left(folder)):
            view.finished("budget")
            return _checked(folder)
        attributes = folder.study.user_attrs
        # As it was searched so far, whatever became of the file it came from.
        space = Space(parse(SpaceConfig, attributes["space"], f"study {folder.name}"))
        with (
            _interruptible(folder),
            _prepared(folder.recipe, space, view) as (subject, fit),
        ):
            if subject.fingerprint != attributes["fingerprint"]:
                raise StudyError(
                    f"the model or the data of study {folder.name} changed since it was begun, so "
                    "its trials could not be compared; bring them back or begin a new study"
                )
            _run(folder, space, subject, fit, halt, view)
    return _checked(folder)


@contextmanager
def _prepared(recipe: Recipe, space: Space, view: View) -> Iterator[tuple[Subject, Machines]]:
    """Within it Ray is there; with what must be known before the first trial."""
    view.preparing("starting Ray")
    with (
        examination(recipe, space.methods(), space.metrics()) as answer,
        machines(recipe) as fit,
    ):
        work = f"loading {recipe.task.name} and {recipe.model}"
        if metrics := space.metrics():
            work += f", scoring blocks by {', '.join(metrics)}"
        view.preparing(work)
        subject = answer(fit)
        for remark in subject.remarks:
            view.note(remark)
        yield subject, fit


def _with_learning_rate(recipe: Recipe, learning_rate: float) -> Recipe:
    """The recipe with a learning rate for its baselines, where it names none."""
    if "learning_rate" in recipe.training.model_fields_set:
        return recipe
    training = recipe.training.model_copy(update={"learning_rate": learning_rate})
    return recipe.model_copy(update={"training": training})


def _attributes(
    recipe: Recipe, space: Space, subject: Subject, earlier: Earlier | None
) -> dict[str, object]:
    """What the study keeps about itself, beside its recipe."""
    names, _ = baselines(space.default(recipe.training), recipe, subject)
    return {
        "space": plain(space.config),
        "earlier": None if earlier is None else plain(earlier),
        "baselines": list(names),
        "contributions": {name: list(scores) for name, scores in subject.contributions.items()},
        "model": {"n_blocks": subject.n_blocks, "parameters": subject.parameters},
        "metric": subject.metric,
        "split": "validation",
        "majority": subject.majority,
        "fingerprint": subject.fingerprint,
        "progsearch_version": __version__,
    }


def _run(
    folder: StudyFolder, space: Space, subject: Subject, fit: Machines, halt: Halt, view: View
) -> None:
    """Run trials until the budget, the space, the time or the user's patience is exhausted."""
    recipe = folder.recipe
    if recipe.max_gpu_hours is not None:
        halt.gpus = GpuClock(recipe.max_gpu_hours, fit.gpus_per_trial)
    first, left_out = baselines(space.default(recipe.training), recipe, subject)
    for sentence in left_out:
        view.note(sentence)
    view.started(folder, *left(folder))
    session = Session(folder)
    earlier = folder.study.user_attrs.get("earlier")
    searcher = StudySearcher(
        folder,
        subject,
        first,
        Draws(
            space,
            recipe.sampler,
            recipe.training.seed,
            directions(recipe),
            folder.study.get_trials(deepcopy=False),
        ),
        parallel=fit.parallel,
        halt=halt,
        session=session,
        view=view,
        earlier=earlier and parse(Earlier, earlier, f"study {folder.name}"),
    )
    try:
        run_trials(
            searcher,
            f"session-{session.number}",
            folder,
            fit,
            halt,
            searcher.worker_died,
            JudgeScheduler(searcher.stops),
        )
    except KeyboardInterrupt:
        raise _interrupted(folder) from None
    finally:
        interrupt_running(folder)
        session.save()
    ending = halt.ending or searcher.ending
    assert ending is not None, "Tune ends when the searcher has no more trials or at a halt"
    view.finished(ending)
    if ending == "interrupted":
        raise _interrupted(folder)


def _checked(folder: StudyFolder) -> StudyFolder:
    """The study, if it has any result."""
    trials = folder.study.get_trials(deepcopy=False)
    if any(trial.state == TrialState.COMPLETE for trial in trials):
        return folder
    reasons = [trial.user_attrs.get("reason") for trial in trials]
    raise NothingUsable(
        f"no trial of study {folder.name} has a result"
        + (f"; the first ended with: {reasons[0]}" if reasons else "")
        + f"; {folder.log} may say more"
    )


@contextmanager
def _nothing_to_save() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted("interrupted before the first trial; nothing was saved") from None


@contextmanager
def _interruptible(folder: StudyFolder) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise _interrupted(folder) from None


def _interrupted(folder: StudyFolder) -> Interrupted:
    return Interrupted(f"interrupted; everything is saved, go on with `{folder.resume_line}`")
