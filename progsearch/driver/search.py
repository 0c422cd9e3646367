"""Runs a search from its recipe to its last trial."""

from __future__ import annotations

from pathlib import Path

from progsearch.config import Recipe, Resources, parse, plain
from progsearch.driver.possible import check_found, check_machine
from progsearch.driver.prepared import Prepared, check_inputs
from progsearch.driver.work import Ready, interruptible, ready, run_to_end
from progsearch.errors import ConfigError, NothingUsable, StudyError
from progsearch.numerals import counted, learning_rates
from progsearch.space.space import Space, SpaceConfig
from progsearch.strategy.problem import Problem
from progsearch.strategy.references import References, make_references
from progsearch.strategy.samplers import Draws
from progsearch.strategy.study_source import StudySource
from progsearch.strategy.warm_start import Earlier
from progsearch.study.cleaning import clean
from progsearch.study.dominance import directions
from progsearch.study.folder import StudyFolder, create_study, open_study
from progsearch.study.front import references_of, usable
from progsearch.study.info import ModelSize, StudyInfo
from progsearch.study.progress import interrupt_running, left
from progsearch.study.storage import reminder
from progsearch.study.view import SearchGoal, View
from progsearch.version import __version__
from progsearch.workers.halt import GpuClock, Halt
from progsearch.workers.logs import study_log
from progsearch.workers.places import option_of_ranks


def search(prepared: Prepared, view: View) -> StudyFolder:
    """Search for schedules; see `progsearch.api.search`."""
    recipe, space = prepared.recipe, prepared.space
    halt = Halt(recipe.time_limit)
    with (
        study_log() as log,
        interruptible("interrupted before the first trial; nothing was saved") as end,
        ready(recipe, space.methods(), space.metrics(), view) as found,
    ):
        given = "learning_rate" in recipe.training.model_fields_set
        recipe = with_learning_rate(recipe, found.problem.learning_rate)
        space = space.at(recipe.training.learning_rate, given=given)
        recipe = recipe.model_copy(update={"understood": found.problem.understood})
        references = make_references(space, recipe, found.problem)
        per_trial = found.machines.gpus_per_trial
        check_found(recipe, found.problem, references, gpus_per_trial=per_trial)
        info = _info(space, prepared.earlier, found.problem, references)
        folder = create_study(recipe, prepared.studies_dir, info)
        end.message, end.study = _resume_message(folder), folder.path
        log.write_to(folder.log)
        view.note(_plan(recipe, space, found.problem, references))
        if sentence := reminder(recipe.storage):
            view.note(sentence)
        with folder.locked():
            _run(folder, space, references, prepared.earlier, found, halt, view)
    return _checked(folder)


def resume(
    study: str | Path,
    *,
    studies_dir: str | Path,
    budget: int | None,
    resources: Resources,
    view: View,
) -> StudyFolder:
    """Continue a search; see `progsearch.api.resume`."""
    folder = open_study(study, studies_dir)
    with_resources(folder.recipe, resources)
    halt = Halt(folder.recipe.time_limit)
    with folder.locked(), study_log() as log:
        clean(folder)
        log.write_to(folder.log)
        interrupt_running(folder)
        if budget is not None:
            folder.set_budget(budget)
        # Not before, since they are not kept.
        folder.recipe = resources.of(folder.recipe)
        if left(folder).is_nothing:
            view.finished("budget")
            return _checked(folder)
        _continue(folder, halt, view)
    return _checked(folder)


def with_resources(recipe: Recipe, resources: Resources) -> Recipe:
    """The recipe of a study whose trials get other resources.

    Raises:
        ConfigError: They are impossible, or trials that had them could not be compared.
    """
    found = resources.of(recipe)
    if found == recipe:
        return recipe
    check_machine(found)
    ranks = recipe.ranks_per_trial
    if ranks != found.ranks_per_trial and "peak_memory" in recipe.objectives:
        reason = (
            "the peak memory of the study's trials is an objective and was predicted for another "
            f"number of processes per trial; keep {ranks}"
        )
        raise ConfigError(option_of_ranks(found), [("", reason)])
    return found


def train_lost_references(folder: StudyFolder, view: View) -> None:
    """Train the references that have no result because a search lost their workers.

    Args:
        folder: The study, which this process has locked.
        view: Told what happens.
    """
    trials = folder.trials()
    lost = {trial.name for trial in trials if trial.is_baseline and trial.is_lost}
    if lost - set(references_of(usable(trials))):
        _continue(folder, Halt(None), view, only_references=True)


def _continue(
    folder: StudyFolder, halt: Halt, view: View, *, only_references: bool = False
) -> None:
    """Prepare an existing study as it was when it began, and run what is left."""
    recipe, info, source = folder.recipe, folder.info, f"study {folder.name}"
    check_inputs(recipe)
    # The study's copy, even if the original file was changed.
    space = Space(parse(SpaceConfig, info.space, source))
    earlier = None if info.earlier is None else parse(Earlier, info.earlier, source)
    with (
        interruptible(_resume_message(folder), folder.path),
        ready(recipe, space.methods(), space.metrics(), view) as found,
    ):
        if found.problem.fingerprint != info.fingerprint:
            raise StudyError(
                f"the model or the data of study {folder.name} changed since it began, so "
                "its trials could not be compared; bring them back or begin a new study"
            )
        if "peak_memory" in recipe.objectives:
            check_memory(folder)
        references = make_references(space, recipe, found.problem)
        _run(folder, space, references, earlier, found, halt, view, only_references)


def check_memory(folder: StudyFolder) -> None:
    """Refuse a study whose memory was measured: that of new trials is predicted.

    Raises:
        StudyError: It is such a study.
    """
    if any(trial.is_complete and trial.costs.peak_memory is None for trial in folder.trials()):
        raise StudyError(
            f"the peak memory of the trials of study {folder.name} was measured by an earlier "
            "version, and that of new ones is predicted, so they could not be compared; begin a "
            "new study"
        )


def with_learning_rate(recipe: Recipe, learning_rate: float) -> Recipe:
    """The recipe with a learning rate for its references, if it names none."""
    if "learning_rate" in recipe.training.model_fields_set:
        return recipe
    training = recipe.training.model_copy(update={"learning_rate": learning_rate})
    return recipe.model_copy(update={"training": training})


def _plan(recipe: Recipe, space: Space, problem: Problem, references: References) -> str:
    """The model, the space and the learning rates of the references, in a line."""
    rates = sorted({rate for tried in references.rates.values() for rate in tried})
    return (
        f"{problem.n_blocks} blocks, {problem.parameters:,} parameters; space {recipe.space} with "
        f"{counted(len(space.config.dimensions), 'dimension')}; references at "
        + learning_rates(rates)
    )


def _info(
    space: Space, earlier: Earlier | None, problem: Problem, references: References
) -> StudyInfo:
    return StudyInfo(
        space=plain(space.config),
        earlier=None if earlier is None else plain(earlier),
        baselines=tuple(references.rates),
        reference_rates=references.rates,
        contributions=problem.contributions,
        model=ModelSize(n_blocks=problem.n_blocks, parameters=problem.parameters),
        metric=problem.metric,
        majority=problem.majority,
        fingerprint=problem.fingerprint,
        progsearch_version=__version__,
    )


def _run(
    folder: StudyFolder,
    space: Space,
    references: References,
    earlier: Earlier | None,
    found: Ready,
    halt: Halt,
    view: View,
    only_references: bool = False,
) -> None:
    """Run trials until the budget, the space, the time or the user's patience is exhausted."""
    recipe = folder.recipe
    if recipe.max_gpu_hours is not None:
        halt.gpus = GpuClock(recipe.max_gpu_hours, found.machines.gpus_per_trial)
    for sentence in references.left_out:
        view.note(sentence)
    seed = recipe.training.seed
    source = StudySource(
        folder,
        found.problem,
        references.all,
        Draws(space, recipe.sampler, seed, directions(len(recipe.objectives))),
        view=view,
        earlier=earlier,
        only_references=only_references,
    )
    run_to_end(
        source,
        SearchGoal(*left(folder)),
        folder,
        found.machines,
        halt=halt,
        saved=_saved(folder),
        view=view,
    )


def _checked(folder: StudyFolder) -> StudyFolder:
    """The study, if it has any result."""
    trials = folder.trials()
    if any(trial.is_complete for trial in trials):
        return folder
    raise NothingUsable(
        f"no trial of study {folder.name} has a result"
        + (f"; the first ended with: {trials[0].reason}" if trials else "")
        + f"; {folder.log} may say more"
    )


def _resume_message(folder: StudyFolder) -> str:
    return f"interrupted; {_saved(folder)}"


def _saved(folder: StudyFolder) -> str:
    return f"everything is saved, continue with `{folder.resume_line}`"
