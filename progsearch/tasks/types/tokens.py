"""Token classification: each word of a sentence has a tag, such as the part of an entity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from progsearch.config import Answers, TaskConfig
from progsearch.errors import TaskError
from progsearch.models.head import TOKENS, Head
from progsearch.numerals import counted
from progsearch.tasks.examples import Examples, TextTask
from progsearch.tasks.sampling import hold_out
from progsearch.tasks.sources.missing import complete_rows
from progsearch.tasks.sources.source import Source
from progsearch.tasks.sources.table import Table
from progsearch.tasks.split import IGNORED, Split
from progsearch.tasks.types.base import Metric, TaskType
from progsearch.tasks.types.entities import EntityReader
from progsearch.tasks.types.metrics import if_finite
from progsearch.tasks.types.schemes import OUTSIDE, are_entities, ordered
from progsearch.tasks.types.tagged_examples import notes_on_tags, tagged_examples
from progsearch.tasks.types.tagged_words import TaggedWords
from progsearch.tasks.types.word_columns import has_tags, has_words, read_words, word_columns
from progsearch.tasks.unseen import UnseenWords
from progsearch.tasks.words import tokenise_words, tokenizer_for_words

# The tag that is predicted for a word without a token, if no tag means that there is no entity.
_NOTHING = -1


class Tokens(TaskType):
    """One tag per word; the loss is the mean cross entropy over words, at their first tokens.

    Tags that mark entities (IOB1, IOB2, BIOES, BILOU) are scored by entities, as ``seqeval`` does
    by default: one is right if its kind and both of its ends are. Words that a model does not see,
    because the sentence is cut before them or the tokenizer has no token for them, count as
    predicted O: an entity in them is missed. Of tags that mark no entities, such as parts of
    speech, ``token_accuracy`` is the metric, and such words are wrong.
    """

    name = "tokens"
    description = "one tag per word, such as named entities or parts of speech"
    text_files = "words"
    metrics = (
        Metric("f1", description="F1 score of entities, as of seqeval"),
        Metric("precision", description="share of predicted entities that are right"),
        Metric("recall", description="share of true entities that are found"),
        Metric("token_accuracy", description="share of words with the right tag"),
    )

    def __init__(self, tags: tuple[str, ...] = ()) -> None:
        """Set the names of the tags by index."""
        self._tags = tags
        self._reader = EntityReader(tags)
        self._has_entities = are_entities(tags)
        self._outside = tags.index(OUTSIDE) if OUTSIDE in tags else _NOTHING

    # -- from tables to examples -------------------------------------------------------------

    def recognises(self, source: Source, config: TaskConfig) -> bool:
        """Whether rows are lists of words in a column with a usual name, each with a tag."""
        if source.is_official:
            return False
        label = source.label_column or config.label_column
        if label is not None and label not in source.train.columns:
            return False
        return has_words(source.train, source.text_columns or config.text_columns, label)

    def read(self, source: Source, config: TaskConfig) -> TextTask:
        """See `TaskType.read`."""
        columns = word_columns(
            source.train,
            source.text_columns or config.text_columns,
            source.label_column or config.label_column,
        )
        names = (columns.words, columns.tags)
        if source.may_lack_labels and source.test and not has_tags(source.test, columns.tags):
            source = replace(source, test=None)
        source, dropped = complete_rows(source, names, columns.tags, drop=config.drop_missing)
        _, tags = read_words(source.train, columns)
        known = source.train.classes.get(columns.tags)
        known = known or ordered({tag for sentence in tags for tag in sentence})
        if len(known) < 2:
            raise TaskError(
                f"{source.train.source} has fewer than two tags in column {columns.tags!r}: give "
                "data with at least two, or name another column with --label-column"
            )
        empty: list[str] = []

        def examples(table: Table) -> Examples:
            found, left_out = tagged_examples(table, columns, known)
            empty.extend(left_out)
            return found

        train = examples(source.train)
        if source.validation is None:
            train, validation = hold_out(source.train.source, train, self.strata(train.answers))
        else:
            validation = examples(source.validation)
        test = None if source.test is None else examples(source.test)
        kind = type(self)(known)
        return TextTask(
            name=source.name,
            type=kind,
            train=train,
            validation=validation,
            head=Head(len(known), known, auto_class=TOKENS),
            metrics=kind._usual_metrics(),
            text_columns=(columns.words,),
            label_column=columns.tags,
            extra_validation={n: examples(t) for n, t in source.extra_validation.items()},
            test=test,
            notes=(*notes_on_tags(source, columns, known, tags), *dropped, *empty),
        )

    def in_order(self, task: TextTask, order: Sequence[int]) -> TextTask:
        """See `TaskType.in_order`."""
        places = np.argsort(order)

        def moved(examples: Examples) -> Examples:
            answers = [places[np.asarray(tags)].tolist() for tags in examples.answers]
            return replace(examples, answers=answers)

        names = tuple(task.head.label_names[index] for index in order)
        return replace(
            task,
            type=type(self)(names),
            head=replace(task.head, label_names=names),
            train=moved(task.train),
            validation=moved(task.validation),
            extra_validation={n: moved(e) for n, e in task.extra_validation.items()},
            test=None if task.test is None else moved(task.test),
        )

    def fitting_metrics(self, task: TextTask) -> tuple[str, ...]:
        """All metrics; of tags that mark no entities only their accuracy."""
        return self._usual_metrics()

    def _usual_metrics(self) -> tuple[str, ...]:
        names = tuple(metric.name for metric in self.metrics)
        return names if self._has_entities else ("token_accuracy",)

    def targets_in_words(self, head: Head) -> str:
        """See `TaskType.targets_in_words`."""
        return f"{head.n_outputs} tags"

    def strata(self, answers: np.ndarray | Sequence[Any]) -> np.ndarray:
        """The rarest tag of each sentence, so that subsets have entities of all kinds."""
        counts = np.bincount([tag for tags in answers for tag in tags])
        return np.array([min(tags, key=lambda tag: (counts[tag], tag)) for tags in answers])

    # -- from examples to what a model takes -------------------------------------------------

    def adapted(self, tokenizer: Any) -> Any:
        """See `TaskType.adapted`: one that takes words."""
        return tokenizer_for_words(tokenizer)

    def encode(self, examples: Examples, tokenizer: Any, max_length: int) -> Split:
        """See `TaskType.encode`; the first token of each word has its tag, others have none."""
        found = tokenise_words(examples.texts[0], tokenizer, max_length)
        lengths = found.tokens.lengths
        sizes = np.array([len(tags) for tags in examples.answers])
        tags = np.array([tag for of_row in examples.answers for tag in of_row], dtype=np.int64)
        first = found.first_pieces()
        starts = np.cumsum(sizes) - sizes
        seen = np.repeat(starts, lengths)[first] + found.words[first]
        labels = np.full(len(first), IGNORED, dtype=np.int64)
        labels[first] = tags[seen]
        rest = np.setdiff1d(np.arange(len(tags)), seen)
        rows = np.repeat(np.arange(len(sizes)), sizes)[rest]
        return Split.of(
            found.tokens,
            {"labels": labels},
            per_token=True,
            pad_id=tokenizer.pad_token_id,
            unseen=UnseenWords(rows, rest - starts[rows], tags[rest]),
        )

    def lengths(self, examples: Examples, tokenizer: Any) -> list[int]:
        """See `TaskType.lengths`."""
        found: list[int] = tokenise_words(
            examples.texts[0], tokenizer, None
        ).tokens.lengths.tolist()
        return found

    def remarks(self, task: str, splits: Mapping[str, Split]) -> tuple[str, ...]:
        """How many words no model sees, and how many entities are in them."""
        found = []
        for name, split in splits.items():
            words = TaggedWords.of(split, None, _NOTHING)
            n_unseen = int((words.predicted == _NOTHING).sum())
            if not n_unseen:
                continue
            text = (
                f"{counted(n_unseen, f'{name} word')} of {len(words.true):,} "
                f"{'is' if n_unseen == 1 else 'are'} not seen, since the sentence is cut before "
                "or the tokenizer gives no token"
            )
            if self._has_entities:
                hidden = np.where(words.predicted == _NOTHING, self._outside, words.true)
                true, left = (
                    self._reader.entities(tags, words.lengths) for tags in (words.true, hidden)
                )
                lost = len({*map(tuple, true.tolist())} - {*map(tuple, left.tolist())})
                text += f"; {lost:,} of {len(true):,} entities in them"
            rest = "are left out" if name == "train" else "count as missed"
            found.append(f"{text} {rest}: raise --max-length if sentences are cut")
        return tuple(found)

    # -- from predictions to metrics ---------------------------------------------------------

    def evaluate(self, names: Sequence[str], kept: np.ndarray, split: Split) -> dict[str, float]:
        """See `TaskType.evaluate`; ``kept`` holds logits, shape ``(tokens, tags)``."""
        words = TaggedWords.of(split, kept.argmax(axis=-1), self._outside)
        scores = self._scores(words)
        return if_finite(names, kept, scores.__getitem__)

    def _scores(self, words: TaggedWords) -> dict[str, float]:
        found = {"token_accuracy": float((words.true == words.predicted).mean())}
        if self._has_entities:
            entities, _ = self._reader.scores(words.true, words.predicted, words.lengths)
            found |= {name: getattr(entities, name) for name in ("f1", "precision", "recall")}
        return found

    def is_constant(self, kept: np.ndarray, split: Split) -> bool:
        """Whether all words get the same tag."""
        seen = (split.targets["labels"] != IGNORED).numpy()
        return super().is_constant(kept[seen].argmax(axis=-1), split)

    def per_class(self, kept: np.ndarray, split: Split, head: Head) -> dict[str, dict[str, float]]:
        """Precision, recall, F1 and number of true entities of each kind, or of each tag."""
        words = TaggedWords.of(split, kept.argmax(axis=-1), self._outside)
        if self._has_entities:
            _, by_kind = self._reader.scores(words.true, words.predicted, words.lengths)
            return {kind: asdict(scores) for kind, scores in by_kind.items()}
        # Words on their own are entities of one word each.
        single = np.ones(len(words.true), dtype=np.int64)
        reader = EntityReader([f"S-{name}" for name in self._tags])
        _, by_tag = reader.scores(words.true, words.predicted, single)
        return {name: asdict(by_tag[name]) for name in self._tags}

    def answers(self, split: Split, head: Head) -> Answers:
        """See `TaskType.answers`."""
        words = TaggedWords.of(split, None, self._outside)
        counts = np.bincount(words.true, minlength=head.n_outputs)
        return Answers(classes=dict(zip(head.label_names, counts.tolist(), strict=True)))

    def constant(self, name: str, split: Split) -> float:
        """The score of the most frequent tag for all words: 0 for entities if that is O."""
        words = TaggedWords.of(split, None, self._outside)
        most = np.bincount(words.true).argmax()
        return self._scores(replace(words, predicted=np.full_like(words.true, most)))[name]
