"""Tiny models and data of every type of task."""

from collections.abc import Callable

import torch

from progsearch.models.span_loss import SPAN, leave_out_padding
from progsearch.tasks import Split
from tests.support.runs import (
    language_split,
    tagged_split,
    tiny_choice_split,
    tiny_span_split,
    tiny_split,
)
from tests.support.tiny import tiny_language_model, tiny_model

TYPES = ("sequence", "span", "tokens", "multiple-choice", "causal-lm")
HEADS = {
    "span": SPAN,
    "tokens": "AutoModelForTokenClassification",
    "multiple-choice": "AutoModelForMultipleChoice",
}
_SPLITS: dict[str, Callable[..., Split]] = {
    "sequence": tiny_split,
    "span": tiny_span_split,
    "tokens": tagged_split,
    "multiple-choice": tiny_choice_split,
    "causal-lm": language_split,
}
FAMILIES = ("bert", "llama", "qwen2")
CASES = [
    (kind, name)
    for kind in TYPES
    for name in FAMILIES
    # Decoders have no head for choices, and BERT-like models do not continue texts.
    if (kind, name == "bert") not in {("multiple-choice", False), ("causal-lm", True)}
]

_NO_CHANGE = {
    # What is added to the scores of all tokens or of all choices changes no loss, so gradients
    # are zero up to rounding, of which Adam makes steps as large as any.
    "span": ("qa_outputs.bias", "layer.2.output.LayerNorm.bias"),
    "multiple-choice": ("classifier.bias",),
}


def without_dropout(model):
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if isinstance(getattr(module, "dropout_prob", None), float):
            module.dropout_prob = 0.0
    return model


def model_of(kind, name="bert"):
    """A model of a type without dropout; Qwen's language model has a tied token table."""
    if kind == "causal-lm":
        return without_dropout(tiny_language_model(name, tied=name == "qwen2"))
    head = HEADS.get(kind, "AutoModelForSequenceClassification")
    n_labels = 3 if kind == "tokens" else 2
    model = without_dropout(tiny_model(name, n_labels, auto_class=head, pad_token_id=0))
    if kind == "span":
        leave_out_padding(model)
    return model


def split_of(kind, n_rows=24):
    return _SPLITS[kind](n_rows)


def that_matter(kind, weights):
    """Weights without those that no loss depends on."""
    noise = (*_NO_CHANGE.get(kind, ()), "key.bias", "k_proj.bias")
    return {name: w for name, w in weights.items() if not name.endswith(noise)}
