"""More than one training of a model with the callback, and more than one callback."""

import pytest
import torch
from transformers import TrainerCallback

from progsearch.errors import MethodError, ScheduleError
from progsearch.schedule import Schedule
from progsearch.training.callback import ProgtuningCallback
from tests.support.runs import changed, four_block_bert, three_stages, weights
from tests.support.trainers import trainer_for


class StoppedAt(TrainerCallback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            raise KeyboardInterrupt


def interrupted(model, file, folder):
    """A training of the file that was interrupted in its last stage."""
    trainer = trainer_for(model, file, folder)
    trainer.add_callback(StoppedAt(8))
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    assert not all(p.requires_grad for p in model.parameters())
    return trainer


def all_move(trainer, model):
    before = weights(model)
    trainer.train()
    return changed(before, weights(model)) == set(dict(model.named_parameters()))


def test_a_second_training_trains_what_the_first_trained(exported, tmp_path, caplog):
    model = four_block_bert()
    trainer = trainer_for(model, exported(), tmp_path)
    trainer.train()
    assert all(p.requires_grad for p in model.parameters())
    assert not model._forward_pre_hooks
    assert all_move(trainer, model)
    assert all_move(trainer_for(model, exported(), tmp_path), model)
    assert "frozen in the Trainer" not in caplog.text


@pytest.mark.parametrize("whole", [True, False])
def test_a_training_after_an_interrupted_one_trains_everything(exported, tmp_path, whole):
    schedule = exported() if whole else three_stages(4)
    model = four_block_bert()
    old = interrupted(model, schedule, tmp_path)
    assert all_move(trainer_for(model, schedule, tmp_path), model)
    assert not model._forward_pre_hooks
    old.remove_callback(StoppedAt)
    assert all_move(old, model)


def test_an_interrupted_trainer_trains_everything_again(exported, tmp_path):
    model = four_block_bert()
    trainer = interrupted(model, exported(), tmp_path)
    trainer.remove_callback(StoppedAt)
    assert all_move(trainer, model)


def test_two_callbacks_are_refused_and_one_then_trains(exported, tmp_path):
    model = four_block_bert()
    trainer = trainer_for(model, exported(), tmp_path)
    second = ProgtuningCallback(Schedule.last_blocks(4, 1))
    trainer.add_callback(second)
    with pytest.raises(ScheduleError, match="has two ProgtuningCallbacks"):
        trainer.train()
    trainer.remove_callback(second)
    assert all_move(trainer, model)


def test_an_optimizer_that_lacks_parameters_is_refused(exported, tmp_path):
    model = four_block_bert()
    trainer = trainer_for(model, exported(), tmp_path)
    trainer.optimizer = torch.optim.AdamW(model.classifier.parameters(), lr=1e-2)
    with pytest.raises(ScheduleError, match="the optimizer lacks 71 of the tensors"):
        trainer.train()
    # It needs only what the schedule trains.
    trainer = trainer_for(model, Schedule.last_blocks(4, 0), tmp_path)
    held = [*model.classifier.parameters(), *model.bert.pooler.parameters()]
    trainer.optimizer = torch.optim.AdamW(held, lr=1e-2)
    trainer.train()


def test_a_refused_training_leaves_the_model_as_it_was(exported, tmp_path):
    model = four_block_bert()
    trainer = trainer_for(model, exported("bitfit"), tmp_path)
    trainer.optimizer = torch.optim.AdamW(model.classifier.parameters(), lr=1e-2)
    with pytest.raises(ScheduleError, match="the optimizer lacks"):
        trainer.train()
    assert all(p.requires_grad for p in model.parameters())


def test_frozen_blocks_are_only_refused_if_the_schedule_trains_them(tmp_path):
    model = four_block_bert()
    model.bert.encoder.requires_grad_(False)
    with pytest.raises(MethodError, match="no parameter of the model's blocks requires"):
        trainer_for(model, Schedule.last_blocks(4, 1), tmp_path).train()
    trainer_for(model, Schedule.last_blocks(4, 0), tmp_path).train()


def test_a_file_without_costs_takes_the_blocks_of_the_model(exported, tmp_path):
    file = exported(schedule=Schedule.last_blocks(4, 0), costs=None)
    model = four_block_bert()
    before = weights(model)
    trainer_for(model, file, tmp_path).train()
    assert all("classifier" in n or "pooler" in n for n in changed(before, weights(model)))
    six = exported(schedule=Schedule.last_blocks(6, 2), costs=None)
    with pytest.raises(ScheduleError, match=r"must lie in 0\.\.3, got \[4, 5\]"):
        trainer_for(model, six, tmp_path).train()
