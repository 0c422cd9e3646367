"""Asks a language model for answers, and counts those that are right."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from progsearch.errors import TaskError
from progsearch.models.anatomy import evaluating

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Generation stops here, if the model does not stop by itself.
_MOST_TOKENS = 256
# Tokens beyond those of the longest right answer.
_MORE = 8
_ROWS = 8


@dataclass(frozen=True)
class Question:
    """A prompt, and the answer that the data gives.

    Attributes:
        prompt: Its tokens.
        answer: The answer as text.
    """

    prompt: list[int]
    answer: str


def pattern_of(pattern: str) -> re.Pattern[str]:
    """The regular expression that finds what must be right of an answer.

    Raises:
        TaskError: It is none.
    """
    try:
        return re.compile(pattern)
    except re.error as error:
        raise TaskError(
            f"--answer-pattern {pattern!r} is no regular expression ({error}): correct it"
        ) from None


def found_in(text: str, pattern: re.Pattern[str]) -> str | None:
    """The last match in a text, of it the first group if there are groups; None without one.

    Matches of nothing do not count: ``(.*)`` has one at the end of every text.
    """
    group = 1 if pattern.groups else 0
    found = [match.group(group) or "" for match in pattern.finditer(text)]
    return next((words for words in map(str.strip, reversed(found)) if words), None)


def exact_match(
    model: PreTrainedModel,
    tokenizer: Any,
    questions: Sequence[Question],
    pattern: re.Pattern[str],
) -> float:
    """The share of questions for which the model generates what the answer has.

    The most likely token is taken each time. Generation is capped at 8 tokens more than the
    longest answer has, and at 256.

    Args:
        model: A language model with its whole vocabulary; it is not changed.
        tokenizer: The model's, with a padding token.
        questions: At least one.
        pattern: Finds what is compared.
    """
    answers = [tokenizer(q.answer, add_special_tokens=False)["input_ids"] for q in questions]
    most = min(_MOST_TOKENS, max(map(len, answers)) + _MORE)
    order = sorted(range(len(questions)), key=lambda number: len(questions[number].prompt))
    right = 0
    with evaluating(model):
        for start in range(0, len(order), _ROWS):
            rows = [questions[number] for number in order[start : start + _ROWS]]
            for row, text in zip(rows, _generated(model, tokenizer, rows, most), strict=True):
                wanted = found_in(row.answer, pattern)
                right += wanted is not None and found_in(text, pattern) == wanted
    return right / len(questions)


def _generated(
    model: PreTrainedModel, tokenizer: Any, rows: Sequence[Question], most: int
) -> list[str]:
    """What the model writes after each prompt."""
    import torch

    width = max(len(row.prompt) for row in rows)
    padding = tokenizer.pad_token_id
    # On the left, so that what is generated follows each prompt.
    ids = torch.tensor([[padding] * (width - len(r.prompt)) + r.prompt for r in rows])
    mask = torch.tensor([[0] * (width - len(r.prompt)) + [1] * len(r.prompt) for r in rows])
    made: Any = model.generate(
        input_ids=ids.to(model.device),
        attention_mask=mask.to(model.device),
        max_new_tokens=most,
        do_sample=False,
        use_cache=True,
        pad_token_id=padding,
        eos_token_id=tokenizer.eos_token_id,
    )
    texts: list[str] = tokenizer.batch_decode(made[:, width:], skip_special_tokens=True)
    return texts
