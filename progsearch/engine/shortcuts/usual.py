"""Chooses the shortcuts of a run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from transformers import PreTrainedModel

from progsearch.config import Precision
from progsearch.engine.shortcuts.base import Shortcut
from progsearch.engine.shortcuts.frozen_prefix import FrozenPrefix
from progsearch.engine.shortcuts.head_token import HeadToken
from progsearch.engine.shortcuts.occurring_rows import OccurringRows, keep_occurring_rows
from progsearch.engine.shortcuts.recorded_steps import RecordedSteps, recordable
from progsearch.engine.shortcuts.target_tokens import TargetTokens
from progsearch.engine.shortcuts.unread_embeddings import UnreadEmbeddings
from progsearch.models.anatomy import Anatomy
from progsearch.store import Store
from progsearch.tasks import Split


def usual_shortcuts(
    model: PreTrainedModel,
    anatomy: Anatomy,
    precision: Precision,
    *,
    trained: Collection[str],
    splits: Sequence[Split],
    store: Store | None = None,
    origin: Callable[[int], Sequence[Any]] = lambda step: [step],
    left_out: Collection[type[Shortcut]] = (),
    only: Collection[type[Shortcut]] = (Shortcut,),
) -> list[Shortcut]:
    """All shortcuts that work with this model, in the order in which they are active.

    Some change the model in place, so create them after the model is on its device and before its
    optimizer.

    Args:
        model: The model, on the device where it will be trained.
        anatomy: Its parts.
        precision: The resolved precision of the training.
        trained: Names of the parameters that will be trained.
        splits: All examples that the model will see, the training data first.
        store: Shares the output of frozen prefixes with other runs.
        origin: Given a step, everything that determines the weights there, as JSON-able data.
        left_out: Classes to leave out; shortcuts that need them are left out too.
        only: The classes to use, except those that are left out.
    """
    shortcuts: list[Shortcut] = []

    def takes(kind: type[Shortcut]) -> bool:
        return issubclass(kind, tuple(only)) and not issubclass(kind, tuple(left_out))

    if takes(OccurringRows):
        rows = keep_occurring_rows(model, trained, splits)
        shortcuts += [] if rows is None else [rows]
    head_token = prefix = None
    if takes(HeadToken):
        head_token = HeadToken.found(model, anatomy, splits[0])
        shortcuts.append(head_token)
    if takes(FrozenPrefix):
        prefix = FrozenPrefix(model, anatomy, head_token, store, origin)
        shortcuts.append(prefix)
        if takes(UnreadEmbeddings):
            shortcuts.append(UnreadEmbeddings(model, anatomy, prefix))
    targets = None
    if takes(TargetTokens):
        targets = TargetTokens.found(model, splits[0])
        shortcuts += [] if targets is None else [targets]
    if takes(RecordedSteps) and can_record(model, precision):
        device = next(model.parameters()).device
        shortcuts.append(RecordedSteps(device, prefix, counts_targets=targets is not None))
    return shortcuts


def can_record(model: PreTrainedModel, precision: Precision) -> bool:
    """Whether steps of ``model``, on its device, can be recorded."""
    # Not in fp16, where a scaler works on the gradients before the optimizer does.
    on_gpu = next(model.parameters()).device.type == "cuda" and precision != "fp16"
    return on_gpu and recordable(model)
