"""Loads data sets from the hub, or from a local folder that `datasets` can read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os.path import isdir
from typing import Any

from progsearch.errors import TaskError
from progsearch.models.hub import offline
from progsearch.tasks.sources.cells import decoded
from progsearch.tasks.sources.tables import Table


def load_from_hub(
    name: str, subset: str | None, instead: str, *, revision: str | None = None
) -> dict[str, Table]:
    """Load every split of a data set; class indices become class names.

    Args:
        name: ``owner/name`` on the hub, or a local folder.
        subset: The configuration of the data set.
        instead: What the user can do if it cannot be loaded, for the error message.
        revision: The branch of the data set, if it is not the main one.

    Raises:
        TaskError: The data set cannot be loaded, or the hub cannot be reached and it is not
            cached.
    """
    without_hub = not isdir(name) and offline()
    import datasets

    try:
        with quiet_datasets():
            branch = {} if revision is None else {"revision": revision}
            splits = datasets.load_dataset(name, subset, **branch)
    # The library raises many kinds of errors, and a data set's own script may raise any.
    except Exception as error:
        if without_hub:
            raise TaskError(
                f"the data set {name} is not cached here and the hub cannot be reached: {instead}"
            ) from None
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise TaskError(f"the data set {name} cannot be loaded ({reason}): {instead}") from None
    return {str(split): _table(f"{name}, split {split}", rows) for split, rows in splits.items()}


def _table(source: str, rows: Any) -> Table:
    if any(isinstance(feature, dict) for feature in rows.features.values()):
        rows = rows.flatten()
    columns = {name: decoded(list(rows[name])) for name in rows.column_names}
    declared = {name: _class_names(feature) for name, feature in rows.features.items()}
    classes = {name: tuple(names) for name, names in declared.items() if names}
    for column, names in classes.items():
        columns[column] = [_named(cell, names) for cell in columns[column]]
    return Table(source, columns, classes)


def _class_names(feature: Any) -> list[str] | None:
    """The names of the classes of a column, or of those in its lists."""
    found: list[str] | None = getattr(getattr(feature, "feature", feature), "names", None)
    return found


def _named(cell: Any, names: Sequence[str]) -> Any:
    """A cell with the names of its classes instead of their indices."""
    if isinstance(cell, list):
        return [_named(index, names) for index in cell]
    # Data sets of the hub mark a row without a label with -1.
    return names[cell] if cell is not None and cell >= 0 else None


@contextmanager
def quiet_datasets() -> Iterator[None]:
    """Hide the progress bars of `datasets`, which would disturb the command's own display."""
    import datasets

    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()
