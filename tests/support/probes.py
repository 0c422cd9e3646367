"""Tiny probes for the tests of contribution metrics."""

import copy

import torch

from progsearch.contribution import Probe
from progsearch.models.anatomy import find_anatomy
from tests.support.tiny import tiny_batch, tiny_model


def padded_batch(model, n_examples, length, seed):
    batch = tiny_batch(n_examples, length, seed)
    padding = batch["attention_mask"] == 0
    batch["input_ids"] = batch["input_ids"].masked_fill(padding, model.config.pad_token_id)
    return batch


def tiny_probe(model=None, seed=0):
    """Scored batches of unequal size and length, so that means over either are told apart."""
    model = tiny_model("bert") if model is None else model
    batches = [padded_batch(model, 4, 10, seed=3), padded_batch(model, 2, 6, seed=6)]
    assert all((batch["attention_mask"] == 0).any() for batch in batches), "nothing is padded"
    return Probe(
        model=model,
        anatomy=find_anatomy(model),
        batches=batches,
        train_batches=[padded_batch(model, 4, 10, seed=seed) for seed in (4, 5, 7)],
        seed=seed,
    )


def state_of(model):
    """All that a metric must leave as it was."""
    return (
        copy.deepcopy(model.state_dict()),
        {name: parameter.requires_grad for name, parameter in model.named_parameters()},
        {name: module.training for name, module in model.named_modules()},
    )


def assert_same_state(model, before):
    weights, flags, modes = before
    after, flags_after, modes_after = state_of(model)
    assert all(torch.equal(after[name], tensor) for name, tensor in weights.items())
    assert flags_after == flags
    assert modes_after == modes
