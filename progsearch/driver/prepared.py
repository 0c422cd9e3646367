"""A search that was checked: all that follows from its recipe without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from progsearch.config import Recipe
from progsearch.space.space import Space
from progsearch.strategy.warm_start import Earlier


@dataclass(frozen=True)
class Prepared:
    """A recipe after all checks that need neither torch nor Ray; made once, by `progsearch.api`.

    Attributes:
        recipe: The recipe; its study has a name that is free.
        space: Its search space.
        earlier: The earlier study that it starts from, if it names one.
        studies_dir: The folder in which the study's folder will be made.
    """

    recipe: Recipe
    space: Space
    earlier: Earlier | None
    studies_dir: Path
