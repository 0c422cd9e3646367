"""The base of all samplers.

Samplers import Optuna inside their functions, so that listing them imports no heavy library.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from progsearch.config import SAMPLERS
from progsearch.config.sampler import SamplerTraits

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from progsearch.space.space import Space


class Sampler(SamplerTraits, ABC):
    """A way to sample points of a space.

    `progsearch.config.sampler.SamplerTraits` explains the class attributes. One that does not set
    ``candidates`` trains each point as it is sampled, without the choice that ``ehvi`` makes.

    Example:
        >>> from typing import ClassVar
        >>> from progsearch.strategy.samplers import Sampler
        >>> class Sobol(Sampler):
        ...     name: ClassVar[str] = "sobol"
        ...     description: ClassVar[str] = "a scrambled Sobol sequence, by Optuna"
        ...
        ...     def make(self, space, seed):
        ...         from optuna.samplers import QMCSampler
        ...
        ...         return QMCSampler(seed=seed, warn_independent_sampling=False)
    """

    @abstractmethod
    def make(self, space: Space, seed: int) -> BaseSampler:
        """The Optuna sampler that samples ``space``, which may hold conditions.

        One that ends returns a `progsearch.strategy.samplers.finite.FiniteSampler`.
        """

    def check(self, space: Space) -> None:
        """Refuse a space that it cannot sample.

        Raises:
            ConfigError: It cannot.
        """
        del space


def sampler_of(name: str) -> Sampler:
    """The sampler of that name.

    Raises:
        ConfigError: There is no such sampler, or another package's cannot be used.
    """
    found = SAMPLERS.get(name)()
    assert isinstance(found, Sampler), "the registry holds others to this contract"
    return found
