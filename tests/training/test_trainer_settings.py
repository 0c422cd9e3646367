"""Arguments for a Trainer, and what a Trainer does otherwise than a file."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.optim.lr_scheduler import LambdaLR
from transformers import get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup

from progsearch.errors import ConfigError
from progsearch.schedule.files import read_config
from progsearch.training.callback import ProgtuningCallback
from progsearch.training.trainer_settings import differences, training_arguments
from tests.support.runs import four_block_bert
from tests.support.trainers import trainer_for

CPU = {"use_cpu": True, "report_to": []}


def found(file, optimizer=None, scheduler=None, model=None, **overrides):
    """The differences of a Trainer with these arguments, of 20 steps."""
    args = training_arguments(file, output_dir="unused", **CPU | overrides)
    state = SimpleNamespace(max_steps=20, train_batch_size=None)
    model = model or four_block_bert()
    return differences(read_config(file), args, state, model, optimizer, scheduler)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"learning_rat": 1e-3}, "learning_rat: is no argument .*; did you mean learning_rate?"),
        ({"warmup_ratio": 0.1}, "did you mean warmup_steps?"),
        ({"learning_rate": "high"}, "learning_rate: must be a number, got 'high'"),
        ({"seed": None}, "seed: must be a number, got None"),
        ({"lr_scheduler_type": "cosin"}, "cosin is not a valid SchedulerType"),
        ({"fp16": True}, "fp16 needs a GPU"),
    ],
)
@pytest.mark.skipif(torch.cuda.is_available(), reason="fp16 is possible there")
def test_a_wrong_argument_is_a_sentence(exported, overrides, message):
    with pytest.raises(ConfigError, match=message):
        training_arguments(exported(), output_dir="unused", **overrides)


def test_all_wrong_arguments_are_named_at_once(exported):
    with pytest.raises(ConfigError, match="has 2 errors"):
        training_arguments(exported(), "unused", learning_rat=1, seed="x")


def test_one_precision_replaces_the_other(exported):
    args = training_arguments(exported(precision="bf16"), "unused", bf16=False, **CPU)
    assert (args.bf16, args.fp16) == (False, False)
    args = training_arguments(exported(precision="fp32"), "unused", bf16=True, **CPU)
    assert (args.bf16, args.fp16) == (True, False)


@pytest.mark.parametrize("given", [None, 3, {"stages": []}, b"best.yaml", four_block_bert])
def test_what_is_no_file_is_refused_at_once(given):
    with pytest.raises(ConfigError, match="must be a file of `progsearch export` or its content"):
        training_arguments(given, "unused")
    with pytest.raises(ConfigError, match="must be a file of `progsearch export` or its content"):
        ProgtuningCallback(given)


def test_a_pick_is_told_where_its_config_is(exported):
    pick: Any = SimpleNamespace(config=read_config(exported()))
    with pytest.raises(ConfigError, match="give its `config`"):
        ProgtuningCallback(pick)


def test_no_output_folder_is_refused(exported):
    with pytest.raises(ConfigError, match="output_dir: must be a path, got None"):
        training_arguments(exported(), None)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"label_smoothing_factor": 0.1}, "label_smoothing_factor is 0.1 in the Trainer and 0 in"),
        ({"adam_beta2": 0.99}, "adam_beta2 is 0.99 in the Trainer and 0.999 in progsearch"),
        ({"adam_epsilon": 1e-6}, "adam_epsilon is 1e-06 in the Trainer and 1e-08 in progsearch"),
        ({"neftune_noise_alpha": 5.0}, "neftune_noise_alpha is 5 in the Trainer and not set in"),
        ({"dataloader_drop_last": True}, "dataloader_drop_last is True in the Trainer and False"),
    ],
)
def test_arguments_that_no_file_holds_are_compared_too(exported, overrides, sentence):
    (only,) = found(exported(), **overrides)
    assert only.startswith(sentence)


def test_an_optimizer_of_ones_own_is_compared(exported):
    model = four_block_bert()
    file = exported(learning_rate=1e-2, weight_decay=0.1)
    sgd = torch.optim.SGD(model.parameters(), lr=1e-2, weight_decay=0.1)
    assert found(file, sgd) == ["optim is SGD in the Trainer and adamw_torch_fused in the file"]
    adamw = torch.optim.AdamW(model.parameters(), lr=1e-2, betas=(0.8, 0.999), weight_decay=0.0)
    assert found(file, adamw) == [
        "weight_decay is 0 in the Trainer and 0.1 in the file",
        "adam_beta1 is 0.8 in the Trainer and 0.9 in progsearch",
    ]


def test_a_scheduler_of_ones_own_is_compared(exported):
    file = exported(learning_rate=1e-2, warmup_ratio=0.1)
    adamw = torch.optim.AdamW(four_block_bert().parameters(), lr=1e-2, weight_decay=0.01)
    assert found(file, adamw, get_linear_schedule_with_warmup(adamw, 2, 20)) == []
    for other in (
        get_cosine_schedule_with_warmup(adamw, 2, 20),
        LambdaLR(adamw, lambda step: 1.0),
        torch.optim.lr_scheduler.ExponentialLR(adamw, 0.9),
    ):
        (only,) = found(file, adamw, other)
        assert "scheduler in the Trainer is of your own making and linear in the file" in only


def test_added_up_losses_of_micro_batches_are_said(exported):
    file = exported(gradient_accumulation=2)
    (only,) = found(file)
    assert "is the sum over its micro-batches in the Trainer and their mean in the file" in only
    model = four_block_bert()
    model.accepts_loss_kwargs = False
    assert found(file, model=model) == []


def test_a_file_that_chooses_blocks_as_it_trains_is_said(exported, tmp_path, caplog):
    scored = {"metric": "fisher", "scores": (1.0, 2.0, 3.0, 4.0), "rescore": True}
    with caplog.at_level(logging.WARNING, "progsearch"):
        trainer_for(four_block_bert(), exported(contribution=scored), tmp_path).train()
    assert "contribution.rescore is true in the file" in caplog.text
