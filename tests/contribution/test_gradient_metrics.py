import copy

import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import AutoModelForTokenClassification

from progsearch.contribution import get_metric
from progsearch.contribution.gradients import mean_squared_gradients
from tests.support.probes import tiny_probe
from tests.support.tiny import tiny_model


@pytest.fixture(params=["bert", "gpt2", "llama", "opt"])
def probe(request):
    return tiny_probe(tiny_model(request.param))


def blocks_of(probe, model):
    return [list(model.get_submodule(name).parameters()) for name in probe.anatomy.blocks]


def example_losses(probe, model):
    return [
        cross_entropy(logits, label)
        for batch in probe.batches
        for logits, label in zip(model(**batch).logits, batch["labels"], strict=True)
    ]


def gradients_of_mean_loss(probe):
    """Per block, all parameters and the gradient of the mean loss as flat vectors."""
    model = copy.deepcopy(probe.model).eval()
    torch.stack(example_losses(probe, model)).mean().backward()
    return [
        (
            torch.cat([p.detach().flatten() for p in parameters]),
            torch.cat([p.grad.flatten() for p in parameters]),
        )
        for parameters in blocks_of(probe, model)
    ]


def test_grad_norm_is_the_norm_of_the_gradient_of_the_mean_loss(probe):
    expected = [gradient.norm().item() for _, gradient in gradients_of_mean_loss(probe)]
    assert get_metric("grad_norm").scores(probe) == pytest.approx(expected, rel=1e-4)


def test_relative_grad_norm_divides_by_the_norm_of_the_weights(probe):
    expected = [(g.norm() / w.norm()).item() for w, g in gradients_of_mean_loss(probe)]
    assert get_metric("relative_grad_norm").scores(probe) == pytest.approx(expected, rel=1e-4)


def of_each_example(probe, term):
    """Per block, the mean over examples of the sum of ``term(weight, gradient)``."""
    model = copy.deepcopy(probe.model).eval()
    losses = example_losses(probe, model)
    totals = [0.0] * 3
    for loss in losses:
        for block, parameters in enumerate(blocks_of(probe, model)):
            grads = torch.autograd.grad(loss, parameters, retain_graph=True)
            for parameter, grad in zip(parameters, grads, strict=True):
                totals[block] += term(parameter.detach(), grad).sum().item() / len(losses)
    return totals


def test_fisher_is_the_mean_over_examples_of_squared_gradients(probe):
    expected = of_each_example(probe, lambda weight, grad: grad.square())
    assert get_metric("fisher").scores(probe) == pytest.approx(expected, rel=1e-4)


def test_taylor_is_the_mean_over_examples_of_squared_products(probe):
    expected = of_each_example(probe, lambda weight, grad: (weight * grad).square())
    assert get_metric("taylor").scores(probe) == pytest.approx(expected, rel=1e-4)


def test_taylor_agrees_with_finite_differences():
    model = tiny_model("bert", hidden_size=4, num_attention_heads=1, intermediate_size=4).double()
    probe = tiny_probe(model)
    step = 1e-5

    def losses_at(flat, index, value):
        with torch.no_grad():
            flat[index] = value
            return torch.stack(example_losses(probe, model))

    expected = 0.0
    for parameter in blocks_of(probe, model)[1]:
        flat = parameter.data.view(-1)
        for index, value in enumerate(flat.tolist()):
            above = losses_at(flat, index, value + step)
            below = losses_at(flat, index, value - step)
            flat[index] = value
            expected += (value * (above - below) / (2 * step)).square().mean().item()
    assert get_metric("taylor").scores(probe)[1] == pytest.approx(expected, rel=1e-4)


def test_two_gradient_passes_serve_all_four_metrics(monkeypatch):
    probe = tiny_probe()
    passes = []
    forward = probe.model.forward

    def counted(**batch):
        passes.append(1)
        return forward(**batch)

    monkeypatch.setattr(probe.model, "forward", counted)
    for name in ("grad_norm", "relative_grad_norm", "fisher", "taylor"):
        get_metric(name).scores(probe)
    assert len(passes) == 2 + 6, "one pass per batch for the means, one per example for squares"


def test_targets_per_token_count_as_one_example_per_row():
    model = AutoModelForTokenClassification.from_config(tiny_model("bert").config)
    rows = torch.tensor([[5, 6, 7], [8, 9, 0], [4, 3, 0]])
    mask = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 1, 0]])
    labels = torch.tensor([[0, 1, -100], [1, -100, -100], [-100, -100, -100]])
    batch = {"input_ids": rows, "attention_mask": mask, "labels": labels}
    blocks = [list(model.get_submodule("bert.encoder.layer.0").parameters())]

    def squares(row, length):
        loss = model.eval()(**{k: v[row : row + 1, :length] for k, v in batch.items()}).loss
        return [grad.square() for grad in torch.autograd.grad(loss, blocks[0])]

    found = mean_squared_gradients(model, blocks, [batch])
    for got, first, second in zip(found[0], squares(0, 3), squares(1, 2), strict=True):
        torch.testing.assert_close(got, (first + second) / 2)
