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


def score(name: str, predictions: np.ndarray, labels: np.ndarray, *, positive: int = 1) -> float:
    """One task metric of predicted classes or values, from scikit-learn or scipy.

    ``f1`` is the F1 score of the class ``positive``, in GLUE 1; ``f1_macro`` is the mean over
    classes. A correlation with a constant is not defined and counts as 0.
    """
    # scikit-learn and scipy are imported only by the metrics that need them. Together they take a
    # tenth of a worker's loading time before its first trial, and accuracy needs neither.
    match name:
        case "accuracy":
            return float((predictions == labels).mean())
        case "f1" | "f1_macro":
            from sklearn.metrics import f1_score

            how = {"average": "macro" if name == "f1_macro" else "binary", "pos_label": positive}
            return float(f1_score(labels, predictions, zero_division=0.0, **how))
        case "matthews_correlation":
            from sklearn.metrics import matthews_corrcoef

            return float(matthews_corrcoef(labels, predictions))
        case "pearson" | "spearman":
            from scipy.stats import pearsonr, spearmanr

            if len(labels) < 2 or np.ptp(predictions) == 0 or np.ptp(labels) == 0:
                return 0.0
            correlate = pearsonr if name == "pearson" else spearmanr
            return float(correlate(predictions, labels).statistic)
    raise ValueError(f"there is no metric {name!r}")
