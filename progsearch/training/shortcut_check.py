"""Finds out once which shortcuts are right for a model, a task and a method."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from progsearch.cache import cache_dir, content_key, keep_json, kept_json
from progsearch.config import MethodConfig, TaskConfig, method_of
from progsearch.engine.precision import arithmetic
from progsearch.engine.shortcuts.check import Check, Finding, check_shortcuts
from progsearch.methods import apply_method
from progsearch.models.anatomy import find_anatomy
from progsearch.models.head import Head
from progsearch.models.loading import load_model, load_tokenizer, model_fingerprint
from progsearch.tasks import Split, load_task_for
from progsearch.tasks.examples import Examples
from progsearch.tasks.fit import check_tokens_given
from progsearch.tasks.tokenising import tokenise
from progsearch.tasks.types.base import Keep, TaskType, logits
from progsearch.training.segments import ENVIRONMENT
from progsearch.version import CHECK_VERSION

_SENTENCES = (
    "A quiet film.",
    "The plot is thin, and the cast does not help it.",
    "Two hours that felt like one: go and see it!",
    "I would not watch it again.",
    " ".join(["It begins in a small town, where little happens, and ends far away from it."] * 12),
)


def checked_shortcuts(
    model: str, task: TaskConfig, method: MethodConfig, *, device: torch.device | None = None
) -> Check:
    """Compare the shortcuts with plain passes on the task's data, or read the stored result.

    Args:
        model: Alias, folder or hub name.
        task: The task whose training data is used.
        method: The method applied to the model.
        device: Where to compute; by default the GPU, if there is one.

    Raises:
        ProgsearchError: The model, the task or the method cannot be used, or do not fit.
    """
    device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer = load_tokenizer(model)
    data = load_task_for(model, task)
    key = content_key(
        CHECK_VERSION,
        ENVIRONMENT,
        arithmetic(device),
        model_fingerprint(model),
        tokenizer.pad_token_id,
        data.fingerprint,
        method.identity,
    )
    path = cache_dir("shortcuts") / f"{key}.json"
    check = _read(kept_json(path))
    if check is None:
        check = _compare(model, data.head, data.train, data.keep, method, device)
        keep_json(path, asdict(check))
    return check


def selfcheck(model: str, task: TaskConfig | None) -> Check:
    """Compare each shortcut separately with plain passes, on a task's data or a few sentences.

    Raises:
        ProgsearchError: As in `checked_shortcuts`.
    """
    tokenizer = load_tokenizer(model)
    if task is None:
        tokens = tokenise([list(_SENTENCES)], tokenizer, TaskType.usual_length)
        labels = np.arange(len(_SENTENCES)) % 2
        head, keep = Head(2), logits
        split = Split.of(tokens, {"labels": labels}, pad_id=tokenizer.pad_token_id)
        examples = Examples((list(_SENTENCES),), labels)
        check_tokens_given("sentences", {"train": split}, {"train": examples}, tokenizer)
    else:
        data = load_task_for(model, task)
        head, keep, split = data.head, data.keep, data.train
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return _compare(model, head, split, keep, method_of(), device, each=True)


def _compare(
    model: str,
    head: Head,
    split: Split,
    keep: Keep,
    method: MethodConfig,
    device: torch.device,
    *,
    each: bool = False,
) -> Check:
    network = load_model(model, head, pad_token_id=load_tokenizer(model).pad_token_id)
    anatomy = find_anatomy(network)
    trainable = apply_method(network, anatomy, method)
    return check_shortcuts(network.to(device), anatomy, trainable, split, keep, each=each)


def _read(known: Any) -> Check | None:
    """A stored check; None if it is missing or damaged."""
    try:
        return Check(known["padding"], tuple(Finding(**finding) for finding in known["findings"]))
    except (KeyError, TypeError):
        return None
