"""Data sets of the hub, or of a local folder that `datasets` can load."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from progsearch.errors import TaskError
from progsearch.models.hub import offline
from progsearch.paths import is_folder
from progsearch.tasks.sources.tables import Table


def load_from_hub(name: str, subset: str | None, instead: str) -> dict[str, Table]:
    """Load every split of a data set; class indices become class names.

    Args:
        name: ``owner/name`` on the hub, or a local folder.
        subset: Which configuration of the data set.
        instead: What the user can do where it cannot be loaded, for the error message.

    Raises:
        TaskError: The hub is out of reach and the data set is not cached, or it cannot be loaded.
    """
    without_hub = not is_folder(name) and offline()
    import datasets

    try:
        with quiet_datasets():
            splits = datasets.load_dataset(name, subset)
    # The library raises many kinds, and its scripts for a data set any other.
    except Exception as error:
        if without_hub:
            raise TaskError(
                f"the data set {name} is not cached here and the hub cannot be reached: {instead}"
            ) from None
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise TaskError(f"the data set {name} cannot be loaded ({reason}): {instead}") from None
    return {str(split): _table(f"{name}, split {split}", rows) for split, rows in splits.items()}


def _table(source: str, rows: Any) -> Table:
    columns = {name: list(rows[name]) for name in rows.column_names}
    declared = {name: getattr(feature, "names", None) for name, feature in rows.features.items()}
    classes = {name: tuple(names) for name, names in declared.items() if names}
    for column, names in classes.items():
        # -1 is how data sets of the hub mark a row without a label.
        columns[column] = [
            names[index] if index is not None and index >= 0 else None for index in columns[column]
        ]
    return Table(source, columns, classes)


@contextmanager
def quiet_datasets() -> Iterator[None]:
    """Without the progress bars of `datasets`, which would tear the command's own display."""
    import datasets

    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()
