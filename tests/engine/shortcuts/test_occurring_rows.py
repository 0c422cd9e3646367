"""Training the rows that occur is training the whole table."""

import numpy as np
import pytest
import torch

from progsearch.engine.shortcuts.occurring_rows import keep_occurring_rows
from progsearch.models.anatomy import find_anatomy
from progsearch.schedule import Schedule, Stage
from progsearch.store import Store
from progsearch.tasks import Split
from progsearch.training import TrainingRun
from tests.support.runs import (
    VOCABULARY,
    config_of,
    finish,
    four_block_bert,
    three_stages,
    tiny_engine,
    tiny_split,
    weights,
)
from tests.support.tiny import TINY

TABLE = "bert.embeddings.word_embeddings.weight"


def few(pad_id=0):
    """Examples of half of the tokens that the tiny models know; the anatomy's are among them."""
    split = tiny_split()
    chosen = np.random.default_rng(0).integers(3, VOCABULARY // 2, split.lengths.sum())
    return Split(chosen, split.lengths, {"labels": split.targets["labels"].numpy()}, pad_id=pad_id)


FEW = few()


def trained(model, schedule, keep, split=FEW, **training):
    """The weights after training, and the number of rows in the table meanwhile."""
    engine, model = tiny_engine(schedule, model, split=split, rows=keep, **training)
    engine.advance(engine.total_steps)
    n_rows = len(model.get_input_embeddings().weight)
    engine.finish()
    return weights(model), n_rows


@pytest.mark.parametrize("architecture", TINY)
def test_every_architecture_is_trained_as_with_the_whole_table(architecture):
    models = [TINY[architecture]() for _ in range(2)]
    split = few(models[0].config.pad_token_id)
    schedule = three_stages(find_anatomy(models[0]).n_blocks)
    expected, n_rows = trained(models[0], schedule, keep=False, split=split)
    assert n_rows == VOCABULARY
    found, n_rows = trained(models[1], schedule, keep=True, split=split)
    assert n_rows < VOCABULARY
    # The norm that gradients are clipped by adds the same numbers up in another order.
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-6)
    assert list(found) == list(expected)


def test_rows_that_do_not_occur_are_decayed_while_the_table_is_trained():
    schedule = three_stages(4)
    settings = {"weight_decay": 0.5, "warmup_ratio": 0.2}
    before = weights(four_block_bert())
    expected, _ = trained(four_block_bert(), schedule, keep=False, **settings)
    found, _ = trained(four_block_bert(), schedule, keep=True, **settings)
    absent = sorted(set(range(VOCABULARY)) - set(FEW.token_ids().tolist()))
    assert not torch.allclose(expected[TABLE][absent], before[TABLE][absent], atol=1e-4)
    torch.testing.assert_close(found[TABLE][absent], expected[TABLE][absent], rtol=1e-5, atol=0)


def test_without_decay_they_keep_every_bit():
    before = weights(four_block_bert())
    found, _ = trained(four_block_bert(), three_stages(4), keep=True, weight_decay=0.0)
    absent = sorted(set(range(VOCABULARY)) - set(FEW.token_ids().tolist()))
    assert torch.equal(found[TABLE][absent], before[TABLE][absent])


def test_a_token_that_no_split_holds_is_refused():
    model = four_block_bert()
    keep_occurring_rows(model, {name for name, _ in model.named_parameters()}, [FEW])
    with pytest.raises(IndexError):
        model(input_ids=torch.tensor([[VOCABULARY - 1]]))


def test_a_table_that_is_not_trained_or_shared_stays_whole():
    model = four_block_bert()
    table = model.get_input_embeddings()
    assert keep_occurring_rows(model, {"classifier.weight"}, [FEW]) is None
    names = {name for name, _ in model.named_parameters()}
    model.classifier.tied = torch.nn.Linear(1, 1)
    model.classifier.tied.weight = table.weight
    assert keep_occurring_rows(model, names, [FEW]) is None
    assert model.get_input_embeddings() is table


def test_a_model_that_does_not_tell_its_table_is_left_alone(monkeypatch):
    def unknown():
        raise NotImplementedError

    model = four_block_bert()
    monkeypatch.setattr(model, "get_input_embeddings", unknown)
    names = {name for name, _ in model.named_parameters()}
    assert keep_occurring_rows(model, names, [FEW]) is None


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_run_gives_back_a_whole_model_and_stores_a_small_one(files, tmp_path, method):
    run = TrainingRun.from_config(
        config_of(files, method=method), store=Store(tmp_path, budget=10**9)
    )
    n_rows = len(run.model.get_input_embeddings().weight)
    assert (n_rows < VOCABULARY) == (method == "full")
    finish(run)
    assert len(run.model.state_dict()[TABLE]) == VOCABULARY
    last = torch.tensor([[VOCABULARY - 1]], device=run.device)
    assert run.model(input_ids=last).logits.isfinite().all()
    assert run.model.get_input_embeddings().padding_idx == 0


def test_a_schedule_that_never_trains_embeddings_leaves_the_table_alone(files):
    never = Schedule(3, (Stage(0.0, 1.0, (0, 1, 2), embeddings=False),))
    run = TrainingRun.from_config(config_of(files, never))
    assert len(run.model.get_input_embeddings().weight) == VOCABULARY
