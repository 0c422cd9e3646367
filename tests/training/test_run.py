import errno
import gc
import json
import logging
import os
import shutil
import tempfile
import weakref
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from progsearch import Schedule
from progsearch.config import TaskConfig
from progsearch.engine.shortcuts.frozen_prefix import FrozenPrefix
from progsearch.errors import ConfigError, MachineFailed, ModelError, ScheduleError, TrialFailed
from progsearch.schedule import Stage
from progsearch.store import Store
from progsearch.training import TrainingRun
from progsearch.training.save import check_room, load_trained, save_run
from tests.support.runs import (
    VOCABULARY,
    changed,
    config_of,
    finish,
    shortcut,
    three_stages,
    weights,
)
from tests.support.tiny import name_classes, save_tiny


def test_a_run_learns_and_reports_each_epoch(files):
    run = TrainingRun.from_config(config_of(files, Schedule.full(3)))
    records, result = finish(run)
    assert [record.epoch for record in records] == [1, 2, 3]
    assert records[-1].fraction == 1
    assert result.metrics == records[-1].metrics
    assert result.metrics["accuracy"] > 0.9
    assert run.cost.updated_parameters == 1
    assert result.spent.steps_trained == records[-1].step
    assert result.spent.peak_memory > 0


def test_a_stage_that_ends_within_an_epoch_is_reported_there(files, tmp_path):
    stages = (
        Stage(0.0, 0.5, (0, 1, 2), embeddings=True),
        Stage(0.5, 1.0, (2,), embeddings=False),
    )
    config = config_of(files, Schedule(3, stages))
    store = Store(tmp_path, budget=10**9)
    records, _ = finish(TrainingRun.from_config(config, store=store))
    assert [record.epoch for record in records] == [1, 1.5, 2, 3]
    assert [record.step for record in records] == [6, 9, 12, 18]
    assert all(set(record.metrics) == {"accuracy", "f1"} for record in records)
    again, _ = finish(TrainingRun.from_config(config, store=store))
    assert [r.metrics for r in again] == [r.metrics for r in records]


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_a_run_that_ends_early_leaves_a_whole_model(files, steps):
    with TrainingRun.from_config(config_of(files)) as run:
        reduced = len(run.model.get_input_embeddings().weight)
        records = run.records()
        for _ in range(steps):
            next(records)
        assert len(run.model.get_input_embeddings().weight) == reduced
    whole = len(run.model.get_input_embeddings().weight)
    assert whole == VOCABULARY > reduced
    run.finish()
    assert len(run.model.get_input_embeddings().weight) == whole


def test_the_last_record_may_be_made_before_the_run_is_finished_or_after(files):
    """What a model scores does not depend on when it is made whole."""
    run = TrainingRun.from_config(config_of(files))
    *_, last = run.records()
    before = run.evaluate(run.task.validation)
    run.finish()
    assert last.metrics == before == run.evaluate(run.task.validation) == run.result().metrics


def test_a_schedule_for_another_number_of_blocks_is_refused(files):
    with pytest.raises(ScheduleError, match="0..2"):
        TrainingRun.from_config(config_of(files, Schedule.full(4)))


def test_diverged_training_fails_with_its_step(files):
    run = TrainingRun.from_config(config_of(files, Schedule.full(3)))
    with torch.no_grad():
        next(run.model.parameters()).fill_(float("nan"))
    with pytest.raises(TrialFailed, match="not finite at step"):
        finish(run)


@pytest.mark.parametrize("architecture", ["bert", "llama"])
@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("prefix_cache", [True, False])
def test_reuse_changes_no_number(files, tmp_path, architecture, method, prefix_cache):
    """A schedule that leaves another's path half-way, with and without what that one stored."""
    model = save_tiny(tmp_path / "model", architecture=architecture)
    files = str(model), files[1]
    store = Store(tmp_path / "store", budget=10**9)
    stages = three_stages(3).stages
    branch = Schedule(3, (*stages[:2], stages[2].__class__(2 / 3, 1.0, (1, 2), False)))
    first = TrainingRun.from_config(
        config_of(files, method=method), store=store, prefix_cache=prefix_cache
    )
    finish(first)
    alone = TrainingRun.from_config(config_of(files, branch, method), prefix_cache=prefix_cache)
    alone_records, alone_result = finish(alone)
    shared = TrainingRun.from_config(
        config_of(files, branch, method), store=store, prefix_cache=prefix_cache
    )
    records, result = finish(shared)
    assert result.spent.steps_trained == shared.total_steps - round(shared.total_steps * 2 / 3)
    assert alone_result.spent.steps_trained == alone.total_steps
    assert [r.metrics for r in records] == [r.metrics for r in alone_records]
    if prefix_cache:
        # The cache is filled by batches of other widths than in the run that never stopped.
        torch.testing.assert_close(weights(shared.model), weights(alone.model), rtol=0, atol=1e-6)
    else:
        assert not changed(weights(shared.model), weights(alone.model))


def test_a_run_that_is_known_whole_is_not_trained(files, tmp_path):
    store = Store(tmp_path, budget=10**9)
    records, result = finish(TrainingRun.from_config(config_of(files), store=store))
    again, repeated = finish(TrainingRun.from_config(config_of(files), store=store))
    assert repeated.spent.steps_trained == 0
    assert [r.metrics for r in again] == [r.metrics for r in records]
    assert repeated.spent.timings.train == result.spent.timings.train
    assert repeated.spent.timings.saved > 0


def test_segments_of_earlier_versions_are_made_again(files, tmp_path):
    """They do not say whether predictions are constant, which is not read as no."""
    store = Store(tmp_path, budget=10**9)
    records, result = finish(TrainingRun.from_config(config_of(files), store=store))
    for path in tmp_path.glob("*.json"):
        description = store.get(path.stem)
        if "constant" in description:
            del description["constant"]
            store.put(path.stem, description, store.load(path.stem))
    again, repeated = finish(TrainingRun.from_config(config_of(files), store=store))
    assert repeated.spent.steps_trained == result.spent.steps_trained
    assert [(r.metrics, r.constant) for r in again] == [(r.metrics, r.constant) for r in records]
    _, known = finish(TrainingRun.from_config(config_of(files), store=store))
    assert known.spent.steps_trained == 0


def test_a_rate_far_too_high_makes_predictions_constant(files):
    records, _ = finish(TrainingRun.from_config(config_of(files, learning_rate=0.5)))
    assert records[-1].constant
    records, result = finish(TrainingRun.from_config(config_of(files)))
    assert (records[-1].constant, result.metrics["accuracy"]) == (False, 1.0)


def test_test_data_is_scored_where_asked_and_kept_with_the_end_of_the_run(files, tmp_path):
    store = Store(tmp_path, budget=10**9)
    _, unasked = finish(TrainingRun.from_config(config_of(files), store=store))
    assert unasked.test_metrics is None
    # The stored end has no score, so it is trained again, and nothing before it.
    run = TrainingRun.from_config(config_of(files), store=store, test=True)
    _, result = finish(run)
    assert result.spent.steps_trained == run.total_steps // 3
    assert result.metrics == unasked.metrics
    split = run.task.test
    with torch.no_grad():
        logits = run.model.eval()(**split.batch(range(len(split)), run.device)).logits.cpu()
    assert result.test_metrics == run.task.evaluate(logits.numpy(), split)
    # Known whole, so not trained: the score is the stored one, not that of an untrained model.
    _, again = finish(TrainingRun.from_config(config_of(files), store=store, test=True))
    assert (again.spent.steps_trained, again.test_metrics) == (0, result.test_metrics)
    assert finish(TrainingRun.from_config(config_of(files), store=store))[1].test_metrics is None


def test_a_task_without_test_data_has_no_test_score(files):
    model, task = files
    config = config_of((model, task.model_copy(update={"test_file": None})), epochs=1)
    assert finish(TrainingRun.from_config(config, test=True))[1].test_metrics is None


def test_another_learning_rate_shares_nothing(files, tmp_path):
    store = Store(tmp_path, budget=10**9)
    finish(TrainingRun.from_config(config_of(files), store=store))
    _, result = finish(TrainingRun.from_config(config_of(files, learning_rate=5e-3), store=store))
    assert result.spent.timings.saved == 0


def test_a_damaged_segment_is_trained_again(files, tmp_path):
    store = Store(tmp_path, budget=10**9)
    finish(TrainingRun.from_config(config_of(files), store=store))
    stages = three_stages(3).stages
    branch = Schedule(3, (*stages[:2], stages[2].__class__(2 / 3, 1.0, (1, 2), False)))
    for path in tmp_path.glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    _, result = finish(
        TrainingRun.from_config(config_of(files, branch), store=store, prefix_cache=False)
    )
    alone = TrainingRun.from_config(config_of(files, branch), prefix_cache=False)
    _, expected = finish(alone)
    assert result.metrics == expected.metrics
    assert result.spent.steps_trained == alone.total_steps
    assert result.spent.timings.saved <= result.spent.timings.evaluate
    # What was lost is there again.
    other = Schedule(3, (*stages[:2], stages[2].__class__(2 / 3, 1.0, (0, 2), False)))
    run = TrainingRun.from_config(config_of(files, other), store=store, prefix_cache=False)
    _, result = finish(run)
    assert result.spent.steps_trained == run.total_steps - round(run.total_steps * 2 / 3)


def test_only_what_is_damaged_is_trained_again(files, tmp_path):
    store = Store(tmp_path, budget=10**9)
    stages = three_stages(3).stages
    first = TrainingRun.from_config(config_of(files), store=store, prefix_cache=False)
    finish(first)
    middle = (
        tmp_path / f"{first._chain._lineage.key(round(first.total_steps * 2 / 3))}.safetensors"
    )
    middle.write_bytes(middle.read_bytes()[:-1] + b"?")
    branch = Schedule(3, (*stages[:2], stages[2].__class__(2 / 3, 1.0, (1, 2), False)))
    run = TrainingRun.from_config(config_of(files, branch), store=store, prefix_cache=False)
    _, result = finish(run)
    alone = TrainingRun.from_config(config_of(files, branch), prefix_cache=False)
    _, expected = finish(alone)
    assert result.metrics == expected.metrics
    assert not changed(weights(run.model), weights(alone.model))
    assert result.spent.steps_trained == run.total_steps - round(run.total_steps / 3)


@pytest.mark.parametrize("method", ["full", "adapter"])
def test_a_stored_run_gives_its_weights_without_training(files, tmp_path, method):
    store = Store(tmp_path, budget=10**9)
    config = config_of(files, method=method)
    first = TrainingRun.from_config(config, store=store)
    _, expected = finish(first)
    again = TrainingRun.from_config(config, store=store)
    assert again.stored_steps == again.total_steps
    records = list(again.records())
    assert changed(weights(first.model), weights(again.model))
    again.catch_up()
    again.finish()
    assert not changed(weights(first.model), weights(again.model))
    assert again.result().spent.steps_trained == 0
    assert records[-1].metrics == expected.metrics
    split = again.task.validation
    assert again.evaluate(split) == expected.metrics


@pytest.mark.parametrize("lost", ["damaged", "never kept"])
def test_a_stored_run_without_its_last_weights_trains_the_last_segment(
    files, tmp_path, caplog, lost
):
    store = Store(tmp_path, budget=10**9)
    first = TrainingRun.from_config(config_of(files), store=store)
    finish(first)
    key = first._chain.key
    if lost == "damaged":
        file = tmp_path / f"{key}.safetensors"
        file.write_bytes(file.read_bytes()[:-1] + b"?")
    else:
        # As earlier versions left it.
        store.put(key, store.get(key))
    again = TrainingRun.from_config(config_of(files), store=store)
    list(again.records())
    save_run(again, tmp_path / "out")
    assert not changed(weights(first.model), weights(again.model))
    assert again.spent().steps_trained == again.total_steps // 3
    assert ("cannot be used" in caplog.text) == (lost == "damaged")


@pytest.mark.skipif(torch.cuda.is_available(), reason="the threads matter on a CPU")
def test_threads_are_those_with_which_a_run_ends_first(files, tmp_path):
    store = Store(tmp_path, budget=10**9)
    config = config_of(files)

    def threads(schedule=None, **arguments):
        torch.set_num_threads(1)
        TrainingRun.from_config(config_of(files, schedule), **arguments)
        return torch.get_num_threads()

    assert threads(store=store, threads=2) == 2
    assert threads(threads=2) == 2
    assert threads(store=store) == 1
    finish(TrainingRun.from_config(config, store=store))
    assert threads(store=store, threads=2) == 1
    # Two thirds are stored, made with one thread.
    stages = three_stages(3).stages
    branch = Schedule(3, (*stages[:2], stages[2].__class__(2 / 3, 1.0, (1, 2), False)))
    assert threads(branch, store=store, threads=2) == 1
    assert threads(branch, store=store, threads=4) == 4
    torch.set_num_threads(1)


def test_each_step_that_is_trained_is_told(files, tmp_path):
    store = Store(tmp_path, budget=10**9)
    told: list[int] = []
    for _ in range(2):
        run = TrainingRun.from_config(config_of(files), store=store)
        run.watch(told.append)
        finish(run)
    assert told == list(range(1, run.total_steps + 1))


@pytest.mark.parametrize("method", ["full", "lora", "bitfit", "adapter"])
def test_a_saved_model_has_the_metrics_that_were_saved(files, tmp_path, method):
    config = config_of(files, method=method)
    run = TrainingRun.from_config(config)
    finish(run)
    metrics = save_run(run, tmp_path / "out")
    assert set(metrics) == {"accuracy", "f1", "test_accuracy", "test_f1"}
    model = load_trained(tmp_path / "out")
    split = run.task.validation
    with torch.no_grad():
        logits = model(**split.batch(range(len(split)))).logits
    assert run.task.evaluate(logits.numpy(), split) == {
        name: metrics[name] for name in ("accuracy", "f1")
    }
    if method != "adapter":
        plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out").eval()
        with torch.no_grad():
            torch.testing.assert_close(plain(**split.batch(range(24))).logits, logits)


def test_a_saved_model_that_was_damaged(files, tmp_path):
    run = TrainingRun.from_config(config_of(files))
    save_run(run, tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="model.safetensors is empty"):
        load_trained(tmp_path)


def test_weights_that_a_model_lacks_are_said_when_it_is_trained(files, tmp_path, caplog):
    model, task = files
    shutil.copytree(model, tmp_path / "model")
    config = tmp_path / "model" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"num_hidden_layers": 4}))
    with caplog.at_level(logging.WARNING, "progsearch"):
        TrainingRun.from_config(config_of((str(tmp_path / "model"), task), Schedule.full(4)))
    assert "16 of the 69 weights of its body" in caplog.text


@pytest.mark.parametrize("method", ["full", "adapter"])
def test_nothing_is_said_of_a_saved_model(files, tmp_path, caplog, method):
    run = TrainingRun.from_config(config_of(files, method=method))
    save_run(run, tmp_path)
    with caplog.at_level(logging.WARNING):
        load_trained(tmp_path)
    assert caplog.records == []


def written(folder, labels):
    """A task with one word per label."""
    rows = [
        f"{'good' if i % 2 else 'bad'} w{i % len(labels)},{labels[i % len(labels)]}"
        for i in range(4 * len(labels))
    ]
    file = folder / "train.csv"
    file.write_text("\n".join(["text,label", *rows]) + "\n")
    return TaskConfig(name="own", train_file=str(file), validation_file=str(file))


@pytest.mark.parametrize(
    ("labels", "names", "problem"),
    [
        (["no", "yes"], ["no", "yes"], "single_label_classification"),
        # The default names of transformers, which it does not save.
        (["LABEL_0", "LABEL_1"], ["LABEL_0", "LABEL_1"], "single_label_classification"),
        ([f"c{i:02}" for i in range(12)], [f"c{i:02}" for i in range(12)], None),
        ([0.25, 1.5, 3.0], ["LABEL_0"], "regression"),
    ],
)
@pytest.mark.parametrize("method", ["full", "adapter"])
def test_a_loaded_model_says_what_the_saved_one_says(tmp_path, labels, names, problem, method):
    model = save_tiny(tmp_path / "model")
    config = config_of((str(model), written(tmp_path, labels)), method=method, epochs=1)
    with TrainingRun.from_config(config) as run:
        save_run(run, tmp_path / "out")
    loaded = load_trained(tmp_path / "out").config
    assert loaded.id2label == run.model.config.id2label == dict(enumerate(names))
    assert loaded.label2id == {name: index for index, name in enumerate(names)}
    assert loaded.num_labels == len(names)
    assert loaded.problem_type == run.model.config.problem_type
    assert problem in (None, loaded.problem_type)


def test_a_folder_without_a_head_is_not_loaded_as_a_trained_model(files, tmp_path):
    with TrainingRun.from_config(config_of(files, epochs=1)) as run:
        save_run(run, tmp_path / "out")
    run.model.bert.save_pretrained(tmp_path / "out")
    with pytest.raises(ModelError, match="does not name a model with a head"):
        load_trained(tmp_path / "out")


@pytest.mark.parametrize("names", [("pos", "neg"), ("Neg", "POS")])
def test_a_trained_head_scores_untrained_as_in_transformers(tmp_path, names):
    """Its classes keep their own order, whatever the order of the task's classes."""
    task = written(tmp_path, ["neg", "pos"])
    model = save_tiny(tmp_path / "model")
    run = TrainingRun.from_config(config_of((str(model), task), Schedule.full(3), epochs=8))
    finish(run)
    assert run.evaluate(run.task.validation) == {"accuracy": 1.0, "f1": 1.0}
    name_classes(run.model, names, [0, 1] if names[0] == "Neg" else [1, 0])
    run.model.save_pretrained(tmp_path / "trained")
    run.tokenizer.save_pretrained(tmp_path / "trained")
    head_only = Schedule.last_blocks(3, 0)
    config = config_of((str(tmp_path / "trained"), task), head_only, epochs=1, learning_rate=1e-9)
    with TrainingRun.from_config(config) as run:
        assert run.evaluate(run.task.validation) == {"accuracy": 1.0, "f1": 1.0}
        _, result = finish(run)
        assert result.metrics == {"accuracy": 1.0, "f1": 1.0}
        save_run(run, tmp_path / "out")
    saved = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    assert [saved.config.id2label[index].lower() for index in (0, 1)] == [
        name.lower() for name in names
    ]
    table = (tmp_path / "train.csv").read_text().splitlines()[1:]
    texts, labels = zip(*(row.rsplit(",", 1) for row in table), strict=True)
    with torch.no_grad():
        logits = saved(**run.tokenizer(list(texts), padding=True, return_tensors="pt")).logits
    said = [saved.config.id2label[index] for index in logits.argmax(-1).tolist()]
    assert said == list(labels)


def fails_in(monkeypatch, *folders):
    """Makes saving fail in these folders."""
    save = PreTrainedModel.save_pretrained

    def fail(self, folder, *arguments, **settings):
        if any(folder.is_relative_to(other) for other in folders):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
        return save(self, folder, *arguments, **settings)

    monkeypatch.setattr(PreTrainedModel, "save_pretrained", fail)


@pytest.mark.parametrize("where", ["cache", "temporary"])
def test_a_model_whose_folder_fails_is_kept_elsewhere(files, tmp_path, monkeypatch, where):
    monkeypatch.setenv("PROGSEARCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    failing = ["out"] if where == "cache" else ["out", "cache"]
    fails_in(monkeypatch, *(tmp_path / name for name in failing))
    run = TrainingRun.from_config(config_of(files, method="lora"))
    finish(run)
    with pytest.raises(MachineFailed, match="No space left on device.*; it is saved in ") as error:
        save_run(run, tmp_path / "out")
    kept = Path(str(error.value).partition("it is saved in ")[2].partition(",")[0])
    assert kept.is_relative_to(tmp_path / where)
    assert not changed(dict(load_trained(kept).state_dict()), dict(run.model.state_dict()))
    assert error.value.exit_code == 3


def test_a_weights_file_that_a_disk_cuts_off_silently(files, tmp_path, monkeypatch):
    monkeypatch.setenv("PROGSEARCH_CACHE", str(tmp_path / "cache"))
    save = PreTrainedModel.save_pretrained

    def cut(self, folder, *arguments, **settings):
        save(self, folder, *arguments, **settings)
        if folder == tmp_path / "out":
            os.truncate(folder / "model.safetensors", 1000)

    monkeypatch.setattr(PreTrainedModel, "save_pretrained", cut)
    run = TrainingRun.from_config(config_of(files))
    finish(run)
    with pytest.raises(MachineFailed, match=r"/out \(.*\); it is saved in .*/cache/unsaved/out-"):
        save_run(run, tmp_path / "out")
    (kept,) = (tmp_path / "cache" / "unsaved").iterdir()
    assert not changed(dict(load_trained(kept).state_dict()), dict(run.model.state_dict()))
    assert (kept / "metrics.json").is_file()


def test_a_disk_that_is_full_after_the_model_was_written(files, tmp_path, monkeypatch):
    write = Path.write_text

    def fail(self, *arguments, **settings):
        if self.name == "metrics.json":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))
        return write(self, *arguments, **settings)

    monkeypatch.setattr(Path, "write_text", fail)
    run = TrainingRun.from_config(config_of(files))
    finish(run)
    with pytest.raises(MachineFailed, match="/out, but its metrics cannot .*No space left"):
        save_run(run, tmp_path / "out")
    assert not changed(
        dict(load_trained(tmp_path / "out").state_dict()), dict(run.model.state_dict())
    )


def test_a_model_that_no_disk_takes(files, tmp_path, monkeypatch):
    fails_in(monkeypatch, Path("/"))
    run = TrainingRun.from_config(config_of(files))
    finish(run)
    with pytest.raises(MachineFailed, match="or to another disk; make room and train again"):
        save_run(run, tmp_path / "out")


def test_a_disk_without_room_is_refused_before_the_training(files, tmp_path, monkeypatch):
    run = TrainingRun.from_config(config_of(files))
    check_room(run, tmp_path / "out" / "inner", "--output-dir")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1_000))
    with pytest.raises(ConfigError, match="--output-dir: the disk of .* has 0.001 MB free"):
        check_room(run, tmp_path / "out" / "inner", "--output-dir")


@pytest.mark.parametrize("steps", [1, 3])
def test_a_run_that_nobody_needs_any_more_is_gone_at_once(files, tmp_path, steps):
    """A worker makes one after the other, and each holds a model and more."""
    run = TrainingRun.from_config(config_of(files), store=Store(tmp_path, budget=10**9))
    records = run.records()
    for _ in range(steps):
        next(records)
    if steps == 3:
        assert next(records, None) is None
        run.finish()
    prefix = shortcut(run._engine, FrozenPrefix)
    parts = [weakref.ref(part) for part in (run, run.model, run._engine, prefix)]
    parts += [weakref.ref(run.model.get_input_embeddings())]
    gc.disable()
    try:
        del run, records, prefix
        assert [part() for part in parts] == [None] * 5
    finally:
        gc.enable()
