"""The loss of question answering without padding.

The models of transformers take the softmax of starts and ends over all positions of a batch, so
padding counts among the places at which an answer may begin, and the loss of a row depends on the
rows beside it: other batches, other micro-batches or another width would train other weights. With
padding left out, the loss is the same in any batch, and that of transformers where nothing is
padded.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle

SPAN = "AutoModelForQuestionAnswering"


def answers_questions(model: nn.Module) -> bool:
    """Whether a model scores each token as the start and the end of an answer."""
    return type(model).__name__.endswith("ForQuestionAnswering")


def base_of(model: nn.Module) -> nn.Module:
    """The model of transformers in a model of PEFT; any other model itself."""
    get_base = getattr(model, "get_base_model", None)
    return model if get_base is None else get_base()


def leave_out_padding(model: nn.Module) -> RemovableHandle:
    """Have a model for question answering leave padding out of its loss.

    Args:
        model: It must be called with arguments by their names.

    Returns:
        Its ``remove`` restores the model.
    """
    return model.register_forward_hook(_without_padding, with_kwargs=True)


def _without_padding(model: nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> Any:
    mask, starts = kwargs.get("attention_mask"), kwargs.get("start_positions")
    if mask is None or starts is None or output.loss is None:
        return None
    start = _loss(output.start_logits, starts, mask)
    end = _loss(output.end_logits, kwargs["end_positions"], mask)
    # In the order in which transformers adds them.
    output["loss"] = (start + end) / 2
    return output


def _loss(scores: Tensor, positions: Tensor, mask: Tensor) -> Tensor:
    inside = scores.masked_fill(mask == 0, torch.finfo(scores.dtype).min)
    # As in transformers, a position outside of the row does not count.
    width = scores.shape[1]
    return F.cross_entropy(inside, positions.clamp(0, width), ignore_index=width)
