"""Which shortcuts a model can take on a task under a method, found once and kept."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import Any

import torch

from progsearch.cache import cache_dir, content_key, keep_json, read_json
from progsearch.config import MethodConfig, TaskConfig
from progsearch.engine.precision import arithmetic
from progsearch.engine.shortcuts.check import Check, Finding, check_shortcuts
from progsearch.methods import apply_method
from progsearch.models.anatomy import find_anatomy
from progsearch.models.loading import load_model, load_tokenizer, model_fingerprint
from progsearch.tasks import TaskData, load_task
from progsearch.training.segments import ENVIRONMENT
from progsearch.version import CHECK_VERSION

_log = logging.getLogger(__name__)


def checked_shortcuts(
    model: str, task: TaskConfig, method: MethodConfig, *, device: torch.device | None = None
) -> Check:
    """Compare the shortcuts with plain passes on the task's data, or read what that came to.

    Args:
        model: Alias, folder or hub name.
        task: Whose training data is used.
        method: What is inserted and trained.
        device: Where it trains; by default the GPU, if there is one.

    Raises:
        ProgsearchError: The model, the task or the method cannot be used, or do not fit.
    """
    device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer = load_tokenizer(model)
    data = load_task(task, tokenizer)
    key = content_key(
        CHECK_VERSION,
        ENVIRONMENT,
        arithmetic(device),
        model_fingerprint(model),
        tokenizer.pad_token_id,
        data.fingerprint,
        method.own_fields(),
    )
    path = cache_dir("shortcuts") / f"{key}.json"
    check = _read(read_json(path))
    if check is None:
        check = compare(model, data, method, device)
        keep_json(path, asdict(check))
    for note in check.notes.values():
        _log.info("%s: %s", model, note)
    return check


def compare(model: str, data: TaskData, method: MethodConfig, device: torch.device) -> Check:
    """As `checked_shortcuts`, without the cache."""
    network = load_model(model, data.head, pad_token_id=load_tokenizer(model).pad_token_id)
    anatomy = find_anatomy(network)
    trainable = apply_method(network, anatomy, method)
    return check_shortcuts(network.to(device), anatomy, trainable, data.train, data.keep)


def _read(known: Any) -> Check | None:
    """A check as it was kept; None if it is missing or damaged."""
    try:
        return Check(known["padding"], tuple(Finding(**finding) for finding in known["findings"]))
    except (KeyError, TypeError):
        return None
