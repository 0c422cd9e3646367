"""Computes task metrics from predictions and labels; the task types call it to evaluate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np


def if_finite(
    names: Sequence[str], kept: np.ndarray, score_of: Callable[[str], float]
) -> dict[str, float]:
    """The task metrics by name; all NaN if an output is not finite."""
    if not np.isfinite(kept).all():
        return dict.fromkeys(names, math.nan)
    return {name: score_of(name) for name in names}


def import_libraries(names: Sequence[str]) -> None:
    """Import what the metrics need, so that the first evaluation takes no longer than others."""
    for name in names:
        score(name, np.array([0, 1]), np.array([0, 1]))


def class_scores(
    names: Sequence[str], predicted: np.ndarray, true: np.ndarray
) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and number of true rows of each class; 0 if one is not defined.

    Args:
        names: The names of the classes.
        predicted: Whether a class is predicted, shape ``(rows, classes)``.
        true: Whether it is true, in the same shape.
    """
    right, found, support = ((predicted & true).sum(0), predicted.sum(0), true.sum(0))
    columns = {
        "precision": right / np.maximum(found, 1),
        "recall": right / np.maximum(support, 1),
        "f1": 2 * right / np.maximum(found + support, 1),
        "support": support,
    }
    return {
        name: {score: column[index].item() for score, column in columns.items()}
        for index, name in enumerate(names)
    }


def score(name: str, predictions: np.ndarray, labels: np.ndarray, *, positive: int = 1) -> float:
    """One task metric of predicted classes or values, from scikit-learn or scipy.

    ``f1`` is the F1 score of the class ``positive``, in GLUE 1; ``f1_macro`` is the mean over
    classes. A correlation with a constant is not defined and counts as 0. Of several labels per
    row, 0 or 1 each in arrays of shape (rows, labels), ``f1_micro`` counts all alike, and
    ``subset_accuracy`` is the share of rows in which all are right. ``r2`` is the share of the
    labels' variance that is explained, 1 - MSE / variance; ``d2_absolute_error`` is the same of
    the absolute error, 1 - MAE / MAE of the median. Both are 0 for the best constant.
    """
    # scikit-learn and scipy are imported only by the metrics that need them. Together they take a
    # tenth of a worker's loading time before its first trial, and accuracy needs neither.
    match name:
        case "accuracy":
            return float((predictions == labels).mean())
        case "subset_accuracy":
            return float((predictions == labels).reshape(len(labels), -1).all(axis=1).mean())
        case "f1" | "f1_macro" | "f1_micro":
            from sklearn.metrics import f1_score

            how = {"average": name.removeprefix("f1_") if name != "f1" else "binary"}
            return float(
                f1_score(labels, predictions, zero_division=0.0, pos_label=positive, **how)
            )
        case "matthews_correlation":
            from sklearn.metrics import matthews_corrcoef

            return float(matthews_corrcoef(labels, predictions))
        case "pearson" | "spearman":
            return _correlation(name, predictions, labels)
        case "rmse" | "mae" | "r2" | "d2_absolute_error":
            return _error(name, predictions, labels)
    raise ValueError(f"there is no metric {name!r}")


def _correlation(name: str, predictions: np.ndarray, labels: np.ndarray) -> float:
    from scipy.stats import pearsonr, spearmanr

    if len(labels) < 2 or np.ptp(predictions) == 0 or np.ptp(labels) == 0:
        return 0.0
    correlate = pearsonr if name == "pearson" else spearmanr
    return float(correlate(predictions, labels).statistic)


def _error(name: str, predictions: np.ndarray, labels: np.ndarray) -> float:
    labels = labels.astype(np.float64)
    residuals = predictions - labels
    square, absolute = np.square(residuals).mean(), np.abs(residuals).mean()
    match name:
        case "rmse":
            return math.sqrt(square)
        case "mae":
            return float(absolute)
        case "r2":
            return _explained(square, np.square(labels - labels.mean()).mean())
    return _explained(absolute, np.abs(labels - np.median(labels)).mean())


def _explained(error: float, of_constant: float) -> float:
    """The share of a constant's error that predictions avoid; 0 if the constant has none."""
    return float(1 - error / of_constant) if of_constant else 0.0
