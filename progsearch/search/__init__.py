"""The search: draws schedules, trains them in parallel, keeps what they cost and reach."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from progsearch.importing import collector_paused

if TYPE_CHECKING:
    from progsearch.config import Recipe
    from progsearch.search.study import StudyFolder
    from progsearch.search.view import View

__all__ = ["resume", "search"]


def search(
    recipe: Recipe, *, studies_dir: str | Path = "studies", view: View | None = None
) -> StudyFolder:
    """Search schedules for a model and a task.

    Trains the baselines (full fine-tuning, the paper's schedules, the last quarter of the
    blocks, the head alone) and then schedules drawn from the recipe's space, as many at once as
    there are cores or GPUs, until they come to ``recipe.budget`` whole trials. Everything is
    kept in a study folder.

    Trials that fail are kept with their reason and do not stop the search. At Ctrl-C and at the
    recipe's time limit the running trials are stopped; `resume` runs them again.

    Args:
        recipe: What to search.
        studies_dir: Where the study folder is made.
        view: Watches the search.

    Returns:
        The study; ``.study`` is its Optuna study, ``.path`` its folder.

    Raises:
        StudyError: The study's name is taken.
        ConfigError: The space has mistakes, or what it asks of the machine is not there.
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
    with collector_paused():
        from progsearch.search import driver

    return driver.search(recipe, studies_dir=studies_dir, view=view)


def resume(
    study: str | Path,
    *,
    studies_dir: str | Path = "studies",
    budget: int | None = None,
    view: View | None = None,
) -> StudyFolder:
    """Go on with a study that was interrupted, killed or finished.

    Trials that were running when it stopped are run again. The recipe's time limit counts anew.

    Args:
        study: A study's name, or its folder.
        studies_dir: Where study folders lie.
        budget: How many whole trials the search may cost in all; by default as before.
        view: Watches the search.

    Returns:
        The study.

    Raises:
        StudyError: There is no such study, it is damaged, another process searches in it, or
            its model or data changed.
        ProgsearchError: As `search` raises.
    """
    with collector_paused():
        from progsearch.search import driver

    return driver.resume(study, studies_dir=studies_dir, budget=budget, view=view)
