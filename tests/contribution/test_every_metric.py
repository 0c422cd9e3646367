"""What holds for every metric on every architecture."""

import math

import pytest
import torch

from progsearch.contribution import get_metric, metric_names
from tests.support.probes import assert_same_state, state_of, tiny_probe
from tests.support.tiny import TINY

NAMES = [name for name, _ in metric_names()]


@pytest.mark.parametrize("architecture", TINY)
def test_scores_every_architecture_and_leaves_the_model_as_it_was(architecture):
    probe = tiny_probe(TINY[architecture]())
    # A state that no metric would produce by chance.
    probe.model.train()
    probe.model.get_submodule(probe.anatomy.blocks[0]).eval().requires_grad_(False)
    before = state_of(probe.model)
    for name in NAMES:
        scores = get_metric(name).scores(probe)
        assert len(scores) == 3, name
        assert all(math.isfinite(score) for score in scores), name
        assert len(set(scores)) == 3, name
        assert_same_state(probe.model, before)
        assert all(parameter.grad is None for parameter in probe.model.parameters()), name


@pytest.mark.parametrize("name", NAMES)
def test_is_deterministic_and_draws_no_global_random_numbers(name):
    first = get_metric(name).scores(tiny_probe())
    torch.manual_seed(123)
    generator_state = torch.get_rng_state()
    probe = tiny_probe()
    assert get_metric(name).scores(probe) == first
    assert torch.equal(torch.get_rng_state(), generator_state)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", NAMES)
def test_gives_the_same_scores_on_a_gpu(name):
    on_cpu = tiny_probe()
    on_gpu = tiny_probe()
    on_gpu.model.cuda()
    for batches in (on_gpu.batches, on_gpu.train_batches):
        batches[:] = [{key: value.cuda() for key, value in batch.items()} for batch in batches]
    metric = get_metric(name)
    assert metric.scores(on_gpu) == pytest.approx(metric.scores(on_cpu), rel=1e-2, abs=1e-5)
