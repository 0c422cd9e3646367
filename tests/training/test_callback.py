from typing import Any

import pytest
import torch
from torch.utils.data import Dataset
from transformers import Trainer, TrainingArguments

from progsearch.engine.batches import epoch_batches
from progsearch.errors import ScheduleError
from progsearch.models.anatomy import find_anatomy
from progsearch.schedule import Schedule
from progsearch.training.callback import ProgtuningCallback
from tests.support.runs import (
    changed,
    four_block_bert,
    three_stages,
    tiny_engine,
    tiny_split,
    weights,
)
from tests.support.tiny import tiny_model

NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


class Ordered(Dataset):
    """The engine's batches, epoch after epoch, one batch an item."""

    def __init__(self, split, batch_size, seed, epochs):
        self.split = split
        self.batches = [
            batch
            for epoch in range(epochs)
            for batch in epoch_batches(split.lengths, batch_size, seed, epoch)
        ]

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.split.batch(self.batches[index])


class InOrder(Trainer):
    def _get_train_sampler(self, *args, **kwargs):
        return torch.utils.data.SequentialSampler(self.train_dataset)


def trainer_for(model, schedule, folder, epochs=3, **arguments):
    return InOrder(
        model=model,
        args=TrainingArguments(
            output_dir=str(folder),
            num_train_epochs=1,
            per_device_train_batch_size=1,
            learning_rate=1e-2,
            weight_decay=0.01,
            warmup_steps=0.1,
            max_grad_norm=1.0,
            report_to=[],
            save_strategy="no",
            use_cpu=True,
            disable_tqdm=True,
            **arguments,
        ),
        train_dataset=Ordered(tiny_split(), 8, seed=0, epochs=epochs),
        data_collator=lambda items: items[0],
        callbacks=[ProgtuningCallback(schedule)],
    )


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


def test_a_training_that_is_resumed_enters_the_stage_it_is_in(tmp_path):
    schedule = three_stages(4)
    whole = four_block_bert(**NO_DROPOUT)
    trainer_for(whole, schedule, tmp_path / "whole").train()

    first = four_block_bert(**NO_DROPOUT)
    stopped = trainer_for(first, schedule, tmp_path / "part")
    stopped.args.save_strategy, stopped.args.save_steps = "steps", 5
    stopped.train()
    again = trainer_for(four_block_bert(**NO_DROPOUT), schedule, tmp_path / "part")
    again.train(resume_from_checkpoint=str(tmp_path / "part" / "checkpoint-5"))
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(again.model.state_dict()[name], tensor, rtol=0, atol=1e-5)
