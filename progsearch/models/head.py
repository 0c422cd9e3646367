"""The model head that a task needs, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SEQUENCE = "AutoModelForSequenceClassification"
TOKENS = "AutoModelForTokenClassification"
CAUSAL = "AutoModelForCausalLM"


@dataclass(frozen=True)
class Unit:
    """The unit of numbers that are trained standardised: ``mean + spread * standardised``."""

    mean: float = 0.0
    spread: float = 1.0


@dataclass(frozen=True)
class Head:
    """The head of a model for one task.

    Attributes:
        n_outputs: Number of outputs per example or token: the classes, or 1 for a number; 0 for
            the model's own vocabulary.
        label_names: Names of the classes by index; empty if there are none.
        auto_class: The class of transformers that loads the model.
        problem_type: The name of the loss in transformers; None for the model's own loss.
        is_new: Whether it is new for the task; otherwise it comes with the pre-trained model.
        replaces: Whether the head weights in the model's files are discarded because that head was
            trained for another task.
        unit: The unit in which the trained head in the model's files predicts; the loaded model
            predicts standardised numbers. None: the outputs are used as they are.
    """

    n_outputs: int
    label_names: tuple[str, ...] = ()
    auto_class: str = SEQUENCE
    problem_type: str | None = None
    is_new: bool = True
    replaces: bool = False
    unit: Unit | None = None

    @property
    def identity(self) -> tuple[str, ...]:
        """Part of keys: empty for a sequence classifier, otherwise the class that loads it."""
        kind = () if self.auto_class == SEQUENCE else (self.auto_class,)
        return (*kind, "replaces") if self.replaces else kind

    def settings(self) -> dict[str, Any]:
        """The arguments for `from_pretrained`."""
        if not self.is_new:
            return {}
        named = len(self.label_names) == self.n_outputs
        names = self.label_names if named else [f"LABEL_{i}" for i in range(self.n_outputs)]
        settings: dict[str, Any] = {
            "id2label": dict(enumerate(names)),
            "label2id": {name: index for index, name in enumerate(names)},
            # Replaces a head that was trained for another number of labels by a new one.
            "ignore_mismatched_sizes": True,
        }
        if self.problem_type is not None:
            settings["problem_type"] = self.problem_type
        return settings
