"""The default: random points, of which the most promising for its time is trained."""

from __future__ import annotations

from typing import ClassVar

from progsearch.strategy.samplers.optuna import Random


class Ehvi(Random):
    """Random points, many for each trial, to choose from.

    The choice, by expected hypervolume improvement per second, is made of the candidates of any
    sampler: see `progsearch.strategy.acquisition`.
    """

    name: ClassVar[str] = "ehvi"
    description: ClassVar[str] = "random points, chosen by what each is expected to add per second"
    candidates: ClassVar[int] = 64
