"""Compares answers in words as the evaluation script of SQuAD does.

Source: ``evaluate-v2.0.py`` of https://rajpurkar.github.io/SQuAD-explorer (Rajpurkar et al., 2016,
arXiv 1606.05250, and 2018, arXiv 1806.03822).
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence

_ARTICLES = re.compile(r"\b(a|an|the)\b", re.UNICODE)
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalised(answer: str) -> str:
    """The answer in lower case, without punctuation, articles and superfluous blanks."""
    text = answer.lower().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", text).split())


def exact_match(answer: str, right: str) -> float:
    """1 if two answers are the same but for case, punctuation, articles and blanks, else 0."""
    return float(normalised(answer) == normalised(right))


def f1(answer: str, right: str) -> float:
    """The harmonic mean of the shares of common words in the answer and in the right one.

    If one of them has no words, it is 1 if both have none, else 0.
    """
    given, wanted = normalised(answer).split(), normalised(right).split()
    if not given or not wanted:
        return float(given == wanted)
    common = sum((Counter(given) & Counter(wanted)).values())
    if not common:
        return 0.0
    precision, recall = common / len(given), common / len(wanted)
    return 2 * precision * recall / (precision + recall)


def best(score: Callable[[str, str], float], answer: str, right: Sequence[str]) -> float:
    """The score of an answer with the closest right one.

    Args:
        score: `exact_match` or `f1`.
        answer: The answer; empty for "no answer".
        right: The right ones; those without words do not count. If there are none, the right one
            is "no answer".
    """
    return max(score(answer, each) for each in [r for r in right if normalised(r)] or [""])
