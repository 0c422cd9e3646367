"""Metrics of classes and numbers, from scikit-learn and scipy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np


def all_finite(
    names: Sequence[str], kept: np.ndarray, score_of: Callable[[str], float]
) -> dict[str, float]:
    """The metrics by name; all NaN if an output is not finite."""
    if not np.isfinite(kept).all():
        return dict.fromkeys(names, math.nan)
    return {name: score_of(name) for name in names}


def score(name: str, predictions: np.ndarray, labels: np.ndarray, *, positive: int = 1) -> float:
    """One metric of predicted classes or values.

    ``f1`` is that of the class ``positive``, in GLUE 1; ``f1_macro`` the mean over classes. A
    correlation with a constant does not exist and counts as 0.
    """
    # scikit-learn and scipy are loaded by the metrics that need them: together they would be a
    # tenth of what a worker loads before its first trial, and accuracy needs neither.
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
    raise ValueError(f"no metric {name!r}")
