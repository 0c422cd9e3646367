"""Compares each shortcut with the plain forward pass of transformers, on a sample of the data.

A shortcut relies on properties that it detects in a model, and the detection may fail for a new
model. So before training, outputs and gradients with each shortcut are compared with those of
plain passes, and shortcuts that change them are disabled.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import torch
from transformers import PreTrainedModel

from progsearch.engine.batches import Batch
from progsearch.engine.shortcuts.base import Shortcut
from progsearch.engine.shortcuts.frozen_prefix import FrozenPrefix
from progsearch.engine.shortcuts.head_token import HeadToken
from progsearch.engine.shortcuts.occurring_rows import OccurringRows
from progsearch.engine.shortcuts.passes import Passes, difference, largest, row_difference
from progsearch.engine.shortcuts.recorded_steps import RecordedSteps
from progsearch.engine.shortcuts.target_tokens import TargetTokens, applies
from progsearch.engine.shortcuts.unread_embeddings import UnreadEmbeddings
from progsearch.engine.shortcuts.usual import can_record
from progsearch.errors import ModelError
from progsearch.models.anatomy import Anatomy
from progsearch.models.trainable import TrainableParameters
from progsearch.numerals import whole_percent
from progsearch.schedule import Stage
from progsearch.tasks import Split
from progsearch.tasks.types.base import Keep, logits

CHECKED: tuple[type[Shortcut], ...] = (
    HeadToken,
    FrozenPrefix,
    UnreadEmbeddings,
    OccurringRows,
    TargetTokens,
    RecordedSteps,
)
"""The compared shortcuts, as far as they are used: recorded steps only on a GPU."""

# The largest allowed differences of outputs and of gradients, relative to the largest value.
_OUTPUTS, _GRADIENTS = 1e-5, 1e-4
# The largest allowed change of a row's outputs with its padding: for caching states across batches
# with different padding, and for using the model at all. Some models read a little of the padding,
# such as ConvBERT through its convolutions.
_PADDING, _MOST_PADDING = 1e-4, 1e-2
# Tensors of other shapes round differently. The effect of padding measures this for a model;
# shortcuts change more shapes than padding does, hence this factor.
_ROUNDING = 4

_Case = tuple[Sequence[Stage], Sequence[Batch]]

# Errors that models raise for unsupported inputs.
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
    """The result of comparing one shortcut.

    Attributes:
        shortcut: The name of its class.
        title: Its name in messages.
        outputs: The largest difference of an output, relative to the largest output; None if it
            could not be compared.
        gradients: The same for gradients of trained parameters.
        reason: Why it is disabled; None if it is used.
    """

    shortcut: str
    title: str
    outputs: float | None
    gradients: float | None
    reason: str | None


@dataclass(frozen=True)
class Check:
    """The result of comparing all shortcuts for a model and its data.

    Attributes:
        padding: The change of a row's outputs with its padding, relative to the largest output.
        findings: One per shortcut.
    """

    padding: float
    findings: tuple[Finding, ...]

    @property
    def left_out(self) -> tuple[type[Shortcut], ...]:
        """The shortcuts that must not be used."""
        names = {finding.shortcut for finding in self.findings if finding.reason}
        return tuple(kind for kind in CHECKED if kind.__name__ in names)

    @property
    def notes(self) -> dict[str, str]:
        """One line for each disabled shortcut, by the name of its class."""
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
    keep: Keep = logits,
    *,
    each: bool = False,
) -> Check:
    """Compare the shortcuts with the plain forward pass.

    Args:
        model: In fp32, on its device; its flags and modes are changed.
        anatomy: Its parts.
        trainable: The parameters that its method trains.
        split: The training data, of which a few rows are used.
        keep: The part of an output to compare; see `TaskType.keep`.
        each: Whether to compare each shortcut separately even if all are right together.

    Raises:
        ModelError: The model cannot be run on the data, or its output for a text depends on the
            padding.
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
            f"{kind} gives outputs that are not finite on this data; check its weights"
        )
    if comparison.padding > _MOST_PADDING:
        raise ModelError(
            f"{kind} gives a text another output if it is padded on the right (it may read the "
            f"last position or expect padding on the left; the outputs change by "
            f"{whole_percent(comparison.padding)} of the largest), so results would depend on "
            "which texts share a batch; choose a model that ignores such padding"
        )
    unused = [
        *([] if can_record(model, "fp32") else [RecordedSteps]),
        *([] if applies(model, split) else [TargetTokens]),
    ]
    kinds = [kind for kind in CHECKED if kind not in unused]
    findings = None if each else comparison.together(kinds)
    check = Check(comparison.padding, findings or comparison.each(kinds))
    used = [shortcut for shortcut in kinds if shortcut not in check.left_out]
    if findings is None and comparison.together(used) is None:
        reason = "outputs or gradients would differ in combination with other shortcuts"
        found = tuple(replace(f, reason=f.reason or reason) for f in check.findings)
        return replace(check, findings=found)
    return check


class _Comparison:
    """Compares shortcuts with plain passes.

    Attributes:
        scale: The largest absolute output.
        padding: The change of a row's outputs with its padding, relative to `scale`.
    """

    def __init__(self, passes: Passes, n_blocks: int) -> None:
        self._passes = passes
        full = Stage(0.0, 1.0, tuple(range(n_blocks)), embeddings=True)
        last = Stage(0.0, 1.0, (n_blocks - 1,), embeddings=False)
        self._head = Stage(0.0, 1.0, (), embeddings=False)
        # The long row is not used with full training: that would be slow and would show nothing
        # more than partial training.
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
        """The findings if the shortcuts are right together; otherwise None."""
        try:
            outputs, gradients = self._differences(kinds)
        except torch.OutOfMemoryError:
            raise
        except _FAILURES:
            return None
        if self._reason(outputs, gradients) or (FrozenPrefix in kinds and self._changes()):
            return None
        return tuple(Finding(k.__name__, k.title, outputs, gradients, None) for k in kinds)

    def each(self, kinds: Collection[type[Shortcut]]) -> tuple[Finding, ...]:
        """The finding of each of ``kinds``, active only with the shortcuts that it builds on."""
        prefix = self._compared(FrozenPrefix)
        prefix = replace(prefix, reason=self._changes() or prefix.reason)
        if prefix.reason:
            reason = f"there is no {FrozenPrefix.title}, which it builds on"
            unread = Finding(UnreadEmbeddings.__name__, UnreadEmbeddings.title, None, None, reason)
            token = self._compared(HeadToken)
        else:
            unread = self._compared(UnreadEmbeddings, FrozenPrefix)
            token = self._compared(HeadToken, FrozenPrefix)
        others = (OccurringRows, TargetTokens, RecordedSteps)
        alone = [self._compared(kind) for kind in others if kind in kinds]
        return token, prefix, unread, *alone

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
                return f"{name} would have another shape or not be finite"
            if value > limit:
                return f"{name} would differ by {value:.1g} of the largest"
        return None

    def _changes(self) -> str | None:
        """Why the output of frozen blocks for a text is not constant; None if it is constant."""
        if self.padding > _PADDING:
            return f"outputs change with padding, by {self.padding:.1g} of the largest"
        before = self._passes.frozen_states(self._head, training=False)
        after = self._passes.frozen_states(self._head, training=True)
        # All dropout in frozen blocks must be off.
        if row_difference([after], [before], largest([before])) > _OUTPUTS:
            return "the output of frozen blocks changes from pass to pass"
        return None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _first_line(error: Exception) -> str:
    text = str(error).strip().split("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
