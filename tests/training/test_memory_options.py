"""The options that save memory, in whole runs: reuse, saving, scores on the way, the store."""

import warnings

import pytest

from progsearch.schedule import Schedule
from progsearch.store import Store
from progsearch.training import TrainingRun
from progsearch.training.trainer_settings import training_arguments
from tests.support.runs import changed, config_of, finish, weights


def run_of(files, folder=None, **training):
    if folder is not None:
        folder.mkdir(exist_ok=True)
    store = None if folder is None else Store(folder)
    run = TrainingRun.from_config(config_of(files, **training), store=store, device="cpu")
    finish(run)
    return run


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_steps_are_shared_between_ways_that_give_the_same_bits(files, tmp_path, precision):
    plain = run_of(files, tmp_path / "plain", precision=precision, frozen_dtype="fp32")
    first = run_of(files, tmp_path, precision=precision)
    again = run_of(files, tmp_path, precision=precision, gradient_checkpointing=True)
    assert not changed(weights(first.model), weights(plain.model))
    assert first.spent().steps_trained == first.total_steps
    assert again.spent().steps_trained == 0


def test_rounded_weights_have_steps_of_their_own(files, tmp_path):
    plain = run_of(files, tmp_path)
    rounded = run_of(files, tmp_path, frozen_dtype="bf16")
    assert rounded.spent().steps_trained == rounded.total_steps
    assert changed(weights(plain.model), weights(rounded.model))


def test_the_memory_of_a_run_is_predicted(files):
    full, head = (
        TrainingRun.from_config(config_of(files, schedule), device="cpu").cost.peak_memory
        for schedule in (Schedule.full(3), Schedule.last_blocks(3, 0))
    )
    assert 0 < head < full


def test_the_trainer_gets_checkpointing_that_works_with_frozen_embeddings(files, tmp_path):
    config = config_of(files, gradient_checkpointing=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        arguments = training_arguments(config, tmp_path, use_cpu=True)
        training_arguments(config_of(files), tmp_path, use_cpu=True)
    assert arguments.gradient_checkpointing
    assert arguments.gradient_checkpointing_kwargs == {"use_reentrant": False}
    assert not training_arguments(config_of(files), tmp_path, use_cpu=True).gradient_checkpointing
    off = training_arguments(config, tmp_path, use_cpu=True, gradient_checkpointing=False)
    assert not off.gradient_checkpointing
