"""The formulas against simulation: they may err upwards, not downwards."""

import math

import numpy as np
import pytest

from progsearch.config import Answers, UnderstoodSplit
from progsearch.report.sampling_error import sampling_error
from progsearch.tasks.types.metrics import score


def split_of(labels):
    names, counts = np.unique(labels, return_counts=True)
    classes = {str(name): int(count) for name, count in zip(names, counts, strict=True)}
    positive = "1" if len(classes) == 2 else None
    return UnderstoodSplit(rows=len(labels), answers=Answers(classes=classes, positive=positive))


def simulated(metric, n, n_classes, right):
    """The spread of a metric over samples of ``n`` rows, and a typical value and split."""
    draw, found = np.random.default_rng(0), []
    weights = np.arange(1, n_classes + 1) / sum(range(1, n_classes + 1))
    for _ in range(300):
        labels = draw.choice(n_classes, n, p=weights)
        guesses = draw.choice(n_classes, n, p=weights)
        predictions = np.where(draw.random(n) < right, labels, guesses)
        found.append(score(metric, predictions, labels))
    return float(np.std(found)), float(np.mean(found)), split_of(labels)


@pytest.mark.parametrize("right", [0.0, 0.3, 0.8])
@pytest.mark.parametrize(
    ("metric", "n_classes", "most"),
    [
        ("accuracy", 2, 1.2),
        ("accuracy", 5, 1.2),
        ("f1", 2, 1.6),
        ("f1_macro", 2, 4.0),
        ("f1_macro", 5, 4.0),
        ("matthews_correlation", 2, 2.0),
        ("matthews_correlation", 5, 3.5),
    ],
)
def test_it_is_at_least_what_samples_spread(metric, n_classes, most, right):
    spread, value, split = simulated(metric, 400, n_classes, right)
    error = sampling_error(metric, [value], split)
    assert 0.9 * spread < error < most * spread


def test_the_largest_of_all_values_counts():
    split = UnderstoodSplit(rows=100)
    assert sampling_error("accuracy", [1.0, 0.5], split) == pytest.approx(0.05)


def test_correlations_and_unknown_metrics():
    split = UnderstoodSplit(rows=403)
    assert sampling_error("pearson", [0.9], split) == pytest.approx(1 / 20)
    assert sampling_error("span_f1", [0.9], split) == pytest.approx(0.5 / math.sqrt(403))
    # Without the numbers of rows of the classes, F1 is a metric like any other.
    assert sampling_error("f1", [0.9], split) == pytest.approx(0.5 / math.sqrt(403))


def of_label_sets(metric, predictions, labels):
    """`score` in few numpy calls, since scikit-learn's take seconds in all."""
    both, all_true = (predictions & labels).sum(axis=0), (predictions.sum(0) + labels.sum(0))
    match metric:
        case "f1_micro":
            return 2 * both.sum() / all_true.sum()
        case "f1_macro":
            return (2 * both / all_true).mean()
    return (predictions == labels).all(axis=1).mean()


@pytest.mark.parametrize("right", [0.0, 0.3, 0.8])
@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(
    ("metric", "most"), [("f1_micro", 3.5), ("f1_macro", 6.0), ("subset_accuracy", 1.2)]
)
def test_several_labels_per_row_may_be_right_or_wrong_together(metric, most, together, right):
    draw, shares, found = np.random.default_rng(0), (0.1, 0.2, 0.4, 0.6), []
    for _ in range(300):
        labels, guesses = (draw.random((400, 4)) < shares for _ in range(2))
        is_right = draw.random((400, 1 if together else 4)) < right
        predictions = np.where(is_right, labels, guesses)
        found.append(of_label_sets(metric, predictions, labels))
    assert found[-1] == pytest.approx(score(metric, predictions, labels))
    counts = dict(zip("abcd", labels.sum(axis=0).tolist(), strict=True))
    answers = Answers(classes=counts, labelled=int(labels.any(axis=1).sum()))
    error = sampling_error(
        metric, [float(np.mean(found))], UnderstoodSplit(rows=400, answers=answers)
    )
    assert 0.9 * np.std(found) < error < most * np.std(found)


@pytest.mark.parametrize("metric", ["r2", "d2_absolute_error"])
@pytest.mark.parametrize("tails", ["normal", "laplace"])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.6, 0.9])
def test_shares_of_the_error_of_numbers(metric, tails, share):
    draw, found = np.random.default_rng(0), []
    # The variance of a standard Laplace distribution is 2.
    scale = math.sqrt((1 - share) / (2 if tails == "laplace" else 1))
    for _ in range(300):
        predicted = draw.normal(size=400, scale=math.sqrt(share))
        labels = predicted + getattr(draw, tails)(scale=scale, size=400)
        found.append(score(metric, predicted, labels))
    error = sampling_error(metric, [float(np.mean(found))], UnderstoodSplit(rows=400))
    assert 0.8 * np.std(found) < error < 4 * np.std(found)


def test_the_likelihood_of_tokens_is_known_to_a_share_of_itself():
    """Rows whose mean losses have the largest deviation that is taken for granted."""
    draw = np.random.default_rng(0)
    rows, loss = 400, 1.2
    found = [np.exp(-draw.normal(loss, 1.0, rows).mean()) for _ in range(2000)]
    error = sampling_error("likelihood", [math.exp(-loss)], UnderstoodSplit(rows=rows))
    assert np.std(found) == pytest.approx(error, rel=0.1)
    assert sampling_error("token_accuracy", [0.2], UnderstoodSplit(rows=100)) == 0.04
