"""Runs whose moments are held in 8 bits: keys, reuse, the Trainer."""

import pytest
from transformers import TrainingArguments

from progsearch.engine.shortcuts.head_token import HeadToken
from progsearch.store import Store
from progsearch.training import TrainingRun
from progsearch.training.trainer_settings import training_arguments
from tests.engine.test_eight_bits import EIGHT, EXACT, wide
from tests.support.runs import changed, config_of, finish, three_stages, tiny_engine, weights
from tests.support.trainers import ONE_EPOCH, PLAIN, trainer_for
from tests.training.test_keys import lineage_of

bitsandbytes = pytest.importorskip("bitsandbytes")


def test_trainer_with_the_callback_reaches_the_engines_weights(tmp_path):
    schedule = three_stages(3)
    ours = wide(**EXACT)
    engine, _ = tiny_engine(schedule, ours, prefix_cache=False, without=[HeadToken], **EIGHT)
    engine.advance(engine.total_steps)
    theirs = wide(**EXACT)
    args = TrainingArguments(str(tmp_path), **PLAIN, **ONE_EPOCH, optim="adamw_bnb_8bit")
    manager = bitsandbytes.optim.GlobalOptimManager.get_instance()
    manager.initialize()
    try:
        trainer_for(theirs, schedule, tmp_path, args=args).train()
    finally:
        manager.initialize()
    assert not changed(weights(theirs), weights(ours))


def test_the_trainer_gets_the_same_optimizer(files, tmp_path):
    args = training_arguments(config_of(files, **EIGHT), tmp_path, use_cpu=True)
    assert args.optim == "adamw_bnb_8bit"
    assert training_arguments(config_of(files), tmp_path, use_cpu=True).optim.startswith("adamw_t")


def test_stored_steps_are_its_own_and_follow_the_library(files, tmp_path, monkeypatch):
    store = Store(tmp_path)
    for training, fresh in (({}, True), (EIGHT, True), (EIGHT, False)):
        run = TrainingRun.from_config(config_of(files, **training), store=store, device="cpu")
        finish(run)
        assert run.spent().steps_trained == fresh * run.total_steps
    plain, held = lineage_of(config_of(files)), lineage_of(config_of(files, **EIGHT))
    assert plain.origin(0) == held.origin(0)
    assert "optimizer" not in config_of(files).training.decisive()
    key = held.key(1)
    monkeypatch.setattr("progsearch.training.lineages.library_version", lambda: "another")
    assert lineage_of(config_of(files, **EIGHT)).key(1) not in (key, plain.key(1))
