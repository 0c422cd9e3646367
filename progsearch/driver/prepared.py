"""A search that was checked: all that follows from its recipe without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from progsearch.config import Recipe
from progsearch.models.checkpoint import check_tokenizer
from progsearch.models.references import model_path
from progsearch.space.space import Space
from progsearch.strategy.warm_start import Earlier


@dataclass(frozen=True)
class Prepared:
    """A recipe after all checks that need neither torch nor Ray; made once, by `progsearch.api`.

    Attributes:
        recipe: The recipe; its study has a name, which is free unless it is for a dry run.
        space: Its search space.
        earlier: The earlier study that it starts from, if it names one.
        studies_dir: The folder in which the study's folder will be made.
        exists_already: Whether there is a study of that name, which only a dry run allows.
    """

    recipe: Recipe
    space: Space
    earlier: Earlier | None
    studies_dir: Path
    exists_already: bool = False


def check_inputs(recipe: Recipe) -> None:
    """Check the files of the model and of the task, and the loggers, before Ray starts.

    Raises:
        ModelError: There is no such model, or its files cannot be used.
        TaskError: There is no such task, or its files cannot be used.
        ConfigError: Runs cannot be logged where the recipe asks for.
    """
    from progsearch.workers.log_targets import check_log_targets

    check_log_targets(recipe.log_to or ())
    # It imports torch.
    from progsearch.tasks import check_task

    check_tokenizer(model_path(recipe.model))
    check_task(recipe.task)
