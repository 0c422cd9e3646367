"""The functions of progsearch: search, resume, confirm, load a study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from progsearch.importing import collector_paused
from progsearch.study.confirmed_runs import DEFAULT_MARGIN
from progsearch.study.view import View

if TYPE_CHECKING:
    from progsearch.config import Recipe
    from progsearch.driver.prepared import Prepared
    from progsearch.study.folder import StudyFolder


def search(
    recipe: Recipe, *, studies_dir: str | Path = "studies", view: View | None = None
) -> StudyFolder:
    """Search for schedules for a model and a task.

    Trains the baselines (full fine-tuning, the paper's schedules, the last quarter of the
    blocks, the head alone) and then schedules sampled from the recipe's space, as many at once as
    there are cores or GPUs, until they amount to ``recipe.budget`` whole trials. Everything is
    kept in a study folder.

    Trials that fail are kept with their reason and do not stop the search. At Ctrl-C and at the
    recipe's time limit the running trials are stopped; `resume` runs them again.

    Args:
        recipe: What to search.
        studies_dir: The folder in which the study's folder is made.
        view: Watches the search.

    Returns:
        The study; ``.study`` is its Optuna study, ``.path`` its folder. It is returned even if
        nothing was learned: ``progsearch.report.data.study_report(folder.study).nothing_learned``
        then says so in a sentence.

    Raises:
        StudyError: The study's name is taken.
        ConfigError: The space has mistakes, or the machine lacks what it asks for.
        ModelError, TaskError, MethodError, MetricError: The model, the task, a method or a
            contribution metric cannot be used.
        NothingUsable: No trial has a result.
        Interrupted: Someone stopped the search; it can be resumed.

    Example:
        >>> from progsearch import search
        >>> from progsearch.config import Recipe, TaskConfig
        >>> recipe = Recipe(task=TaskConfig(name="bbc-headlines"), space="quick", budget=8)
        >>> folder = search(recipe)  # doctest: +SKIP
        >>> [trial.values for trial in folder.study.best_trials]  # doctest: +SKIP
        [[0.91, 1.0], [0.89, 0.31]]
    """
    prepared = prepare(recipe, studies_dir)
    with collector_paused():
        from progsearch.driver import search as driver

    return driver.search(prepared, view or View())


def prepare(recipe: Recipe, studies_dir: str | Path = "studies") -> Prepared:
    """Check a recipe, without torch and Ray, and name its study.

    Args:
        recipe: What to search.
        studies_dir: The folder in which the study's folder will be made.

    Raises:
        StudyError: The study's name is taken, or there is no earlier study of that name.
        ConfigError: The space does not exist, is invalid or cannot be sampled by this sampler,
            the study's folder cannot be written, or a setting is impossible here.
        ModelError: There is no such model, or its files cannot be used.
        TaskError: There is no such task, or its files cannot be used.
    """
    from progsearch.cache import cache_dir
    from progsearch.driver.possible import check_machine, check_task_settings
    from progsearch.driver.prepared import Prepared, check_inputs
    from progsearch.paths import check_writable_folder
    from progsearch.space.space import Space
    from progsearch.strategy.samplers.base import sampler_of
    from progsearch.strategy.warm_start import read_earlier
    from progsearch.study.folder import check_name_is_free, default_name
    from progsearch.study.storage import check_storage_is_free

    name = recipe.study or default_name(recipe)
    recipe = recipe.model_copy(update={"study": name})
    check_name_is_free(recipe, studies_dir)
    check_writable_folder(studies_dir, "--studies-dir")
    check_writable_folder(Path(studies_dir) / name, "--study")
    space = Space.load(recipe.space, recipe.methods)
    # Which learning rates the model asks for is not known yet; any list will do here.
    sampler_of(recipe.sampler).check(space.at(recipe.training.learning_rate))
    earlier = None if recipe.warm_start is None else read_earlier(recipe.warm_start, studies_dir)
    check_machine(recipe)
    # Workers write into it later.
    cache_dir("reuse")
    if recipe.storage is not None:
        check_storage_is_free(recipe.storage, name)
    check_inputs(recipe)
    check_task_settings(recipe)
    return Prepared(recipe, space, earlier, Path(studies_dir))


def load_study(name: str | Path, studies_dir: str | Path = "studies") -> StudyFolder:
    """A study to read: its recipe, its trials, its folder. It may be running.

    Args:
        name: A study's name, or its folder.
        studies_dir: The folder that holds the studies.

    Raises:
        StudyError: There is no such study, or it is damaged.

    Example:
        >>> from progsearch import load_study
        >>> folder = load_study("bbc-headlines-minilm-l6")  # doctest: +SKIP
        >>> [trial.number for trial in folder.trials() if trial.is_complete]  # doctest: +SKIP
        [0, 1, 2]
    """
    from progsearch.study.folder import open_study

    return open_study(name, studies_dir, read_only=True)


def resume(
    study: str | Path,
    *,
    studies_dir: str | Path = "studies",
    budget: int | None = None,
    view: View | None = None,
) -> StudyFolder:
    """Continue a study that was interrupted, killed or finished.

    Trials that were running when it stopped are run again. The recipe's time limit counts anew.

    Args:
        study: A study's name, or its folder.
        studies_dir: The folder that holds the studies.
        budget: Whole trials that the search may cost in total; by default as before.
        view: Watches the search.

    Returns:
        The study.

    Raises:
        StudyError: There is no such study, it is damaged, another process searches in it, or
            its model or data changed.
        ProgsearchError: As `search` raises.
    """
    with collector_paused():
        from progsearch.driver import search as driver

    return driver.resume(study, studies_dir=studies_dir, budget=budget, view=view or View())


def confirm(
    study: str | Path,
    seeds: int,
    *,
    picks: Sequence[str] = (),
    margin: float = DEFAULT_MARGIN,
    parallel: int | None = None,
    studies_dir: str | Path = "studies",
    view: View | None = None,
) -> StudyFolder:
    """Train a study's front and baselines again on new seeds.

    Finished runs are kept and not trained again. More seeds are added to the existing ones, and
    a stopped call resumes. Failed runs are tried again.
    The results are in the study's folder; `progsearch.report` reads them.

    Args:
        study: A study's name, or its folder.
        seeds: Number of seeds; the first is the one after those of the study's own trials.
        picks: Rules, trial numbers and names of baselines, as `progsearch export --pick` takes
            them: only what they choose is trained, with full fine-tuning and the paper's
            schedule of 3 stages to compare with.
        margin: How much lower the task's metric may be than with full fine-tuning (0.01: one
            point).
        parallel: Runs at once; by default as many as in the search.
        studies_dir: The folder that holds the studies.
        view: Watches the runs.

    Raises:
        StudyError: There is no such study, it is damaged or in use, no trial has a result,
            something of ``picks`` chooses no trial, or its model or data changed.
        NothingUsable: Every run failed.
        Interrupted: Someone stopped it; what was finished is kept.
        ProgsearchError: As `progsearch.api.search` raises.
    """
    from progsearch.driver import confirm as driver

    return driver.confirm(
        study,
        seeds,
        picks=picks,
        margin=margin,
        parallel=parallel,
        studies_dir=studies_dir,
        view=view or View(),
    )
