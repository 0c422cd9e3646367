"""Evaluates a saved model as users load it, with plain transformers, on the validation data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from progsearch.errors import NothingUsable
from progsearch.models.language_head import language_head
from progsearch.models.references import quiet_transformers
from progsearch.tasks import Split, TaskData

# Relative to the largest output. Both sides compute in fp32, so this is far above rounding errors
# and far below the difference of a model that computes another function.
_TOLERANCE = 1e-3
_ROWS = 32
# The logits of a batch of a language model: 512 MiB in fp32.
_LOGITS = 2**27


def check_saved(
    folder: Path,
    load: Callable[[], PreTrainedModel],
    task: TaskData,
    outputs: np.ndarray,
    *,
    device: torch.device,
) -> None:
    """Compare the outputs of a saved model with those from which its metrics were computed.

    The saved tokenizer tokenises the texts and pads the batches. The texts stay in the order of
    the data, so batches mix lengths.

    Args:
        folder: The model and its tokenizer.
        load: Loads the model.
        task: The data.
        outputs: The trained model's outputs on the validation data, as kept by the task.
        device: Where to compute.

    Raises:
        NothingUsable: The model cannot be loaded, the tokens differ, or outputs differ by more
            than rounding.
    """
    try:
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(folder)
            model = load()
    except OSError as error:
        # transformers also raises it for files that it does not understand.
        raise NothingUsable(
            f"the model saved in {folder} cannot be loaded to check it "
            f"({' '.join(str(error).split())}), so no metrics are written; the model is kept, "
            "please report this with the name of the pre-trained model"
        ) from error
    split = task.type.encode(task.examples.validation, tokenizer, task.max_length)
    if split.fingerprint() != task.validation.fingerprint():
        raise NothingUsable(
            f"the tokenizer saved in {folder} gives other tokens than the one used in training, "
            "so no metrics are written; the model is kept, use it with the tokenizer of the "
            "pre-trained model"
        )
    try:
        found = _outputs(model.to(device), tokenizer, task, split)
    except torch.OutOfMemoryError:
        # The trained model and its optimizer state are still on the GPU.
        found = _outputs(model.to("cpu"), tokenizer, task, split)
    differing = _differing_rows(found, outputs, split)
    if differing:
        here, there = (task.evaluate(kept, split)[task.metric] for kept in (outputs, found))
        raise NothingUsable(
            f"the model saved in {folder} gives other outputs in transformers than during "
            f"training, on {differing} of {len(split)} validation rows ({task.metric} "
            f"{there:.4f} instead of {here:.4f}), so no metrics are written; the model is kept, "
            "please report this with the name of the pre-trained model"
        )


@torch.no_grad()
def _outputs(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    task: TaskData,
    split: Split,
) -> np.ndarray:
    kept = []
    for start in range(0, len(split), _n_rows(model, split)):
        numbers = range(start, min(start + _n_rows(model, split), len(split)))
        rows = [split.batch([row]) for row in numbers]
        features = {
            name: [sequence for row in rows for sequence in row[name].flatten(0, -2).tolist()]
            for name in ("input_ids", "token_type_ids")
            if name in rows[0]
        }
        if split.n_choices > 1:
            lengths = split.sequence_lengths[start * split.n_choices :]
            for name, sequences in features.items():
                features[name] = [s[:n] for s, n in zip(sequences, lengths, strict=False)]
        batch = tokenizer.pad(features, return_attention_mask=True, return_tensors="pt").to(
            model.device
        )
        targets = {name: row.to(model.device) for name, row in split.batch(numbers).items()}
        output = task.keep(model(**_in_rows(batch, split)), targets)
        kept.append(output[batch["attention_mask"].bool()] if split.keeps_tokens else output)
    return torch.cat(kept).cpu().numpy()


def _n_rows(model: PreTrainedModel, split: Split) -> int:
    """The rows of a batch: few enough for the logits of a whole vocabulary, if there are such."""
    if language_head(model) is None:
        return _ROWS
    of_row = int(split.lengths.max()) * int(model.config.get_text_config().vocab_size)
    return max(1, min(_ROWS, _LOGITS // of_row))


def _in_rows(batch: Mapping[str, Tensor], split: Split) -> dict[str, Tensor]:
    """A batch of sequences in the shape of a batch of the split."""
    if split.n_choices == 1:
        return dict(batch)
    shape = (-1, split.n_choices)
    return {name: values.reshape(*shape, values.shape[-1]) for name, values in batch.items()}


def _differing_rows(found: np.ndarray, outputs: np.ndarray, split: Split) -> int:
    """The number of rows whose outputs differ by more than rounding."""
    allowed = _TOLERANCE * max(1.0, float(np.abs(outputs).max(initial=0)))
    close = np.isclose(found, outputs, rtol=0, atol=allowed, equal_nan=True)
    close = close.reshape(len(close), -1).all(axis=1)
    if split.keeps_tokens:
        return len(np.unique(np.repeat(np.arange(len(split)), split.lengths)[~close]))
    return int((~close).sum())
