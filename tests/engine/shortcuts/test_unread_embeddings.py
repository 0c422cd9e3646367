import pytest
import torch

from progsearch.engine.shortcuts.unread_embeddings import UnreadEmbeddings
from progsearch.schedule import Schedule
from progsearch.store import Store
from tests.support.runs import four_block_bert, shortcut, tiny_engine, weights
from tests.support.tiny import TINY, tiny_model

# What these look up passes another module or is added up on its way to the first block, or is
# needed once more after that (DeBERTa-v2); MPNet's blocks look up distances.
LOOKED_UP = {"deberta-v2", "electra", "gpt_neox", "gpt2", "mpnet", "opt"}


@pytest.mark.parametrize("architecture", sorted(TINY))
def test_frozen_embeddings_that_nothing_reads_are_not_computed(architecture, monkeypatch, by_hand):
    look_up, calls = torch.nn.functional.embedding, []

    def counted(*args, **kwargs):
        calls.append(1)
        return look_up(*args, **kwargs)

    monkeypatch.setattr(torch.nn.functional, "embedding", counted)

    def train(without=()):
        model = tiny_model(architecture)
        engine, model = tiny_engine(Schedule.last_blocks(3, 1), model, without=without)
        engine.advance(engine.steps_per_epoch)
        calls.clear()
        engine.advance(engine.total_steps)
        return weights(model), len(calls)

    less, looked_up = train()
    whole, looked_up_before = train(without=[UnreadEmbeddings])
    assert looked_up_before > 0
    assert (looked_up > 0) == (architecture in LOOKED_UP)
    for name, weight in less.items():
        assert torch.equal(weight, whole[name]), name


def test_embeddings_that_something_else_reads_are_computed():
    model = four_block_bert()
    read = []
    engine, _ = tiny_engine(Schedule.last_blocks(4, 1), model)
    first = model.bert.encoder.layer[0]
    # Whatever is put between, the first block does not get what the embeddings gave.
    first.register_forward_pre_hook(lambda module, inputs: (inputs[0] + 0, *inputs[1:]))
    model.bert.embeddings.register_forward_hook(
        lambda module, inputs, output: read.append(output.isfinite().all())
    )
    engine.advance(engine.total_steps)
    assert len(read) > engine.total_steps and all(read)


def test_a_pass_that_only_moves_the_cache_forward_does_not_say_who_reads_the_embeddings(tmp_path):
    store = Store(tmp_path, budget=10**9)
    first, _ = tiny_engine(Schedule.last_blocks(4, 2), four_block_bert(), store=store)
    first.advance(1)
    first.advance(first.steps_per_epoch)
    engine, model = tiny_engine(Schedule.last_blocks(4, 1), four_block_bert(), store=store)
    engine.advance(engine.total_steps)
    module, nothing = shortcut(engine, UnreadEmbeddings)._unread
    assert module is model.bert.embeddings
    assert nothing.dtype == torch.float32 and nothing.isnan().all()
