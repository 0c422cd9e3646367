"""Compares each shortcut with the plain forward pass of transformers, on a sample of the data.

A shortcut finds out from one model how it works; what it finds may be wrong for the next. So
before anything is trained, outputs and gradients with each shortcut are compared with those
without any, and what differs is left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from progsearch.engine.batches import Batch
from progsearch.engine.shortcuts.base import Shortcut
from progsearch.engine.shortcuts.frozen_prefix import FrozenPrefix
from progsearch.engine.shortcuts.head_token import HeadToken
from progsearch.engine.shortcuts.occurring_rows import OccurringRows
from progsearch.engine.shortcuts.passes import Passes, difference, largest, row_difference
from progsearch.engine.shortcuts.unread_embeddings import UnreadEmbeddings
from progsearch.errors import ModelError
from progsearch.models.anatomy import Anatomy
from progsearch.models.trainable import TrainableParameters
from progsearch.schedule import Stage
from progsearch.tasks import Split
from progsearch.tasks.types.base import logits

CHECKED: tuple[type[Shortcut], ...] = (HeadToken, FrozenPrefix, UnreadEmbeddings, OccurringRows)
"""The shortcuts that are compared. Recorded steps repeat kernels, whatever these compute."""

# The largest differences, relative to the largest value: of outputs, and of gradients.
_OUTPUTS, _GRADIENTS = 1e-5, 1e-4
# By how much a row's outputs may change with its padding if its states are kept for batches that
# are padded otherwise, and if the model is to be used at all. Some models read a little of it,
# such as ConvBERT by its convolutions.
_PADDING, _MOST_PADDING = 1e-4, 1e-2
# Tensors of other shapes round differently. How much in this model shows when padding changes;
# shortcuts change more shapes than that.
_ROUNDING = 4

_Case = tuple[Sequence[Stage], Sequence[Batch]]

# What models raise if they are given what they do not take.
_FAILURES = (
    AssertionError,
    AttributeError,
    IndexError,
    KeyError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True)
class Finding:
    """What the comparison of one shortcut came to.

    Attributes:
        shortcut: The name of its class.
        title: What it is called in messages.
        outputs: The largest difference of an output, relative to the largest; None if it could
            not be compared.
        gradients: The same of gradients of trained parameters.
        reason: Why it is left out; None if it is used.
    """

    shortcut: str
    title: str
    outputs: float | None
    gradients: float | None
    reason: str | None


@dataclass(frozen=True)
class Check:
    """What the comparison of all shortcuts for a model and its data came to.

    Attributes:
        padding: By how much a row's outputs change with its padding, relative to the largest.
        findings: One per shortcut.
    """

    padding: float
    findings: tuple[Finding, ...]

    @property
    def left_out(self) -> tuple[type[Shortcut], ...]:
        """The kinds that must not be used."""
        names = {finding.shortcut for finding in self.findings if finding.reason}
        return tuple(kind for kind in CHECKED if kind.__name__ in names)

    @property
    def notes(self) -> dict[str, str]:
        """One line for each shortcut that is left out, by the name of its class."""
        return {
            finding.shortcut: f"trained without the shortcut {finding.title}: {finding.reason}"
            for finding in self.findings
            if finding.reason
        }


def check_shortcuts(
    model: PreTrainedModel,
    anatomy: Anatomy,
    trainable: TrainableParameters,
    split: Split,
    keep: Callable[[Any], Tensor] = logits,
    *,
    each: bool = False,
) -> Check:
    """Compare the shortcuts with the plain forward pass.

    Args:
        model: In fp32, on its device; its flags and modes are changed.
        anatomy: Its parts.
        trainable: What its method trains.
        split: The training data, of which a few rows are used.
        keep: What is compared of an output; see `TaskType.keep`.
        each: Whether each shortcut is compared on its own, even if all are right together.

    Raises:
        ModelError: The model cannot be run on the data, or what it gives for a text depends on
            how the text is padded.
    """
    passes = Passes(model.eval(), anatomy, trainable, split, keep)
    kind = type(model).__name__
    try:
        comparison = _Comparison(passes, anatomy.n_blocks)
    except _FAILURES as error:
        raise ModelError(
            f"{kind} cannot be run on this data: {_first_line(error)}; choose another model"
        ) from error
    if not math.isfinite(comparison.scale):
        raise ModelError(
            f"{kind} gives outputs that are not finite on this data; look for broken weights"
        )
    if comparison.padding > _MOST_PADDING:
        raise ModelError(
            f"{kind} gives a text other outputs if it is padded on the right (by "
            f"{comparison.padding:.1g} of the largest), so results would depend on which texts "
            "share a batch; choose a model that ignores such padding"
        )
    findings = None if each else comparison.together(CHECKED)
    check = Check(comparison.padding, findings or comparison.each())
    used = [shortcut for shortcut in CHECKED if shortcut not in check.left_out]
    if findings is None and comparison.together(used) is None:
        reason = "outputs or gradients would differ together with other shortcuts"
        found = tuple(replace(f, reason=f.reason or reason) for f in check.findings)
        return replace(check, findings=found)
    return check


class _Comparison:
    """Compares shortcuts with plain passes.

    Attributes:
        scale: The largest absolute output.
        padding: By how much a row's outputs change with its padding, relative to that.
    """

    def __init__(self, passes: Passes, n_blocks: int) -> None:
        self._passes = passes
        full = Stage(0.0, 1.0, tuple(range(n_blocks)), embeddings=True)
        last = Stage(0.0, 1.0, (n_blocks - 1,), embeddings=False)
        self._head = Stage(0.0, 1.0, (), embeddings=False)
        # A long row would make a pass that trains all of a model take long, and shows nothing
        # there that it does not show where less is trained.
        self._cases: list[_Case] = [
            ([full], [passes.short]),
            ([last, self._head], [passes.short, passes.long]),
        ]
        self._plain = [passes.passed(*case) for case in self._cases]
        self.scale = largest(row for passed in self._plain[-1] for row in passed.outputs)
        single = [row for batch in passes.single for row in passes.outputs(batch)]
        self.padding = max(
            row_difference(passes.outputs(passes.short), single, self.scale),
            row_difference(passes.outputs(passes.wide), single[:1], self.scale),
        )

    def together(self, kinds: Sequence[type[Shortcut]]) -> tuple[Finding, ...] | None:
        """The findings if shortcuts are right together; else None."""
        try:
            outputs, gradients = self._differences(kinds)
        except torch.OutOfMemoryError:
            raise
        except _FAILURES:
            return None
        if self._reason(outputs, gradients) or (FrozenPrefix in kinds and self._changes()):
            return None
        return tuple(Finding(k.__name__, k.title, outputs, gradients, None) for k in kinds)

    def each(self) -> tuple[Finding, ...]:
        """The finding of each shortcut, which is active with those that it builds on alone."""
        prefix = self._compared(FrozenPrefix)
        prefix = replace(prefix, reason=self._changes() or prefix.reason)
        if prefix.reason:
            reason = f"there is no {FrozenPrefix.title}, which it builds on"
            unread = Finding(UnreadEmbeddings.__name__, UnreadEmbeddings.title, None, None, reason)
            token = self._compared(HeadToken)
        else:
            unread = self._compared(UnreadEmbeddings, FrozenPrefix)
            token = self._compared(HeadToken, FrozenPrefix)
        return token, prefix, unread, self._compared(OccurringRows)

    def _compared(self, *kinds: type[Shortcut]) -> Finding:
        kind = kinds[0]
        try:
            outputs, gradients = self._differences(kinds)
        except torch.OutOfMemoryError:
            raise
        except _FAILURES as error:
            return Finding(kind.__name__, kind.title, None, None, _first_line(error))
        reason = self._reason(outputs, gradients)
        return Finding(kind.__name__, kind.title, _finite(outputs), _finite(gradients), reason)

    def _differences(self, kinds: Collection[type[Shortcut]]) -> tuple[float, float]:
        found = [
            difference(self._passes.passed(*case, kinds), plain)
            for case, plain in zip(self._cases, self._plain, strict=True)
        ]
        return max(outputs for outputs, _ in found), max(gradients for _, gradients in found)

    def _reason(self, outputs: float, gradients: float) -> str | None:
        rounding = _ROUNDING * min(self.padding, _PADDING)
        limits = max(_OUTPUTS, rounding), max(_GRADIENTS, rounding * _GRADIENTS / _OUTPUTS)
        names = "outputs", "gradients"
        for name, value, limit in zip(names, (outputs, gradients), limits, strict=True):
            if math.isinf(value):
                return f"{name} would have another shape or be not finite"
            if value > limit:
                return f"{name} would differ by {value:.1g} of the largest"
        return None

    def _changes(self) -> str | None:
        """Why what frozen blocks give a text is not always the same; None if it is."""
        if self.padding > _PADDING:
            return f"outputs change with padding, by {self.padding:.1g} of the largest"
        before = self._passes.frozen_states(self._head, training=False)
        after = self._passes.frozen_states(self._head, training=True)
        # All dropout in them must be off.
        if row_difference([after], [before], largest([before])) > _OUTPUTS:
            return "what frozen blocks give changes from pass to pass"
        return None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _first_line(error: Exception) -> str:
    text = str(error).strip().split("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
