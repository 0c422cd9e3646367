"""A task type as another package would add it: the number of tokens modulo 3, of every token.

Nothing of it lies in progsearch: an entry point of the group ``progsearch.task_types`` names it.
"""

from __future__ import annotations

import numpy as np

from progsearch.models.head import Head
from progsearch.tasks.examples import Examples, TextTask
from progsearch.tasks.split import Split
from progsearch.tasks.tokenising import tokenise
from progsearch.tasks.types import Metric, TaskType


class TokensModulo3(TaskType):
    """Per token: how many tokens the text has, modulo 3."""

    name = "tokens-modulo-3"
    description = "a class per token that follows from the number of tokens"
    metrics = (Metric("token_accuracy"),)

    def read(self, source, config):
        """The text column alone; the answers follow from the tokens."""

        def examples(table):
            texts = [str(text) for text in table.column("text")]
            return Examples((texts,), [None] * len(texts))

        train = examples(source.train)
        validation = examples(source.validation or source.train)
        head = Head(3, ("0", "1", "2"), auto_class="AutoModelForTokenClassification")
        return TextTask(source.name, self, train, validation, head, ("token_accuracy",))

    def encode(self, examples, tokenizer, max_length):
        """One target per token."""
        tokens = tokenise(examples.texts, tokenizer, max_length)
        targets = {"labels": np.repeat(tokens.lengths % 3, tokens.lengths)}
        return Split.of(tokens, targets, per_token=True, pad_id=tokenizer.pad_token_id)

    def evaluate(self, names, kept, split):
        """The share of tokens with the right class."""
        right = kept.argmax(axis=-1) == split.targets["labels"].numpy()
        return {"token_accuracy": float(right.mean())}

    def constant(self, name, split):
        """The share of the most frequent class."""
        counts = np.bincount(split.targets["labels"].numpy())
        return float(counts.max() / counts.sum())
