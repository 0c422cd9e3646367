"""Extractive question answering: the answer to each question is a part of a text."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from progsearch.config import Answers, TaskConfig
from progsearch.errors import TaskError
from progsearch.models.head import Head
from progsearch.numerals import counted, percent
from progsearch.tasks.examples import Examples, TextTask
from progsearch.tasks.passages import Passages
from progsearch.tasks.sampling import spread_split
from progsearch.tasks.sources.missing import complete_rows
from progsearch.tasks.sources.source import Source
from progsearch.tasks.sources.table import Table
from progsearch.tasks.split import Split
from progsearch.tasks.types.answer_columns import (
    AnswerColumns,
    are_searched,
    find_columns,
    read_answers,
)
from progsearch.tasks.types.answer_spans import answers_to, windows_of
from progsearch.tasks.types.answer_tokens import lost_answers, positions
from progsearch.tasks.types.answer_words import best, exact_match, f1
from progsearch.tasks.types.base import Metric, TaskType
from progsearch.tasks.types.choice_columns import find_columns as choice_columns
from progsearch.tasks.types.columns import read_texts
from progsearch.tasks.types.metrics import if_finite
from progsearch.tasks.windows import windows

_log = logging.getLogger(__name__)

_VALIDATION_SHARE = 0.1
# The largest share of right answers that tokens may not be able to express.
_MOST_LOST = 0.05
_SCORES = {"exact_match": exact_match, "f1": f1}


class Span(TaskType):
    """The first and the last token of the answer in a text; the loss is the model's own.

    A text longer than the room is cut into windows that overlap. Each is a row with targets of its
    own, so that the loss is a mean over windows; metrics are means over questions.
    """

    name = "span"
    description = "the part of a text that answers a question"
    metrics = (
        Metric("exact_match", description="share of questions answered in the right words"),
        Metric("f1", description="words shared with the right answer, mean over questions"),
    )
    usual_length = 384

    def __init__(self, stride: int | None = None, *, none_allowed: bool = False) -> None:
        """Set the overlap of windows, and whether questions may have no answer."""
        self._stride = stride
        self._none_allowed = none_allowed

    @property
    def identity(self) -> tuple[str, ...]:
        """See `TaskType.identity`; the tokens show the overlap."""
        return ("none allowed",) if self._none_allowed else ()

    # -- from tables to examples -------------------------------------------------------------

    def recognises(self, source: Source, config: TaskConfig) -> bool:
        """Whether there are columns of questions, texts, answers and starts of answers."""
        if source.is_official:
            return False
        columns = find_columns(source, config)
        if columns is None or not columns.searched:
            return columns is not None
        return choice_columns(source, config) is None and are_searched(source, config, columns)

    def read(self, source: Source, config: TaskConfig) -> TextTask:
        """See `TaskType.read`."""
        columns = find_columns(source, config)
        if columns is None:
            raise TaskError(
                f"{source.train.source} has no questions with texts and answers (its columns are "
                f"{', '.join(source.train.columns)}): name the columns question, context, answer "
                "and answer_start (not needed if answers are words of the context), or give a "
                "file in the layout of SQuAD"
            )
        _log.info(
            "%s: question from %s, text from %s, answers from %s",
            *(source.train.source, columns.question, columns.context, columns.label),
        )
        source, notes = complete_rows(
            source, (columns.question, columns.context), columns.answer, drop=config.drop_missing
        )
        test = source.labelled_test(columns.answer)
        train = _examples(source.train, columns)
        if source.validation is not None:
            validation = _examples(source.validation, columns)
        else:
            train, validation, note = _hold_out(source.train.source, train)
            notes = (*notes, note)
        parts = [train, validation, *([] if test is None else [_examples(test, columns)])]
        none_allowed = not all(all(part.answers) for part in parts)
        return TextTask(
            name=source.name,
            type=type(self)(config.doc_stride, none_allowed=none_allowed),
            train=train,
            validation=validation,
            head=Head(2, auto_class="AutoModelForQuestionAnswering"),
            metrics=("f1", "exact_match"),
            text_columns=(columns.question, columns.context),
            label_column=columns.label,
            test=None if test is None else parts[-1],
            notes=notes,
        )

    def targets_in_words(self, head: Head) -> str:
        """See `TaskType.targets_in_words`."""
        return "answers in texts"

    def strata(self, answers: np.ndarray | Sequence[Any]) -> np.ndarray | None:
        """Whether each question has an answer; None if all have one."""
        return np.array([bool(given) for given in answers]) if self._none_allowed else None

    # -- from examples to what a model takes -------------------------------------------------

    def encode(self, examples: Examples, tokenizer: Any, max_length: int) -> Split:
        """See `TaskType.encode`: one row per window."""
        questions, contexts = examples.texts
        found = windows(questions, contexts, tokenizer, max_length, self._stride)
        return Split.of(
            found.tokens,
            positions(found, list(examples.answers)),
            pad_id=tokenizer.pad_token_id,
            example_of=found.example_of,
            keeps_tokens=True,
            passages=Passages(examples, found.offsets, found.nulls, found.n_cut),
        )

    def remarks(self, task: str, splits: Mapping[str, Split]) -> tuple[str, ...]:
        """See `TaskType.remarks`; each right answer is taken through tokens and back."""
        remarks = []
        for name, split in splits.items():
            passages = split.passages
            assert passages is not None, "answers are cut from texts"
            questions = len(passages.examples)
            if len(split) > questions:
                remarks.append(
                    f"{name}: {counted(questions, 'question')} in {counted(len(split), 'window')} "
                    f"of up to {int(split.lengths.max())} tokens"
                )
            if passages.n_cut:
                remarks.append(
                    f"{name}: {counted(passages.n_cut, 'question')} so long that texts would have "
                    "no room are cut"
                )
            remarks += _on_lost(task, name, split)
        return tuple(remarks)

    def keep(self, output: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """The scores of each token as start and as end, shape ``(rows, width, 2)``."""
        return torch.stack([output.start_logits, output.end_logits], dim=-1).float()

    # -- from predictions to metrics ---------------------------------------------------------

    def evaluate(self, names: Sequence[str], kept: np.ndarray, split: Split) -> dict[str, float]:
        """See `TaskType.evaluate`; means over questions."""
        right = _right_answers(split)

        def score_of(name: str) -> float:
            scores = [best(_SCORES[name], text, right[n]) for n, text in answers.items()]
            return float(np.mean(scores))

        answers: dict[int, str] = {}
        if np.isfinite(kept).all():
            answers = answers_to(kept, split, none_allowed=self._none_allowed)
        return if_finite(names, kept, score_of)

    def is_constant(self, kept: np.ndarray, split: Split) -> bool:
        """Whether the likeliest start and end are the same places in all windows."""
        places = [tuple(kept[window].argmax(axis=0)) for window in windows_of(split)]
        return len(places) > 1 and len(set(places)) == 1

    def answers(self, split: Split, head: Head) -> Answers:
        """See `TaskType.answers`; empty if each question has an answer."""
        right = _right_answers(split)
        n_answered = sum(map(bool, right.values()))
        if not self._none_allowed:
            return Answers()
        return Answers(classes={"answered": n_answered, "no answer": len(right) - n_answered})

    def constant(self, name: str, split: Split) -> float | None:
        """The score of "no answer" for all questions; None if each has one."""
        if not self._none_allowed:
            return None
        right = _right_answers(split)
        return float(np.mean([best(_SCORES[name], "", given) for given in right.values()]))


def _examples(table: Table, columns: AnswerColumns) -> Examples:
    texts = read_texts(table, columns.question), read_texts(table, columns.context)
    return Examples(texts, read_answers(table, columns))


def _hold_out(source: str, training: Examples) -> tuple[Examples, Examples, str]:
    """Training and validation questions, and how they were parted.

    Whole texts are held out, since questions on the same text share much of their rows.

    Raises:
        TaskError: There is only one question.
    """
    if len(training) < 2:
        raise TaskError(
            f"{source} has only one question, too few to hold out validation data: give more, or "
            "--validation-file"
        )
    contexts = training.texts[1]
    distinct = list(dict.fromkeys(contexts))
    if len(distinct) < 2:
        validation, train = spread_split(len(training), None, _VALIDATION_SHARE)
        what = "questions, all on the same text,"
    else:
        held, _ = spread_split(len(distinct), None, _VALIDATION_SHARE)
        chosen = {distinct[place] for place in held}
        is_held = np.array([context in chosen for context in contexts])
        validation, train = np.flatnonzero(is_held), np.flatnonzero(~is_held)
        what = f"questions, all those on {len(held)} of {counted(len(distinct), 'text')},"
    note = (
        f"{source}: no validation data given, so {len(validation)} of {len(training)} {what} are "
        "held out for it"
    )
    return training.subset(train), training.subset(validation), note


def _right_answers(split: Split) -> dict[int, list[str]]:
    """The words of the right answers to each question of a split, by its number."""
    passages = split.passages
    assert passages is not None, "answers are compared in words"
    answers = passages.examples.answers
    return {int(n): [text for text, _ in answers[n]] for n in np.unique(split.example_of)}


def _on_lost(task: str, name: str, split: Split) -> list[str]:
    """A sentence on the right answers that tokens cannot express; empty if there are none.

    Raises:
        TaskError: They are too many.
    """
    lost = lost_answers(split)
    if not lost:
        return []
    assert split.passages is not None, "answers are cut from texts"
    total = sum(len(given) for given in split.passages.examples.answers)
    (answer, back), share = lost[0], len(lost) / total
    came = f"comes back as {back[:40]!r}" if back else "is in no window as a whole"
    what = (
        f"{len(lost)} of {total} right answers ({percent(share)}) do not survive the way through "
        f"tokens and back, such as {answer[:40]!r}, which {came}"
    )
    if len(lost) > 1 and share > _MOST_LOST:
        raise TaskError(
            f"{name} rows of task {task}: {what}: correct the starts of the answers, or give a "
            "model whose tokenizer knows the language"
        )
    return [f"{name}: {what}"]
