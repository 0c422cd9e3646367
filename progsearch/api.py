"""The functions of progsearch: search, resume, confirm, load a study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from os.path import exists
from pathlib import Path
from typing import TYPE_CHECKING, Any

from progsearch.config import Recipe, Resources, read_yaml
from progsearch.errors import ConfigError
from progsearch.importing import collector_paused, without_widget_advice
from progsearch.study.confirmed_runs import DEFAULT_MARGIN
from progsearch.study.view import View
from progsearch.words import check_count, checked_resources, margin_of, recipe_with, search_words
from progsearch.words_help import help_with_words, signature_with_words
from progsearch.words_python import naming_arguments

if TYPE_CHECKING:
    from progsearch.driver.prepared import Prepared
    from progsearch.results import Study


@naming_arguments()
@without_widget_advice()
def search(
    recipe: Recipe | str | Path | None = None,
    *,
    studies_dir: str | Path = "studies",
    progress: bool = True,
    view: View | None = None,
    **words: Any,
) -> Study:
    """Search for schedules for a model and a task.

    Trains the references (full fine-tuning, the paper's schedules, the last quarter of the
    blocks, the head alone) and then schedules sampled from the search space, as many at once as
    there are cores or GPUs, until they amount to ``budget`` whole trials. Everything is kept in a
    study folder.

    Trials that fail are kept with their reason and do not stop the search. At Ctrl-C (in a
    notebook: when the kernel is interrupted) and at the time limit the running trials are
    stopped; `resume` runs them again.

    Args:
        recipe: What to search, or a file that holds it. Without it the words say all.
        studies_dir: The folder in which the study's folder is made, or its URL if the trials are
            in a database, such as ``s3://bucket/studies``.
        progress: Show the progress: in a notebook's output, in a terminal, else line by line.
        view: Watches the search instead.
        **words: The options of `progsearch run`, with underscores: ``task``, ``train_file``,
            ``model``, ``budget``, ``epochs``, ... They override the recipe. Lists may be lists,
            and a duration may be a number of seconds.

    Returns:
        The study. It is returned even if nothing was learned; ``nothing_learned`` then says so in
        a sentence.

    Raises:
        ConfigError: A word is unknown or its value is not possible, the space has mistakes, or
            the machine lacks what it asks for.
        StudyError: The study's name is taken.
        ModelError, TaskError, MethodError, MetricError: The model, the task, a method or a
            contribution metric cannot be used.
        NothingUsable: No trial has a result.
        Interrupted: Someone stopped the search; it can be resumed.

    Example:
        >>> from progsearch import search
        >>> study = search(task="bbc-headlines", space="quick", budget=8)  # doctest: +SKIP
        >>> study.front[["metric", "updated_parameters"]]  # doctest: +SKIP
        >>> study.pick("knee").export("best.yaml")  # doctest: +SKIP
    """
    prepared = prepare(_recipe_of(recipe, words), _studies(studies_dir))
    from progsearch.results import Study

    with _watching(progress, view) as watched:
        with collector_paused():
            from progsearch.driver import search as driver

        return Study(driver.search(prepared, watched))


def prepare(
    recipe: Recipe, studies_dir: str | Path = "studies", *, dry_run: bool = False
) -> Prepared:
    """Check a recipe, without Ray, and name its study.

    Args:
        recipe: What to search.
        studies_dir: The folder in which the study's folder will be made.
        dry_run: Nothing will be searched, so the study may exist.

    Raises:
        StudyError: The study's name is taken, or there is no earlier study of that name.
        ConfigError: The space does not exist, is invalid or cannot be sampled by this sampler,
            the study's folder cannot be written, or a setting is impossible here.
        ModelError: There is no such model, or its files cannot be used.
        TaskError: There is no such task, or its files cannot be used.
    """
    from progsearch.cache import cache_dir
    from progsearch.driver.possible import check_libraries, check_machine, check_task_settings
    from progsearch.driver.prepared import Prepared, check_inputs
    from progsearch.paths import check_writable_folder
    from progsearch.space.space import Space
    from progsearch.strategy.samplers.base import sampler_of
    from progsearch.strategy.warm_start import read_earlier
    from progsearch.study.folder import check_name_is_free, default_name, is_taken
    from progsearch.study.remote import check_usable
    from progsearch.study.secrets import storage_of_environment
    from progsearch.study.storage import has_study, taken_in

    if "storage" not in recipe.model_fields_set:
        recipe = recipe.model_copy(update={"storage": storage_of_environment()})
    name = recipe.study or default_name(recipe)
    recipe = recipe.model_copy(update={"study": name})
    check_writable_folder(studies_dir, "--studies-dir")
    check_usable(studies_dir, recipe.storage)
    check_writable_folder(Path(studies_dir) / name, "--study")
    space = Space.load(recipe.space, recipe.methods)
    # Which learning rates the model asks for is not known yet; any list will do here.
    sampler_of(recipe.sampler).check(space.at(recipe.training.learning_rate))
    earlier = None if recipe.warm_start is None else read_earlier(recipe.warm_start, studies_dir)
    check_machine(recipe)
    check_libraries(recipe, space.methods())
    # Workers write into it later.
    cache_dir("reuse")
    stored = recipe.storage is not None and has_study(recipe.storage, name)
    check_inputs(recipe)
    check_task_settings(recipe)
    # Last, since a second command in a folder usually has another mistake, too.
    if not dry_run:
        check_name_is_free(recipe, studies_dir)
        if stored and recipe.storage is not None:
            raise taken_in(recipe.storage, name)
    exists_already = stored or is_taken(name, studies_dir)
    return Prepared(recipe, space, earlier, Path(studies_dir), exists_already)


@naming_arguments()
@without_widget_advice()
def load_study(name: str | Path, studies_dir: str | Path = "studies") -> Study:
    """A study to read: its tables, figures and schedules. It may be running.

    Args:
        name: A study's name, or its folder.
        studies_dir: The folder that holds the studies.

    Raises:
        StudyError: There is no such study, or it is damaged.

    Example:
        >>> from progsearch import load_study
        >>> study = load_study("bbc-headlines-minilm-l6")  # doctest: +SKIP
        >>> print(study.summary)  # doctest: +SKIP
        >>> study.plot_front().write_html("front.html")  # doctest: +SKIP
    """
    from progsearch.results import Study
    from progsearch.study.folder import open_study

    return Study(open_study(_folder(name, "name"), _studies(studies_dir), read_only=True))


@naming_arguments()
@without_widget_advice()
def resume(
    study: str | Path | Study,
    *,
    studies_dir: str | Path = "studies",
    budget: int | None = None,
    parallel: int | None = None,
    gpus_per_trial: float | None = None,
    processes_per_trial: int | None = None,
    progress: bool = True,
    view: View | None = None,
) -> Study:
    """Continue a study that was interrupted, killed or finished.

    Trials that were running when it stopped are run again. The recipe's time limit counts anew.

    Args:
        study: A study, its name or its folder.
        studies_dir: The folder that holds the studies.
        budget: Whole trials that the search may cost in total; by default as before.
        parallel: Trials at once; as the next two by default as before, and for this call only.
        gpus_per_trial: A share of a GPU, or the GPUs that train each trial together.
        processes_per_trial: Processes that train each trial together, without GPUs.
        progress: Show the progress, as `search` does.
        view: Watches the search instead.

    Returns:
        The study.

    Raises:
        StudyError: There is no such study, it is damaged, another process searches in it, or
            its model or data changed.
        ProgsearchError: As `search` raises.
    """
    if budget is not None:
        check_count(budget, "budget")
    resources = checked_resources(Resources(parallel, gpus_per_trial, processes_per_trial))
    place, studies = _place(study), _studies(studies_dir)
    from progsearch.results import Study

    with _watching(progress, view) as watched:
        with collector_paused():
            from progsearch.driver import search as driver

        return Study(
            driver.resume(
                place, studies_dir=studies, budget=budget, resources=resources, view=watched
            )
        )


@naming_arguments()
@without_widget_advice()
def confirm(
    study: str | Path | Study,
    seeds: int,
    *,
    picks: str | int | Sequence[str | int] = (),
    margin: float | str = DEFAULT_MARGIN,
    parallel: int | None = None,
    gpus_per_trial: float | None = None,
    processes_per_trial: int | None = None,
    studies_dir: str | Path = "studies",
    progress: bool = True,
    view: View | None = None,
) -> Study:
    """Train a study's front and references again on new seeds.

    Finished runs are kept and not trained again. More seeds are added to the existing ones, and
    a stopped call resumes. Failed runs are tried again.
    The results are the study's table `Study.confirmed`.

    Args:
        study: A study, its name or its folder.
        seeds: Number of seeds; the first is the one after those of the study's own trials.
        picks: Rules, trial numbers and names of references, as `Study.pick` takes
            them: only what they choose is trained, with full fine-tuning and the paper's
            schedule of 3 stages to compare with.
        margin: How much lower the task's metric may be than with full fine-tuning (0.01 or
            ``"1pt"``: one point).
        parallel: Runs at once; by default as many as in the search.
        gpus_per_trial: A share of a GPU, or the GPUs that train each run together; by default as
            in the search.
        processes_per_trial: Processes that train each run together, without GPUs; by default as
            in the search.
        studies_dir: The folder that holds the studies.
        progress: Show the progress, as `search` does.
        view: Watches the runs instead.

    Returns:
        The study.

    Raises:
        StudyError: There is no such study, it is damaged or in use, no trial has a result,
            something of ``picks`` chooses no trial, or its model or data changed.
        ConfigError: An argument is not possible.
        NothingUsable: Every run failed.
        Interrupted: Someone stopped it; what was finished is kept.
        ProgsearchError: As `progsearch.api.search` raises.
    """
    check_count(seeds, "seeds")
    resources = checked_resources(Resources(parallel, gpus_per_trial, processes_per_trial))
    drop = margin_of(margin, "margin")
    if not isinstance(picks, str | int | Sequence):
        wanted = "a rule, a trial's number, a reference's name or a list of them"
        raise ConfigError("picks", [("", f"must be {wanted}, got {_shown(picks)}")])
    chosen = [picks] if isinstance(picks, str | int) else picks
    place, studies = _place(study), _studies(studies_dir)
    from progsearch.results import Study

    with _watching(progress, view) as watched:
        from progsearch.driver import confirm as driver

        folder = driver.confirm(
            place,
            seeds,
            picks=[str(pick) for pick in chosen],
            margin=drop,
            resources=resources,
            studies_dir=studies,
            view=watched,
        )
    return Study(folder)


def _recipe_of(recipe: Recipe | str | Path | None, words: Mapping[str, Any]) -> Recipe:
    """The recipe of a call of `search`."""
    search_words(words, "search()")
    source, data = "search()", {}
    match recipe:
        case None:
            pass
        case Recipe():
            # What is not set follows from the model or the space.
            data = recipe.model_dump(mode="json", exclude_unset=True)
            if recipe.storage is not None:
                # Written out, its URL has no secrets.
                data["storage"] = recipe.storage
        case str() | PathLike():
            source = str(recipe)
            if not exists(source):
                reason = "there is no such recipe file; a task is given as task=NAME"
                raise ConfigError(source, [("", reason)])
            data = read_yaml(source)
        case _:
            problem = f"must be a Recipe or the path of a recipe file, got {_shown(recipe)}"
            raise ConfigError("recipe", [("", problem)])
    return recipe_with(data, words, source, lambda option: option.name)


def _folder(given: object, name: str) -> str | Path:
    """A path that was given, if it is one."""
    if isinstance(given, str | Path):
        return given
    raise ConfigError(name, [("", f"must be a text or a path, got {_shown(given)}")])


def _studies(given: object) -> Path:
    """The folder of all studies on this machine; see `studies_folder`."""
    from progsearch.study.remote import studies_folder

    return studies_folder(_folder(given, "studies_dir"))


def _place(study: str | Path | Study) -> str | Path:
    """The name or the folder of a study."""
    from progsearch.results import Study

    return study.path if isinstance(study, Study) else _folder(study, "study")


def _shown(value: object) -> str:
    """A value for a message, or its type if it is long."""
    text = repr(value)
    return text if len(text) <= 60 else type(value).__name__


@contextmanager
def _watching(progress: bool, view: View | None) -> Iterator[View]:
    """Give the view that was given, or the one that fits where Python runs."""
    if view is not None:
        if not isinstance(view, View):
            raise ConfigError("view", [("", f"must be a View, got {_shown(view)}")])
        yield view
        return
    from progsearch.show.notebook import watching_here

    with watching_here(progress) as found:
        yield found


search.__signature__ = signature_with_words(search)  # type: ignore[attr-defined]
search.__doc__ = help_with_words(search)
