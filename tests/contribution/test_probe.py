import copy

import pytest
import torch

from progsearch.contribution.fitting import fit
from tests.support.probes import assert_same_state, state_of, tiny_probe
from tests.support.tiny import tiny_model


def test_loss_is_the_mean_over_examples_not_over_batches():
    probe = tiny_probe()
    with torch.no_grad():
        of_four, of_two = (probe.model(**batch).loss.item() for batch in probe.batches)
    assert of_four != pytest.approx(of_two, abs=1e-4)
    assert probe.loss() == pytest.approx((4 * of_four + 2 * of_two) / 6, abs=1e-6)


def test_loss_has_no_dropout_though_the_model_is_in_training_mode():
    probe = tiny_probe(tiny_model("bert", hidden_dropout_prob=0.5))
    quiet = probe.loss()
    probe.model.train()
    assert probe.loss() == quiet


def test_trained_changes_the_parts_alone_and_puts_them_back():
    probe = tiny_probe()
    before = state_of(probe.model)
    with probe.trained(["embeddings", 1, "head"], learning_rate=1e-3):
        changed = {
            probe.anatomy.part_of(name)
            for name, parameter in probe.model.named_parameters()
            if not torch.equal(parameter, before[0][name])
        }
    assert changed == {"embeddings", 1, "head"}
    assert_same_state(probe.model, before)


def test_trained_puts_the_weights_back_after_an_error():
    probe = tiny_probe()
    before = state_of(probe.model)
    with pytest.raises(KeyboardInterrupt), probe.trained([0], learning_rate=1e-3):
        raise KeyboardInterrupt
    assert_same_state(probe.model, before)


def test_fit_makes_one_step_per_batch_and_pass():
    probe = tiny_probe()
    head = probe.parameters("head")
    twice = copy.deepcopy(probe)
    fit(probe.model, head, probe.train_batches * 2, learning_rate=1e-3)
    fit(twice.model, twice.parameters("head"), twice.train_batches, learning_rate=1e-3, passes=2)
    for one, other in zip(probe.model.parameters(), twice.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_fit_ignores_gradients_that_were_there_before():
    probe = tiny_probe()
    stale = copy.deepcopy(probe)
    for parameter in stale.parameters("head"):
        parameter.grad = torch.ones_like(parameter)
    for one in (probe, stale):
        fit(one.model, one.parameters("head"), one.train_batches, learning_rate=1e-3)
    for one, other in zip(probe.parameters("head"), stale.parameters("head"), strict=True):
        assert torch.equal(one, other)


def test_loss_of_a_regression_is_the_mean_squared_error():
    probe = tiny_probe(tiny_model("bert", n_labels=1))
    for batch in probe.batches:
        batch["labels"] = batch["labels"].float() * 3
    with torch.no_grad():
        errors = torch.cat([probe.model(**b).logits[:, 0] - b["labels"] for b in probe.batches])
    assert probe.loss() == pytest.approx(errors.square().mean().item(), rel=1e-5)
    assert len(probe.gradients) == 3
