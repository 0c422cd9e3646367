"""Each metric for each type of task, against a plain computation from the model's outputs."""

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from progsearch.contribution import Probe, get_metric
from progsearch.models.anatomy import find_anatomy
from progsearch.models.span_loss import SPAN, leave_out_padding
from progsearch.tasks.split import IGNORED
from tests.support.runs import (
    language_split,
    tagged_split,
    tiny_choice_split,
    tiny_span_split,
    tiny_split,
)
from tests.support.tiny import tiny_language_model, tiny_model

LARGE: dict[str, Any] = {"initializer_range": 0.3}


def sequence_losses(output, batch):
    return list(cross_entropy(output.logits, batch["labels"], reduction="none").split(1))


def span_losses(output, batch):
    """The mean of the losses of start and end, over the row's own tokens."""
    found = []
    for row, length in enumerate(batch["attention_mask"].sum(1)):
        parts = [
            cross_entropy(scores[row : row + 1, :length], batch[f"{name}_positions"][row, None])
            for name, scores in (("start", output.start_logits), ("end", output.end_logits))
        ]
        found.append(torch.stack(parts).mean()[None])
    return found


def token_losses(output, batch, ahead=0):
    """The losses of each row's targets."""
    found = []
    width = output.logits.shape[1] - ahead
    pairs = zip(output.logits[:, :width], batch["labels"][:, ahead:], strict=True)
    for scores, labels in pairs:
        counted = labels != IGNORED
        found.append(cross_entropy(scores[counted], labels[counted], reduction="none"))
    return found


def next_token_losses(output, batch):
    return token_losses(output, batch, ahead=1)


TYPES: dict[str, Any] = {
    "sequence": (lambda name: tiny_model(name, **LARGE), tiny_split, sequence_losses),
    "span": (
        lambda name: tiny_model(name, auto_class=SPAN, **LARGE),
        tiny_span_split,
        span_losses,
    ),
    "tokens": (
        lambda name: tiny_model(
            name, auto_class="AutoModelForTokenClassification", n_labels=3, **LARGE
        ),
        tagged_split,
        token_losses,
    ),
    "multiple-choice": (
        lambda name: tiny_model(name, auto_class="AutoModelForMultipleChoice", **LARGE),
        tiny_choice_split,
        sequence_losses,
    ),
    "causal-lm": (
        lambda name: tiny_language_model(name, tied=name == "qwen2", **LARGE),
        language_split,
        next_token_losses,
    ),
}
CASES = [
    ("sequence", "bert"),
    ("span", "bert"),
    pytest.param("span", "llama", marks=pytest.mark.slow),
    ("tokens", "bert"),
    pytest.param("tokens", "qwen2", marks=pytest.mark.slow),
    ("multiple-choice", "bert"),
    pytest.param("causal-lm", "llama", marks=pytest.mark.slow),
    ("causal-lm", "qwen2"),
]


class Case:
    """A type's model with data, and losses that are computed from its outputs."""

    def __init__(self, kind, architecture):
        make, data, self._losses = TYPES[kind]
        model = make(architecture)
        model.config.use_cache = False
        if kind == "span":
            leave_out_padding(model)
        split = data(12, pad_id=model.config.pad_token_id)
        # Batches of unequal size, length and number of units.
        self.batches = [split.batch(range(4)), split.batch(range(4, 6))]
        training = [split.batch(range(6, 9)), split.batch(range(9, 12))]
        self.model = model.eval()
        self.probe = Probe(model, find_anatomy(model), self.batches, training, 0)
        self.blocks = self.probe.anatomy.blocks

    def losses(self, model, batches):
        """One tensor per example, with the loss of each of its units."""
        outputs = ((model(**batch), batch) for batch in batches)
        return [loss for output, batch in outputs for loss in self._losses(output, batch)]

    def mean(self, model, batches):
        return torch.cat(self.losses(model, batches)).mean()

    def parameters(self, model, block):
        return list(model.get_submodule(self.blocks[block]).parameters())

    def gradients(self, loss, model, block):
        return torch.autograd.grad(loss, self.parameters(model, block), retain_graph=True)


def grad_norm(case):
    model = copy.deepcopy(case.model)
    loss = case.mean(model, case.batches)
    grads = (case.gradients(loss, model, block) for block in range(3))
    return [torch.cat([g.flatten() for g in found]).norm().item() for found in grads]


def relative_grad_norm(case):
    weights = (case.parameters(case.model, block) for block in range(3))
    sizes = [torch.cat([w.detach().flatten() for w in found]).norm().item() for found in weights]
    return [norm / size for norm, size in zip(grad_norm(case), sizes, strict=True)]


def of_examples(case, term):
    """The mean over examples, whose loss is the mean over their own units."""
    model = copy.deepcopy(case.model)
    losses = [units.mean() for units in case.losses(model, case.batches)]
    return [
        sum(
            term(weight.detach(), grad).sum().item()
            for loss in losses
            for weight, grad in zip(
                case.parameters(model, block), case.gradients(loss, model, block), strict=True
            )
        )
        / len(losses)
        for block in range(3)
    ]


def fisher(case):
    return of_examples(case, lambda weight, grad: grad.square())


def taylor(case):
    return of_examples(case, lambda weight, grad: (weight * grad).square())


def leave_one_out(case):
    found = []
    for name in case.blocks:
        without = copy.deepcopy(case.model)
        stack, _, index = name.rpartition(".")
        del without.get_submodule(stack)[int(index)]
        without.config.num_hidden_layers = 2
        with torch.no_grad():
            whole = case.mean(case.model, case.batches)
            found.append((case.mean(without, case.batches) - whole).item())
    return found


def solo(case):
    found = []
    for block in case.blocks:
        model = copy.deepcopy(case.model)
        others = [name for name in case.blocks if name != block]
        trained = [
            parameter
            for name, parameter in model.named_parameters()
            if not name.startswith(tuple(f"{other}." for other in others))
        ]
        optimizer = torch.optim.AdamW(trained, lr=1e-4, weight_decay=0.0)
        for batch in case.probe.train_batches:
            optimizer.zero_grad()
            case.mean(model, [batch]).backward()
            nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
        with torch.no_grad():
            after = case.mean(model, case.batches)
            found.append((case.mean(case.model, case.batches) - after).item())
    return found


def states_of(model, names, batch):
    """What goes into each block and what comes out."""
    states: list[Any] = []

    def keep(module, given, named, output):
        before = given[0] if given else named["hidden_states"]
        states.append((before, output[0] if isinstance(output, tuple) else output))

    blocks = [model.get_submodule(name) for name in names]
    hooks = [block.register_forward_hook(keep, with_kwargs=True) for block in blocks]
    with torch.no_grad():
        model(**batch)
    for hook in hooks:
        hook.remove()
    return states


def block_influence(case):
    """From the states of tokens, without padding."""
    totals, n_tokens = [0.0] * 3, 0
    for batch in case.batches:
        mask = batch["attention_mask"].flatten(0, -2).bool()
        n_tokens += int(mask.sum())
        for block, pair in enumerate(states_of(case.model, case.blocks, batch)):
            before, after = (states[mask].double() for states in pair)
            totals[block] += float((1 - torch.cosine_similarity(before, after, dim=-1)).sum())
    return [total / n_tokens for total in totals]


PLAIN = {
    "grad_norm": grad_norm,
    "relative_grad_norm": relative_grad_norm,
    "fisher": fisher,
    "taylor": taylor,
    "leave_one_out": leave_one_out,
    "solo": solo,
    "block_influence": block_influence,
}


@pytest.mark.parametrize(("kind", "architecture"), CASES)
def test_scores_are_those_of_a_plain_computation(kind, architecture):
    case = Case(kind, architecture)
    for name, plain in PLAIN.items():
        expected = plain(case)
        found = get_metric(name).scores(case.probe)
        assert found == pytest.approx(expected, rel=1e-3, abs=2e-6), name
        assert len(set(expected)) == 3, name
