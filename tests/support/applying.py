"""Tiny models with a method applied, and a few steps of training."""

import torch

from progsearch.config import method_of
from progsearch.methods import apply_method
from progsearch.models.anatomy import find_anatomy
from tests.support.tiny import tiny_batch, tiny_model

SMALL = {"lora": {"lora_rank": 4}, "adapter": {"adapter_size": 6}}


def applied(name, method, seed=0, **settings):
    model = tiny_model(name)
    anatomy = find_anatomy(model)
    config = method_of(method, **SMALL.get(method, {}), **settings)
    return model, anatomy, apply_method(model, anatomy, config, seed)


def steps(model, names, n=3):
    """A few optimizer steps on the parameters of these names; the names that changed."""
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in names)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-2, weight_decay=0.0)
    for seed in range(n):
        optimizer.zero_grad()
        model(**tiny_batch(seed=seed)).loss.backward()
        optimizer.step()
    return {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
