"""Causal language modelling: each target token is predicted from the tokens before it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from progsearch.config import TaskConfig
from progsearch.models.head import CAUSAL, Head
from progsearch.models.token_scores import IGNORED, TargetOutput, scores_of
from progsearch.tasks.answering import exact_match, pattern_of
from progsearch.tasks.examples import Examples, TextTask
from progsearch.tasks.next_tokens import (
    full_lengths,
    split_of_documents,
    split_of_pieces,
    with_own_padding,
)
from progsearch.tasks.sampling import spread_subset
from progsearch.tasks.sources.missing import complete_rows
from progsearch.tasks.sources.source import Source
from progsearch.tasks.sources.table import Table
from progsearch.tasks.split import Split
from progsearch.tasks.types.base import Metric, TaskType
from progsearch.tasks.types.instructions import known_layout, layout_of
from progsearch.tasks.types.language_examples import (
    as_form,
    check_answers,
    form_of,
    general_text,
    held_out,
    note_on,
    pieces_of,
    questions_of,
)
from progsearch.tasks.types.metrics import if_finite

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel


FORGETTING, EXACT = "forgetting", "exact_match"
AT_END = (FORGETTING, EXACT)
"""The metrics that are measured once, at the end of a run."""

_QUESTIONS = 64

_LANGUAGE = ("likelihood", "loss", "perplexity")


class CausalLM(TaskType):
    """The next token; the loss is the cross entropy of the target tokens.

    A row is a text, a prompt with its completion or a conversation. Of a text all tokens are
    targets; else those of completions and of the assistant's answers are, with the end token.
    The model's head is pre-trained; see `progsearch.models.language_head`.
    """

    name = "causal-lm"
    description = "the next token: of texts, or of completions and answers to instructions"
    metrics = (
        Metric(
            "likelihood",
            description="geometric mean of the target tokens' probabilities, 1 / perplexity",
        ),
        Metric(
            "loss",
            higher_is_better=False,
            worst=math.inf,
            maximised_as="likelihood",
            description="mean cross entropy of the target tokens, in nats",
        ),
        Metric(
            "perplexity",
            higher_is_better=False,
            worst=math.inf,
            maximised_as="likelihood",
            description="exponential of the loss",
        ),
        Metric("token_accuracy", description="share of the target tokens that are most likely"),
        Metric(
            EXACT,
            description="share of generated answers in which --answer-pattern finds the right "
            "thing; not to choose by",
        ),
        Metric(
            FORGETTING,
            higher_is_better=False,
            worst=math.inf,
            description="loss on --general-file after the training minus before; not to choose "
            "by, but an objective of searches",
        ),
    )
    usual_length: ClassVar[int] = 1024
    # Alpaca (Taori et al. 2023) and TRL's SFTTrainer; methods multiply it, LoRA by ten.
    learning_rate: ClassVar[float | None] = 2e-5
    text_files = "text"
    counts_rows: ClassVar[bool] = True
    references: ClassVar[tuple[str, ...]] = ("middle",)

    def __init__(self, pattern: str | None = None) -> None:
        """Set what of a generated answer must be right, if answers are generated."""
        self._pattern = pattern

    @property
    def identity(self) -> tuple[str, ...]:
        """See `TaskType.identity`."""
        return () if self._pattern is None else (self._pattern,)

    def recognises(self, source: Source, config: TaskConfig) -> bool:
        """Whether the columns have the names of instruction data, and the user names none."""
        if config.metric is not None and config.metric in [m.name for m in self.metrics]:
            return True
        return not (config.text_columns or config.label_column or config.metric) and (
            known_layout(source.train) is not None
        )

    def read(self, source: Source, config: TaskConfig) -> TextTask:
        """See `TaskType.read`."""
        layout = layout_of(source.train, config)
        required, label = layout.required, layout.required[-1]
        # A completion may be any word, such as None.
        source = replace(
            source,
            train=_as_it_is(source.train),
            validation=source.validation and _as_it_is(source.validation),
            test=source.test and _as_it_is(source.test),
        )
        source, dropped = complete_rows(source, required, label, drop=config.drop_missing)
        tables = (source.train, source.validation, source.test)
        notes = [note for table in tables if table is not None for note in table.notes]

        def examples(table: Table) -> Examples:
            return as_form(layout.form, layout.examples(table))

        train, test = examples(source.train), source.labelled_test(label)
        if source.validation is not None:
            validation = examples(source.validation)
        else:
            train, validation = held_out(source.train.source, train, layout)
        if config.answer_pattern is not None:
            check_answers(validation, config.answer_pattern)
        return TextTask(
            name=source.name,
            type=type(self)(config.answer_pattern),
            train=train,
            validation=validation,
            head=Head(0, auto_class=CAUSAL, is_new=False),
            metrics=(*_LANGUAGE, "token_accuracy"),
            text_columns=layout.prompts,
            label_column=layout.completion,
            extra_validation=general_text(source),
            test=None if test is None else examples(test),
            notes=(*notes, *dropped, *note_on(source.train, layout)),
        )

    def fitting_metrics(self, task: TextTask) -> tuple[str, ...]:
        """Those that are measured in every epoch."""
        return tuple(name for name in super().fitting_metrics(task) if name not in AT_END)

    def targets_in_words(self, head: Head) -> str:
        """See `TaskType.targets_in_words`."""
        return "tokens as targets"

    def adapted(self, tokenizer: Any) -> Any:
        """With a padding token apart from the end token, as far as the vocabulary has one."""
        return with_own_padding(tokenizer)

    def encode(self, examples: Examples, tokenizer: Any, max_length: int) -> Split:
        """See `TaskType.encode`: targets per token; a text longer than a row has several rows."""
        if form_of(examples) == "text":
            return split_of_documents(examples.texts[0], tokenizer, max_length)
        whole = form_of(examples) == "messages"
        return split_of_pieces(pieces_of(examples, tokenizer), tokenizer, max_length, whole=whole)

    def lengths(self, examples: Examples, tokenizer: Any) -> list[int]:
        """See `TaskType.lengths`."""
        whole = form_of(examples) == "messages"
        return full_lengths(pieces_of(examples, tokenizer), tokenizer, whole=whole)

    def keep(self, output: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """Loss and margin of each target token; see `progsearch.models.token_scores`."""
        if isinstance(output, TargetOutput):
            assert output.scores is not None, "a model in training gives no scores"
            return output.scores
        return scores_of(output.logits, batch["labels"])

    @property
    def generates(self) -> bool:
        """See `TaskType.generates`."""
        return self._pattern is not None

    def at_end(
        self, model: PreTrainedModel, tokenizer: Any, examples: Examples, max_length: int
    ) -> dict[str, float]:
        """The exact match of answers to a fixed part of the questions."""
        if self._pattern is None:
            return {}
        rows = spread_subset(len(examples), None, _QUESTIONS)
        asked = questions_of(examples.subset(rows), tokenizer)
        asked = [question for question in asked if len(question.prompt) < max_length]
        pattern = pattern_of(self._pattern)
        return {EXACT: exact_match(model, tokenizer, asked, pattern)} if asked else {}

    @contextmanager
    def as_saved(self, model: PreTrainedModel) -> Iterator[Self]:
        """See `TaskType.as_saved`: a saved model keeps keys and values when it generates."""
        config = model.config.get_text_config()
        before, config.use_cache = config.use_cache, True
        try:
            yield self
        finally:
            config.use_cache = before

    def evaluate(self, names: Sequence[str], kept: np.ndarray, split: Split) -> dict[str, float]:
        """See `TaskType.evaluate`; means are over all target tokens of the split."""
        counted = split.targets["labels"].numpy() != IGNORED
        losses, margins = kept[counted].astype(np.float64).T
        return if_finite(names, losses, lambda name: _score(name, losses, margins))

    def constant(self, name: str, split: Split) -> float | None:
        """That of the tokens' frequencies among the targets, or of the most frequent token."""
        labels = split.targets["labels"].numpy()
        _, counts = np.unique(labels[labels != IGNORED], return_counts=True)
        shares = counts / counts.sum()
        if name == "token_accuracy":
            return float(shares.max())
        return _score(name, -np.log(np.repeat(shares, counts)), np.zeros(0))


def _score(name: str, losses: np.ndarray, margins: np.ndarray) -> float:
    if name == "token_accuracy":
        return float((margins > 0).mean())
    loss = float(losses.mean())
    match name:
        case "loss":
            return loss
        case "perplexity":
            return float(np.exp(min(loss, 700.0)))
    return float(np.exp(-loss))


def _as_it_is(table: Table) -> Table:
    return replace(table, missing_words=frozenset())
