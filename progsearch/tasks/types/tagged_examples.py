"""Reads sentences of words with tags as examples."""

from __future__ import annotations

from collections.abc import Sequence

from progsearch.errors import TaskError
from progsearch.numerals import counted
from progsearch.tasks.examples import Examples
from progsearch.tasks.sources.source import Source
from progsearch.tasks.sources.table import Table
from progsearch.tasks.types.kinds import listed
from progsearch.tasks.types.schemes import scheme_of
from progsearch.tasks.types.word_columns import WordColumns, read_words

_SHOWN = 10


def tagged_examples(
    table: Table, columns: WordColumns, known: Sequence[str]
) -> tuple[Examples, list[str]]:
    """The sentences of a table with their tags as indices, and a note if some have no words.

    Args:
        table: The rows.
        columns: The columns of words and tags.
        known: The names of the tags by index.

    Raises:
        TaskError: A tag is not known, or there are no words.
    """
    words, tags = read_words(table, columns)
    indices = {name: index for index, name in enumerate(known)}
    for row, sentence in enumerate(tags):
        for tag in sentence:
            if tag not in indices:
                shown = ", ".join(known[:_SHOWN]) + ", ..." * (len(known) > _SHOWN)
                raise TaskError(
                    f"{table.source}, {table.places([row])}: tag {tag!r} does not occur in the "
                    f"training data (which has {shown}): correct it or remove the sentence"
                )
    filled = [row for row, sentence in enumerate(words) if sentence]
    if not filled:
        raise TaskError(f"{table.source} has no sentence with words: give other data")
    n_empty = len(words) - len(filled)
    note = f"{table.source}: {counted(n_empty, 'row')} without words left out"
    answers = [[indices[tag] for tag in tags[row]] for row in filled]
    return Examples(([words[row] for row in filled],), answers), [note] if n_empty else []


def notes_on_tags(
    source: Source, columns: WordColumns, known: Sequence[str], tags: Sequence[Sequence[str]]
) -> list[str]:
    """How the tags were read."""
    notes = [
        note
        for table in (source.train, source.validation, source.test)
        if table is not None
        for note in table.notes
    ]
    place = f"{source.train.source}: the tags in column {columns.tags}"
    scheme = scheme_of(known, tags)
    if scheme is not None:
        kinds = counted(len(scheme.kinds), "kind")
        notes.append(f"{place} are {scheme.about}, {kinds} of entities: {listed(scheme.kinds)}")
    elif all(name.isdecimal() for name in known):
        notes.append(
            f"{place} are numbers, so entities are not known and words are scored: write the "
            "names of the tags, such as B-PER, to score entities"
        )
    else:
        notes.append(f"{place} mark no entities (such as B-PER would), so words are scored")
    if columns.left_out:
        notes.append(f"{source.train.source}: columns left out: {listed(columns.left_out)}")
    return notes
