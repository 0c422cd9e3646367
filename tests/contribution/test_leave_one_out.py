import copy

import pytest

from progsearch.contribution import get_metric
from tests.support.probes import tiny_probe
from tests.support.tiny import tiny_model


def mean_loss(model, batches):
    losses = [(model(**batch).loss.item(), len(batch["labels"])) for batch in batches]
    return sum(loss * n for loss, n in losses) / sum(n for _, n in losses)


@pytest.mark.parametrize("architecture", ["bert", "mpnet", "gpt2", "llama", "electra"])
def test_equals_the_loss_of_a_model_without_the_block(architecture):
    # Weights larger than at initialisation, so that every block matters visibly.
    model = tiny_model(architecture, initializer_range=0.3)
    model.config.use_cache = False  # the cache counts blocks by the number each was built with
    probe = tiny_probe(model)
    whole = mean_loss(model, probe.batches)
    expected = []
    for name in probe.anatomy.blocks:
        without = copy.deepcopy(model)
        stack, _, index = name.rpartition(".")
        del without.get_submodule(stack)[int(index)]
        without.config.num_hidden_layers = 2
        expected.append(mean_loss(without, probe.batches) - whole)
    assert get_metric("leave_one_out").scores(probe) == pytest.approx(expected, abs=1e-5)
    assert max(map(abs, expected)) > 1e-3


def test_the_block_is_back_afterwards():
    probe = tiny_probe(tiny_model("bert", initializer_range=0.3))
    before = probe.loss()
    with probe.skipping(1):
        assert probe.loss() != before
    assert probe.loss() == before
