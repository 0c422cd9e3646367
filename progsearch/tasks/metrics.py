"""The metrics of tasks, from scikit-learn and scipy."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from progsearch.tasks.sources.catalogue import REGRESSION_METRICS


def evaluate(names: Sequence[str], logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Score a model's outputs; of every metric, more is better.

    Args:
        names: Which metrics, all for classification or all for regression.
        logits: Outputs, shape (examples, classes), or (examples, 1) or (examples,) for
            regression.
        labels: Labels, shape (examples,).

    Returns:
        The metrics by name; all NaN where an output is not finite.
    """
    if not np.isfinite(logits).all():
        return dict.fromkeys(names, math.nan)
    regression = set(names) <= set(REGRESSION_METRICS)
    predictions = logits.reshape(-1) if regression else logits.argmax(axis=-1)
    return {name: score(name, predictions, labels) for name in names}


def score(name: str, predictions: np.ndarray, labels: np.ndarray) -> float:
    """One metric of predicted classes or values.

    ``f1`` is that of class 1, as GLUE has it; ``f1_macro`` the mean over classes. A correlation
    with a constant does not exist and counts as 0.
    """
    # scikit-learn and scipy are loaded by the metrics that need them: together they would be a
    # tenth of what a worker loads before its first trial, and accuracy needs neither.
    match name:
        case "accuracy":
            return float((predictions == labels).mean())
        case "f1" | "f1_macro":
            from sklearn.metrics import f1_score

            average = "macro" if name == "f1_macro" else "binary"
            return float(f1_score(labels, predictions, average=average, zero_division=0.0))
        case "matthews_correlation":
            from sklearn.metrics import matthews_corrcoef

            return float(matthews_corrcoef(labels, predictions))
        case "pearson" | "spearman":
            from scipy.stats import pearsonr, spearmanr

            if len(labels) < 2 or np.ptp(predictions) == 0 or np.ptp(labels) == 0:
                return 0.0
            correlate = pearsonr if name == "pearson" else spearmanr
            return float(correlate(predictions, labels).statistic)
    raise ValueError(f"no metric {name!r}")


def prepare(names: Sequence[str]) -> None:
    """Load what these metrics need, so that the first evaluation takes no longer than others."""
    for name in names:
        score(name, np.array([0, 1]), np.array([0, 1]))


def best_constant(name: str, labels: np.ndarray) -> float | None:
    """The metric of the best predictor that always says the same class.

    For accuracy that is the share of the most frequent class; None for correlations.
    """
    if name not in ("accuracy", "f1", "f1_macro"):
        return None
    return max(score(name, np.full_like(labels, c), labels) for c in np.unique(labels))
