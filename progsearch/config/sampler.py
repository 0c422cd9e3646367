"""What a recipe must know about samplers: their names and properties."""

from __future__ import annotations

from typing import ClassVar

from progsearch.errors import ProgsearchError
from progsearch.registry import Registry


class SamplerTraits:
    """What a sampler is, beside how it samples (see `progsearch.strategy.samplers.Sampler`).

    Attributes:
        name: What users write; the name of the entry point for a sampler of another package.
        description: One line about it.
        learns: Whether it samples better points with every result; points that wait to be chosen
            are then outdated by each.
        candidates: How many points a search samples for each trial, to train the most promising,
            unless the recipe says it. With 1 each point is trained as it was sampled. Trials are
            then judged by ``dominance`` unless the recipe says it, and by ``freeze-thaw`` if there
            are more candidates and the sampler does not learn.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    learns: ClassVar[bool] = False
    candidates: ClassVar[int] = 1


SAMPLERS: Registry[SamplerTraits] = Registry(
    "sampler",
    "progsearch.samplers",
    SamplerTraits,
    ProgsearchError,
    contract="progsearch.strategy.samplers.Sampler",
)
"""All samplers; the built-in ones are in it once `progsearch.strategy.samplers` was imported."""
