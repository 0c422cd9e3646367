"""Optuna's own samplers, set for several objectives and conditional spaces."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar

from progsearch.strategy.samplers.base import Sampler

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from progsearch.space.space import Space


class OptunaSampler(Sampler):
    """A class of ``optuna.samplers`` with its arguments beside the seed."""

    sampler: ClassVar[str]
    arguments: ClassVar[dict[str, Any]] = {}

    def make(self, space: Space, seed: int) -> BaseSampler:
        """Optuna's sampler."""
        import optuna

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            made: BaseSampler = getattr(optuna.samplers, self.sampler)(seed=seed, **self.arguments)
        return made


class Tpe(OptunaSampler):
    """Tree-structured Parzen estimator (Bergstra et al. 2011)."""

    name: ClassVar[str] = "tpe"
    description: ClassVar[str] = "a tree-structured Parzen estimator (Bergstra et al. 2011)"
    learns: ClassVar[bool] = True
    sampler: ClassVar[str] = "TPESampler"
    # Optuna's defaults for several objectives model each parameter on its own.
    arguments: ClassVar[dict[str, Any]] = {
        "multivariate": True,
        "group": True,
        "constant_liar": True,
    }


class Nsga2(OptunaSampler):
    """The genetic algorithm NSGA-II (Deb et al. 2002)."""

    name: ClassVar[str] = "nsga2"
    description: ClassVar[str] = "the genetic algorithm NSGA-II (Deb et al. 2002)"
    learns: ClassVar[bool] = True
    sampler: ClassVar[str] = "NSGAIISampler"


class Gp(OptunaSampler):
    """Bayesian optimisation with a Gaussian process."""

    name: ClassVar[str] = "gp"
    description: ClassVar[str] = "Bayesian optimisation with a Gaussian process"
    learns: ClassVar[bool] = True
    sampler: ClassVar[str] = "GPSampler"


class Random(OptunaSampler):
    """Independent points."""

    name: ClassVar[str] = "random"
    description: ClassVar[str] = "independent points"
    sampler: ClassVar[str] = "RandomSampler"
