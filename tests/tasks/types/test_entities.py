"""Entities are scored as seqeval scores them; its published cases, and a plain form of its rules.

seqeval is at https://github.com/chakki-works/seqeval; cases are from its README and its tests.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from progsearch.tasks.types.entities import EntityReader


def read(*sentences):
    """The reader of the tags in some sentences, and the sentences as arrays."""
    names = tuple(sorted({tag for tags in sentences for sentence in tags for tag in sentence}))
    flat = [np.array([names.index(t) for s in tags for t in s], dtype=int) for tags in sentences]
    return EntityReader(names), flat, np.array([len(sentence) for sentence in sentences[0]])


def entities(*sentences):
    reader, (tags,), lengths = read(sentences)
    return [(reader.kinds[k], a, b - 1) for k, a, b in reader.entities(tags, lengths).tolist()]


def scores(true, predicted):
    reader, flat, lengths = read(true, predicted)
    return reader.scores(*flat, lengths)


def test_entities_of_the_published_cases():
    found = entities(["O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O", "B-PER", "I-PER"])
    assert found == [("MISC", 3, 5), ("PER", 7, 8)]


@pytest.mark.parametrize(
    ("true", "predicted", "f1", "precision", "recall"),
    [
        # The README's example.
        (
            ["O O O B-MISC I-MISC I-MISC O", "B-PER I-PER O"],
            ["O O B-MISC I-MISC I-MISC I-MISC O", "B-PER I-PER O"],
            *(0.5, 0.5, 0.5),
        ),
        # TestClassificationReport.
        (["B-A B-B O B-A"], ["O B-B B-C B-A"], 2 / 3, 2 / 3, 2 / 3),
        # In its strict mode the following is 0, in its default mode it is right.
        (["B-ORG I-ORG"], ["I-ORG I-ORG"], 1, 1, 1),
        (["B-PER"], ["B-ORG"], 0, 0, 0),
        (["O O"], ["O O"], 0, 0, 0),
        (["O O"], ["B-A O"], 0, 0, 0),
    ],
)
def test_scores_of_the_published_cases(true, predicted, f1, precision, recall):
    found, _ = scores(*([s.split() for s in sentences] for sentences in (true, predicted)))
    assert (found.f1, found.precision, found.recall) == (f1, precision, recall)


def test_scores_by_kind_of_the_published_case():
    _, by_kind = scores([["B-A", "B-B", "O", "B-A"]], [["O", "B-B", "B-C", "B-A"]])
    assert {kind: (s.precision, s.recall, s.f1, s.support) for kind, s in by_kind.items()} == {
        "A": (1.0, 0.5, pytest.approx(2 / 3), 2),
        "B": (1.0, 1.0, 1.0, 1),
        "C": (0.0, 0.0, 0.0, 0),
    }


def test_no_entity_goes_on_into_the_next_sentence():
    assert entities(["B-A"], ["I-A", "O"]) == [("A", 0, 0), ("A", 2, 2)]


def test_bilou_is_read_like_bioes():
    assert entities(["U-A", "O", "B-A", "I-A", "L-A", "B-B", "L-B"]) == [
        ("A", 0, 0),
        ("A", 2, 4),
        ("B", 5, 6),
    ]


def by_the_rules(sentence):
    """The entities of one sentence as (kind, first, last), by the rules one by one."""
    found, begin, before = [], 0, ("O", "")
    for place, tag in enumerate([*sentence, "O"]):
        letter, _, kind = tag.partition("-")
        last, last_kind = before
        ends = last != "O" and (
            last in "ES"
            or letter in "BSO"
            or last_kind != kind
            or (last in "BI" and letter == "O")
        )
        begins = letter != "O" and (letter in "BS" or last in "ESO" or last_kind != kind)
        if ends:
            found.append((last_kind, begin, place - 1))
        if begins:
            begin = place
        before = (letter, kind)
    return found


TAG = st.sampled_from(["O", *(f"{letter}-{kind}" for letter in "BIES" for kind in "XY")])


@given(st.lists(st.lists(TAG, min_size=1, max_size=8), min_size=1, max_size=4))
def test_any_sequence_has_the_entities_of_the_rules(sentences):
    expected, start = [], 0
    for sentence in sentences:
        expected += [(k, a + start, b + start) for k, a, b in by_the_rules(sentence)]
        # A place between the sentences.
        start += len(sentence) + 1
    assert entities(*sentences) == expected
