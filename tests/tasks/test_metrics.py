from __future__ import annotations

import math
import subprocess
import sys
import warnings

import numpy as np
import pytest

from progsearch.tasks.metrics import best_constant, evaluate

LABELS = np.array([1, 1, 1, 0, 0])
# Predicts 1, 1, 0, 1, 0: two true and one false positive, one false and one true negative.
LOGITS = np.array([[0, 1], [0, 1], [1, 0], [0, 1], [1, 0]], dtype=np.float32)


def test_classification_metrics_by_hand():
    found = evaluate(("f1", "accuracy", "f1_macro", "matthews_correlation"), LOGITS, LABELS)

    assert list(found) == ["f1", "accuracy", "f1_macro", "matthews_correlation"]
    assert found["accuracy"] == pytest.approx(3 / 5)
    assert found["f1"] == pytest.approx(2 / 3)
    assert found["f1_macro"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found["matthews_correlation"] == pytest.approx(
        (2 * 1 - 1 * 1) / math.sqrt(3 * 3 * 2 * 2)
    )


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
    assert best_constant("accuracy", LABELS) == pytest.approx(0.6)
    assert best_constant("f1", LABELS) == pytest.approx(2 * 0.6 / 1.6)
    assert best_constant("matthews_correlation", LABELS) is None
    assert best_constant("pearson", np.array([0.5, 1.5])) is None


def test_what_an_evaluation_needs_is_loaded_before_it():
    code = (
        "import sys; from progsearch.tasks.metrics import prepare\n"
        "for names in (['accuracy'], ['pearson'], ['accuracy', 'f1']):\n"
        "    prepare(names); print('sklearn' in sys.modules, 'scipy.stats' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == ["False False", "False True", "True True"]
