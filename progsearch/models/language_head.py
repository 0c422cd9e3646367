"""The head of a language model, which comes with the pre-trained model."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import nn

from progsearch.errors import ModelError
from progsearch.models.anatomy import TOKENS, evaluating

# A rounding error is far below this share of the largest logit; a token that is seen is far above.
_SEEN = 1e-3


def language_head(model: nn.Module) -> nn.Module | None:
    """The module that gives a logit per token of the vocabulary; None if there is no such head.

    A head of this kind is pre-trained: a method trains what it says of it, not all of it.
    """
    get: Any = getattr(model, "get_output_embeddings", None)
    head: nn.Module | None = None if get is None else get()
    return head


def tied_table(model: nn.Module) -> nn.Parameter | None:
    """The token table that is also the weight of the language model's head; None if it is not.

    It belongs to the embeddings: it is trained and frozen with them.
    """
    head, known = language_head(model), cast(Any, model)
    if head is None:
        return None
    table: nn.Parameter | None = getattr(known.get_input_embeddings(), "weight", None)
    return table if table is not None and getattr(head, "weight", None) is table else None


def fit_to_tokenizer(model: nn.Module, tokenizer: Any) -> None:
    """Have a language model, as it is saved, stop and pad with the tokens of its tokenizer."""
    if language_head(model) is None:
        return
    known = cast(Any, model)
    settings = [known.config.get_text_config(), getattr(known, "generation_config", None)]
    for each in filter(None, settings):
        each.pad_token_id = tokenizer.pad_token_id
        stops = each.eos_token_id
        if tokenizer.eos_token_id not in (stops if isinstance(stops, list) else [stops]):
            each.eos_token_id = tokenizer.eos_token_id


def check_causal(model: nn.Module, place: str) -> None:
    """Check that the logits of a token do not depend on the tokens after it.

    Args:
        model: A model with a language model's head; it is not changed.
        place: Where it was loaded from, for the message.

    Raises:
        ModelError: They do, as in BERT, so that the model sees what it has to predict.
    """
    tokens = torch.tensor([TOKENS], device=next(model.parameters()).device)
    other = tokens.clone()
    other[0, -1] = TOKENS[0]
    with torch.no_grad(), evaluating(model):
        logits, changed = (model(input_ids=ids).logits[:, :-1] for ids in (tokens, other))
    if (logits - changed).abs().max() > _SEEN * logits.abs().max():
        raise ModelError(
            f"{place} is a {type(model).__name__}, in which a token sees those after it, so it "
            "cannot learn to predict the next token; choose a decoder, such as GPT-2, Llama, Qwen "
            "or Gemma"
        )
