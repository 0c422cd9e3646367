"""The standard error of a metric because its validation data is a sample of so many rows.

All formulas are approximations that err upwards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from progsearch.config import Answers, UnderstoodSplit

# The largest value of f (1 - f) (2 - f)^2 / 2 for f between 0 and 1.
_LARGEST_F1 = 0.309


def sampling_error(metric: str, values: Sequence[float], split: UnderstoodSplit) -> float:
    """The standard error of one measured metric, the largest of those at ``values``.

    - Accuracy p of n rows is binomial: ``sqrt(p (1 - p) / n)``.
    - Correlations, Matthews' included, which for two classes is Pearson's correlation of two
      binary variables: ``1 / sqrt(n - 3)``, the error of Fisher's z (Fisher, "On the 'probable
      error' of a coefficient of correlation deduced from a small sample", Metron 1, 1921). It is
      that of the correlation itself near 0 and more than that elsewhere.
    - F1 f of a class with m true or predicted rows is ``2 j / (1 + j)``, where j is the share of
      the m that are both, a binomial. The delta method (as in Takahashi et al., "Confidence
      interval for micro-averaged F1 and macro-averaged F1 scores", Applied Intelligence 52,
      2022) gives ``sqrt(f (1 - f) (2 - f)^2 / (2 m))``. As m is not known, the number of true
      rows is taken, which is smaller.
    - Macro F1 is the mean of K of these. A row counts for at most two classes, its own and the
      predicted one, so the variance of their sum is at most twice the sum of their variances
      (Cauchy-Schwarz): ``sqrt(2 * sum of variances) / K``, each variance at its largest.
    - Micro F1 of several labels per row is an F1 of all labels together. The labels of a row may
      be right or wrong together, so it is taken to have as many true rows as there are rows with
      a label.
    - Macro F1 of several labels per row: a row may count for all K of them, so the variance of
      the sum is at most K times the sum of their variances: ``sqrt(sum of variances / K)``.
    - Subset accuracy is binomial as accuracy is.
    - R^2 v of a correlation r is ``r^2``, whose error by the delta method is
      ``2 r (1 - r^2) / sqrt(n)``; it is about ``1 / n`` if r is 0. The sum of both is taken, and
      for the share of the absolute error, whose error is smaller, too.
    - Token accuracy p is a mean of n rows' shares, whose variance is at most ``p (1 - p)``.
    - A likelihood v is ``exp(-loss)``. If the mean losses of rows differ by a standard deviation
      of at most 1 (texts of one kind differ by less), the delta method gives ``v / sqrt(n)``.
    - Any other metric is taken as a mean of n values between 0 and 1, whose standard deviation
      is at most 0.5 (Popoviciu's inequality): ``0.5 / sqrt(n)``.

    Args:
        metric: The metric's name.
        values: Values of the metric that are compared; at least one.
        split: The data that it was measured on.
    """
    n = max(1, split.rows)
    counts = [number for number in (split.answers.classes or {}).values() if number]
    match metric:
        case "accuracy" | "subset_accuracy" | "token_accuracy":
            return math.sqrt(max(p * (1 - p) for p in values) / n)
        case "matthews_correlation" | "pearson" | "spearman":
            return 1 / math.sqrt(max(1, n - 3))
        case "f1" | "f1_micro" if true_rows := _true_rows(metric, split.answers):
            return math.sqrt(max(f * (1 - f) * (2 - f) ** 2 / 2 for f in values) / true_rows)
        case "f1_macro" if counts:
            variances = [_LARGEST_F1 / number for number in counts]
            at_most = len(counts) if split.answers.labelled else 2
            return math.sqrt(at_most * sum(variances)) / len(counts)
        case "r2" | "d2_absolute_error":
            return max(2 * math.sqrt(abs(v)) * (1 - v) + 1 / math.sqrt(n) for v in values) / (
                math.sqrt(n)
            )
    return (max(values) if metric == "likelihood" else 0.5) / math.sqrt(n)


def _true_rows(metric: str, answers: Answers) -> int | None:
    if metric == "f1_micro":
        return answers.labelled
    return (answers.classes or {}).get(answers.positive or "")
