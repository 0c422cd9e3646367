from __future__ import annotations

import math
import subprocess
import sys
import warnings

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from progsearch.models.head import Head
from progsearch.tasks.split import Split
from progsearch.tasks.types.classification import Classification
from progsearch.tasks.types.regression import Regression

LABELS = np.array([1, 1, 1, 0, 0])
# Predicts 1, 1, 0, 1, 0: two true and one false positive, one false and one true negative.
LOGITS = np.array([[0, 1], [0, 1], [1, 0], [0, 1], [1, 0]], dtype=np.float32)


def split_of(answers):
    n = len(answers)
    return Split(np.arange(n), np.ones(n, dtype=np.int64), {"labels": answers})


def evaluate(names, kept, answers):
    """The metrics by the type that has them."""
    kind = Regression() if "pearson" in names else Classification()
    return kind.evaluate(names, kept, split_of(answers))


def test_classification_metrics_by_hand():
    found = evaluate(("f1", "accuracy", "f1_macro", "matthews_correlation"), LOGITS, LABELS)

    assert list(found) == ["f1", "accuracy", "f1_macro", "matthews_correlation"]
    assert found["accuracy"] == pytest.approx(3 / 5)
    assert found["f1"] == pytest.approx(2 / 3)
    assert found["f1_macro"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found["matthews_correlation"] == pytest.approx(
        (2 * 1 - 1 * 1) / math.sqrt(3 * 3 * 2 * 2)
    )


def test_the_scores_of_each_class_are_scikit_learns():
    draw = np.random.default_rng(0)
    labels, logits = draw.integers(0, 3, 50), draw.normal(size=(50, 4)).astype(np.float32)
    labels[labels == 2] = 1
    found = Classification(None).per_class(logits, split_of(labels), Head(4, tuple("abcd")))
    expected = precision_recall_fscore_support(
        labels, logits.argmax(axis=1), labels=range(4), zero_division=0.0
    )
    assert list(found) == list("abcd")
    for name, column in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        assert [scores[name] for scores in found.values()] == pytest.approx(column.tolist())


@pytest.mark.parametrize("shape", [(4, 1), (4,)])
def test_correlations_by_hand(shape):
    outputs = np.array([0.0, 1.0, 3.0, 2.0]).reshape(shape)

    found = evaluate(("pearson", "spearman"), outputs, np.array([0.0, 1.0, 2.0, 9.0]))

    # Spearman: 1 - 6 * sum(d^2) / (n (n^2 - 1)) with rank differences 0, 0, 1, 1.
    assert found["spearman"] == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert found["pearson"] == pytest.approx(7 / math.sqrt(5 * 50))


def test_a_constant_has_no_correlation_and_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = evaluate(("pearson", "spearman"), np.ones((3, 1)), np.array([0.0, 1.0, 2.0]))
        constant = evaluate(("matthews_correlation", "f1"), np.array([[1, 0]] * 5), LABELS)

    assert found == {"pearson": 0.0, "spearman": 0.0}
    assert constant == {"matthews_correlation": 0.0, "f1": 0.0}


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_outputs_that_are_not_finite_give_nan(value):
    logits = LOGITS.copy()
    logits[2, 0] = value

    found = evaluate(("accuracy", "f1"), logits, LABELS)

    assert all(math.isnan(number) for number in found.values())


def test_best_constant():
    classes, numbers = Classification(), Regression()
    assert classes.constant("accuracy", split_of(LABELS)) == pytest.approx(0.6)
    assert classes.constant("f1", split_of(LABELS)) == pytest.approx(2 * 0.6 / 1.6)
    assert classes.constant("matthews_correlation", split_of(LABELS)) is None
    assert numbers.constant("pearson", split_of(np.array([0.5, 1.5]))) is None


@pytest.mark.parametrize("kind", [Classification(), Regression()])
def test_every_metric_says_which_way_it_is_better_and_what_is_worst(kind):
    answers = np.array([0, 1, 0, 1]) if kind.name == "classification" else np.arange(4.0)
    right = np.eye(2)[answers] if kind.name == "classification" else answers[:, None]
    for metric in kind.metrics:
        best, worst = (
            kind.evaluate([metric.name], kept, split_of(answers))[metric.name]
            for kept in (right, -right)
        )
        assert (best > worst) == metric.higher_is_better
        assert best == pytest.approx(1 if metric.higher_is_better else 0)
        if math.isfinite(metric.worst):
            assert worst == pytest.approx(metric.worst)
        else:
            assert math.copysign(1, metric.worst) == math.copysign(1, worst)


def test_what_an_evaluation_needs_is_loaded_before_it():
    code = (
        "import sys; from progsearch.tasks.types import TASK_TYPES\n"
        "kinds = ('classification', 'regression', 'classification')\n"
        "for kind, names in zip(kinds, (['accuracy'], ['pearson'], ['accuracy', 'f1'])):\n"
        "    TASK_TYPES.get(kind)().prepare(names)\n"
        "    print('sklearn' in sys.modules, 'scipy.stats' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == ["False False", "False True", "True True"]


def test_predictions_of_one_class_are_constant_though_logits_differ():
    kind, one_class = Classification(), LOGITS + np.array([0.0, 2.0])
    assert kind.is_constant(one_class, split_of(LABELS))
    assert not kind.is_constant(LOGITS, split_of(LABELS))
    assert not kind.is_constant(LOGITS[:1], split_of(LABELS[:1])), "one row says nothing"


@pytest.mark.parametrize(("spread", "constant"), [(0.0, True), (0.005, True), (0.05, False)])
def test_numbers_that_hardly_spread_are_constant(spread, constant):
    targets = np.linspace(0, 5, 50)
    kept = (2.5 + spread * (targets - 2.5)).astype(np.float32)[:, None]
    assert Regression().is_constant(kept, split_of(targets)) == constant
