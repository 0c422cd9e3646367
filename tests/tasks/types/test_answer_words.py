"""Answers are compared as the evaluation script of SQuAD compares them."""

import pytest

from progsearch.tasks.types.answer_words import best, exact_match, f1, normalised

# Answer, right one, exact match and F1 by evaluate-v2.0.py.
CASES = [
    ("Denver Broncos", "denver  broncos.", 1.0, 1.0),
    ("the Denver Broncos", "Denver Broncos", 1.0, 1.0),
    ("an apple, a pear", "apple pear", 1.0, 1.0),
    ("theatre", "atre", 0.0, 0.0),
    ("1,000", "1000", 1.0, 1.0),
    ("U.S.", "us", 1.0, 1.0),
    ("in the year 1990", "1990", 0.0, 0.5),
    ("a b b", "b b b", 0.0, 0.8),
    ("", "", 1.0, 1.0),
    ("the", "", 1.0, 1.0),
    ("something", "", 0.0, 0.0),
    ("", "something", 0.0, 0.0),
    ("caf\u00e9", "cafe", 0.0, 0.0),
    # Only the punctuation of ASCII is dropped.
    ("\u201cGreen\u201d", "Green", 0.0, 0.0),
]


@pytest.mark.parametrize(("answer", "right", "same", "shared"), CASES)
def test_cases_of_the_script(answer, right, same, shared):
    assert exact_match(answer, right) == same
    assert f1(answer, right) == pytest.approx(shared)


def test_the_closest_right_answer_counts():
    assert best(f1, "in 1990", ["1990", "in 1990", "nineteen-ninety"]) == 1.0
    assert best(exact_match, "1990", ["the year", "1990"]) == 1.0


def test_answers_without_words_do_not_count_and_without_any_nothing_is_right():
    assert best(f1, "", ["the", "Denver"]) == 0.0
    assert best(f1, "", ["..."]) == best(f1, "", []) == best(exact_match, "", []) == 1.0
    assert best(exact_match, "Denver", []) == 0.0


def test_articles_are_words_of_their_own():
    assert normalised("A man and a the plan, an ant") == "man and plan ant"
