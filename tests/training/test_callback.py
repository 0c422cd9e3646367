import logging
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from progsearch.errors import MethodError, ScheduleError
from progsearch.methods.fitting import prepare_model
from progsearch.models.anatomy import find_anatomy
from progsearch.schedule import Schedule
from progsearch.training.callback import ProgtuningCallback
from progsearch.training.trainer_settings import training_arguments
from tests.support.runs import (
    changed,
    four_block_bert,
    three_stages,
    tiny_engine,
    weights,
)
from tests.support.tiny import tiny_model
from tests.support.trainers import NO_DROPOUT, ONE_EPOCH, trainer_for


def _in_head(name):
    return "classifier" in name or "pooler" in name


@pytest.mark.parametrize("architecture", ["bert", "llama"])
def test_trainer_with_the_callback_reaches_the_engines_weights(architecture, tmp_path):
    settings: dict[str, Any] = NO_DROPOUT if architecture == "bert" else {}
    schedule = three_stages(find_anatomy(tiny_model(architecture)).n_blocks)
    engine, ours = tiny_engine(schedule, tiny_model(architecture, **settings))
    engine.advance(engine.total_steps)
    theirs = tiny_model(architecture, **settings)
    trainer_for(theirs, schedule, tmp_path).train()
    torch.testing.assert_close(weights(theirs), weights(ours), rtol=0, atol=1e-5)


def test_frozen_parts_keep_every_bit_and_no_optimizer_state(tmp_path):
    model = four_block_bert()
    before = weights(model)
    trainer = trainer_for(model, Schedule.last_blocks(4, 1), tmp_path)
    trainer.train()
    moved = changed(before, weights(model))
    anatomy = find_anatomy(model)
    assert {anatomy.part_of(name) for name in moved} == {3, "head"}
    names = {parameter: name for name, parameter in model.named_parameters()}
    assert {names[p] for p in trainer.optimizer.state} == moved


def test_dropout_of_frozen_parts_is_off_within_the_trainers_steps(tmp_path):
    model = four_block_bert(hidden_dropout_prob=0.5)
    modes = set()
    anatomy = find_anatomy(model)
    for block in (0, 3):
        model.get_submodule(anatomy.blocks[block]).register_forward_pre_hook(
            lambda module, inputs, block=block: (
                modes.add((block, module.training)) if model.training else None
            )
        )
    trainer_for(model, Schedule.last_blocks(4, 1), tmp_path).train()
    assert modes == {(0, False), (3, True)}


def test_a_schedule_for_another_model_is_refused(tmp_path):
    with pytest.raises(ScheduleError, match="for 12 blocks and the model has 4"):
        trainer_for(four_block_bert(), Schedule.full(12), tmp_path).train()


def test_the_arguments_of_a_file_train_what_the_engine_trains(exported, tmp_path, caplog):
    """With accumulation, and without a warning but for the batches that the test makes itself."""
    file = exported(batch_size=4, gradient_accumulation=2)
    args = training_arguments(file, output_dir=tmp_path / "out", **ONE_EPOCH)
    engine, ours = tiny_engine(
        three_stages(4), four_block_bert(**NO_DROPOUT), batch_size=4, gradient_accumulation=2
    )
    engine.advance(engine.total_steps)
    theirs = four_block_bert(**NO_DROPOUT)
    # Else transformers takes the sum over micro-batches instead of their mean, since BERT accepts
    # the number of examples; its loss does not use it.
    theirs.accepts_loss_kwargs = False
    trainer = trainer_for(theirs, file, tmp_path, batch_size=4, args=args)
    with caplog.at_level(logging.INFO, "progsearch"):
        trainer.train()
    torch.testing.assert_close(weights(theirs), weights(ours), rtol=0, atol=1e-5)
    warned = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert [w.partition(" is ")[0] for w in warned] == [
        f"{file}: the number of examples per step (batch size times accumulation)",
        f"{file}: num_train_epochs",
    ]
    said = [
        r.getMessage()
        for r in caplog.records
        if r.levelno == logging.INFO and r.name == ProgtuningCallback.__module__
    ]
    assert [line.partition(" (")[0] for line in said] == [
        "stage 1 of 3, steps 1 to 3 of 9: trains the embeddings, blocks 0–3 and the head",
        "stage 2 of 3, steps 4 to 6 of 9: trains blocks 1–3 and the head",
        "stage 3 of 3, steps 7 to 9 of 9: trains block 3 and the head",
    ]
    assert said[0].endswith("(100.0 % of the parameters)")


def test_matching_arguments_say_what_the_file_says(exported, tmp_path):
    file = exported(
        learning_rate=3e-4, batch_size=32, epochs=5, weight_decay=0.1, warmup_ratio=0.2, seed=7
    )
    args = training_arguments(file, output_dir=tmp_path, use_cpu=True, eval_strategy="epoch")
    assert (args.learning_rate, args.train_batch_size, args.num_train_epochs) == (3e-4, 32, 5)
    assert (args.weight_decay, args.get_warmup_steps(100), args.seed) == (0.1, 20, 7)
    assert (args.bf16, args.fp16, str(args.eval_strategy.value)) == (False, False, "epoch")
    assert training_arguments(file, output_dir=tmp_path, use_cpu=True, seed=8).seed == 8
    bf16 = training_arguments(exported(precision="bf16"), output_dir=tmp_path)
    assert (bf16.bf16, bf16.use_cpu) == (True, not torch.cuda.is_available())


def test_every_difference_to_the_file_is_a_sentence(exported, tmp_path, caplog):
    file = exported(weight_decay=0.2, warmup_ratio=0.5, max_grad_norm=2.0, seed=3)
    model = four_block_bert()
    model.bert.embeddings.requires_grad_(False)
    trainer = trainer_for(
        model, file, tmp_path, bf16=True, lr_scheduler_type="cosine", optim="adafactor"
    )
    trainer.args.learning_rate = 5e-3
    trainer.train()
    named = [
        r.getMessage().removeprefix(f"{file}: ").partition(" is ")[0]
        for r in caplog.records
        if r.levelno == logging.WARNING
    ]
    assert named == [
        "learning_rate",
        "the number of examples per step (batch size times accumulation)",
        "num_train_epochs",
        "the number of warm-up steps",
        "lr_scheduler_type",
        "optim",
        "weight_decay",
        "max_grad_norm",
        "the precision",
        "seed",
        "5 tensors (bert.embeddings.word_embeddings.weight, ...) are trained by full in the "
        "file and frozen in the Trainer, so it trains something else; see "
        "progsearch.prepare_model",
    ]
    assert (
        f"{file}: learning_rate is 0.005 in the Trainer and 0.01 in the file, so it trains "
        "something else; see progsearch.training_arguments"
    ) in caplog.text


def test_a_schedule_alone_is_compared_with_nothing(tmp_path, caplog):
    trainer_for(four_block_bert(), three_stages(4), tmp_path, lr_scheduler_type="cosine").train()
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


@pytest.mark.parametrize("method", ["lora", "adapter"])
def test_a_method_without_its_modules_is_refused_and_prepared(exported, tmp_path, caplog, method):
    file = exported(method, Schedule.last_blocks(4, 1))
    model = four_block_bert()
    with pytest.raises(MethodError, match=rf"is {method} and the model lacks its modules; call"):
        trainer_for(model, file, tmp_path).train()
    model = four_block_bert()
    prepare_model(model, file)
    before = weights(model)
    trainer_for(model, file, tmp_path).train()
    moved = changed(before, weights(model))
    assert moved
    assert all(_in_head(name) or ".layer.3." in name for name in moved)
    assert all(_in_head(name) or method in name for name in moved)
    assert f"{method}_" not in caplog.text
    assert "the method is" not in caplog.text


def test_another_rank_than_the_files_is_said(exported, tmp_path, caplog):
    model = four_block_bert()
    model = get_peft_model(model, LoraConfig(task_type="SEQ_CLS", r=4, lora_alpha=16))
    before = weights(model)
    trainer_for(model, exported("lora", Schedule.last_blocks(4, 1)), tmp_path).train()
    assert "lora_rank is 4 in the Trainer and 8 in the file" in caplog.text
    moved = changed(before, weights(model))
    assert moved
    assert all(_in_head(name) or ".layer.3." in name for name in moved)


def test_bitfit_trains_biases_alone(exported, tmp_path):
    model = four_block_bert()
    before = weights(model)
    trainer_for(model, exported("bitfit", Schedule.last_blocks(4, 2)), tmp_path).train()
    moved = changed(before, weights(model))
    assert not all(map(_in_head, moved))
    assert all(_in_head(name) or name.endswith("bias") for name in moved)
    assert not any(".layer.0." in n or ".layer.1." in n or "embeddings" in n for n in moved)


def test_a_model_whose_blocks_are_frozen_is_refused(exported, tmp_path):
    model = four_block_bert()
    model.bert.requires_grad_(False)
    with pytest.raises(MethodError, match="no parameter of the model's blocks requires"):
        trainer_for(model, exported(), tmp_path).train()


@pytest.mark.parametrize("step", [2, 3])
def test_a_training_resumed_with_accumulation_enters_its_stage(exported, tmp_path, step):
    """In the middle of a stage, and where one ends."""
    file = exported(batch_size=4, gradient_accumulation=2)
    arguments: dict[str, Any] = {"batch_size": 4, "gradient_accumulation_steps": 2}
    whole = four_block_bert(**NO_DROPOUT)
    trainer_for(whole, file, tmp_path / "whole", **arguments).train()
    stopped = trainer_for(four_block_bert(**NO_DROPOUT), file, tmp_path / "part", **arguments)
    stopped.args.save_strategy, stopped.args.save_steps = "steps", step
    stopped.train()
    again = trainer_for(four_block_bert(**NO_DROPOUT), file, tmp_path / "part", **arguments)
    again.train(resume_from_checkpoint=str(tmp_path / "part" / f"checkpoint-{step}"))
    torch.testing.assert_close(weights(again.model), weights(whole), rtol=0, atol=1e-5)
