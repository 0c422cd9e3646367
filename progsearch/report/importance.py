"""Which dimensions of the search space mattered.

PED-ANOVA (Watanabe, Bansal and Hutter, "PED-ANOVA: Efficiently Quantifying Hyperparameter
Importance in Arbitrary Subspaces", IJCAI 2023, arXiv 2304.10255) compares the distribution of a
dimension's values over the best trials and over all trials: the more they differ, the more
important the dimension. For a dimension that only some trials have, Optuna uses the shares of the
best and of all trials that have it (arXiv 2601.20800).

Any few trials differ in something by chance. So each importance is compared with those computed
from randomly chosen "best" trials; an importance that these reach too may be chance.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from optuna.trial import FrozenTrial

from progsearch.numerals import percent
from progsearch.study.dominance import directions
from progsearch.study.trial import Trial

LEAST_TRIALS = 8
"""The least number of trials with a result for any importance."""

FRONT = "front"
"""The target for all objectives together."""

# Optuna advises at least 5 best trials, because otherwise the estimate is not stable.
_LEAST_BEST, _SHARE_OF_BEST = 5, 0.25
# The least number of trials that must have a dimension.
_LEAST_WITH_VALUES = 5
# The number of random choices of the best, and the share of them that a finding must exceed.
_RANDOM_CHOICES, _BEYOND = 99, 0.95
# A dimension with more values than these has no table of means.
_MOST_VALUES = 6

Target = Callable[[FrozenTrial], float]


@dataclass(frozen=True)
class ValueMean:
    """One value of a dimension.

    Attributes:
        value: The value.
        trials: Number of trials with it.
        metric: Their mean metric (of the task).
    """

    value: Any
    trials: int
    metric: float


@dataclass(frozen=True)
class Dimension:
    """The importance of one dimension.

    Attributes:
        name: Its name in the space.
        trials: Number of trials that have it.
        shares: By target, its share of the importance of all dimensions, in [0, 1].
        beyond_chance: The targets for which its importance is more than chance explains.
        values: The mean metric of the trials with each value, best first; empty if there are
            many values. The trials differ in other dimensions too.
    """

    name: str
    trials: int
    shares: dict[str, float]
    beyond_chance: frozenset[str]
    values: tuple[ValueMean, ...]


@dataclass(frozen=True)
class Importance:
    """The importance of a space's dimensions, from finished trials.

    Attributes:
        trials: Number of searched trials with a result.
        best: How many of them count as the best.
        targets: The objectives by which the best are chosen, and `FRONT` if there are several.
            Without targets in which all importances are zero.
        dimensions: The most important for the metric first.
        left_out: The dimensions without an importance, with the reason.
    """

    trials: int
    best: int = 0
    targets: tuple[str, ...] = ()
    dimensions: tuple[Dimension, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """The most important dimensions of each target in a sentence, without chance findings."""
        if self.trials < LEAST_TRIALS:
            return (
                f"Importance needs {LEAST_TRIALS} searched trials with a result; there are "
                f"{self.trials}."
            )
        parts = []
        for target in self.targets:
            clear = [d for d in self.dimensions if target in d.beyond_chance]
            clear.sort(key=lambda d: -d.shares[target])
            names = [f"{d.name.replace('_', ' ')} ({percent(d.shares[target])})" for d in clear]
            if names:
                parts.append(f"{target_in_words(target)}: {' and '.join(names[:2])}")
        if not parts:
            return (
                f"No dimension distinguishes the best {self.best} of {self.trials} searched "
                "trials by more than chance."
            )
        return (
            f"What distinguished the best {self.best} of {self.trials} searched trials most, "
            f"{'; '.join(parts)}."
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return {
            "method": "PED-ANOVA, arXiv 2304.10255",
            "trials": self.trials,
            "best": self.best,
            "targets": list(self.targets),
            "dimensions": {
                dimension.name: {
                    "trials": dimension.trials,
                    "importance": dimension.shares,
                    "beyond_chance": sorted(dimension.beyond_chance),
                    "values": [
                        {"value": v.value, "trials": v.trials, "metric": v.metric}
                        for v in dimension.values
                    ],
                }
                for dimension in self.dimensions
            },
            "left_out": self.left_out,
            "summary": str(self),
        }


def target_in_words(target: str) -> str:
    """A target in words."""
    return "for a place on the front" if target == FRONT else f"in {target.replace('_', ' ')}"


def importance_of(trials: Sequence[Trial], objectives: Sequence[str]) -> Importance:
    """The importance of every dimension for every objective, and for all of them together.

    Args:
        trials: Sampled trials with finite values.
        objectives: Names of the objectives, the metric first; it is maximised, the others
            minimised.
    """
    if len(trials) < LEAST_TRIALS:
        return Importance(len(trials))
    best = max(_LEAST_BEST, math.ceil(_SHARE_OF_BEST * len(trials)))
    known, left_out = _sorted_out(trials)
    targets: dict[str, Target | None] = {
        name: _lower_is_better(index) for index, name in enumerate(objectives)
    }
    if len(objectives) > 1:
        targets[FRONT] = None
    with _quiet():
        study = optuna.create_study(directions=directions(len(objectives)))
        study.add_trials(trial.frozen for trial in trials)
        evaluate = partial(_importances, study, list(known), best / len(trials))
        found = {name: evaluate(target) for name, target in targets.items()}
        chance = _by_chance(evaluate, len(trials))
    sums = {target: sum(values.values()) for target, values in found.items()}
    telling = [target for target in targets if sums[target] > 1e-9]
    dimensions = [
        Dimension(
            name=name,
            trials=len(having),
            shares={target: found[target][name] / sums[target] for target in telling},
            beyond_chance=frozenset(t for t in telling if found[t][name] > chance[name]),
            values=_means(name, having),
        )
        for name, having in known.items()
    ]
    dimensions.sort(key=lambda d: [-share for share in d.shares.values()])
    return Importance(len(trials), best, tuple(telling), tuple(dimensions), left_out)


def _lower_is_better(objective: int) -> Target:
    """An objective to minimise, as PED-ANOVA needs it: the metric, the first one, is negated."""
    sign = 1.0 if objective else -1.0
    return lambda trial: sign * float(trial.values[objective])


def _ranked(order: npt.NDArray[np.integer]) -> Target:
    """The given rank of each trial; the study in memory numbers its trials from 0."""
    return lambda trial: float(order[trial.number])


def _sorted_out(
    trials: Sequence[Trial],
) -> tuple[dict[str, list[Trial]], dict[str, str]]:
    """The trials that have each dimension, and the dimensions left out with the reason."""
    known, left_out = {}, {}
    for name in dict.fromkeys(name for trial in trials for name in trial.params):
        having = [trial for trial in trials if name in trial.params]
        values = {trial.params[name] for trial in having}
        if len(values) == 1:
            left_out[name] = f"all {len(having)} trials with it have the value {values.pop()}"
        elif len(having) < _LEAST_WITH_VALUES:
            left_out[name] = f"only {len(having)} trials have it"
        else:
            known[name] = having
    return known, left_out


def _importances(
    study: optuna.Study, names: list[str], quantile: float, target: Target | None
) -> dict[str, float]:
    # Imported here because it loads scikit-learn, which would delay the start of a search.
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    return get_param_importances(
        study,
        evaluator=PedAnovaImportanceEvaluator(target_quantile=quantile),
        params=names,
        target=target,
        # Otherwise Optuna gives all dimensions the same share if none is important.
        normalize=False,
    )


def _by_chance(
    evaluate: Callable[[Target | None], dict[str, float]], n_trials: int
) -> dict[str, float]:
    """The importance that each dimension rarely exceeds with randomly chosen best trials."""
    generator = np.random.default_rng(0)
    found: dict[str, list[float]] = {}
    for _ in range(_RANDOM_CHOICES):
        for name, value in evaluate(_ranked(generator.permutation(n_trials))).items():
            found.setdefault(name, []).append(value)
    return {name: float(np.quantile(values, _BEYOND)) for name, values in found.items()}


def _means(name: str, trials: Sequence[Trial]) -> tuple[ValueMean, ...]:
    by_value: dict[Any, list[float]] = {}
    for trial in trials:
        by_value.setdefault(trial.params[name], []).append(trial.values[0])
    if len(by_value) > _MOST_VALUES:
        return ()
    means = [ValueMean(v, len(m), sum(m) / len(m)) for v, m in by_value.items()]
    return tuple(sorted(means, key=lambda mean: -mean.metric))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """While active, Optuna does not log new studies and there are no warnings."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)
