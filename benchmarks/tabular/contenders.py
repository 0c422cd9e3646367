"""The strategies that the replays compare."""

from __future__ import annotations

from .mo_asha import MoAsha
from .own import Progsearch
from .strategies import Strategy, nsga2, random_sampler, ray_tpe, whole_trials

OURS = "progsearch"
RANDOM = "random"
OTHERS: dict[str, Strategy] = {
    RANDOM: whole_trials(random_sampler),
    "optuna-tpe": whole_trials(ray_tpe),
    "nsga2": whole_trials(nsga2),
    "mo-asha, 1/2 go on": MoAsha(factor=2),
    "mo-asha, 1/3 go on": MoAsha(factor=3),
}
# The default, and searches that lack a part of it or have another in its place. Without
# candidates that wait, trials are stopped by dominance.
OWN: dict[str, Progsearch] = {
    OURS: Progsearch(),
    "without reuse": Progsearch(reuse=False),
    "without stopping": Progsearch(scheduler="none"),
    "stopping by dominance": Progsearch(scheduler="dominance"),
    "stopping by mo-asha": Progsearch(scheduler="mo-asha"),
    "without choosing": Progsearch(candidates=1),
    "without repeats": Progsearch(front_seeds=1),
    "without contributions": Progsearch(contributions=False),
    "tpe instead": Progsearch(sampler="tpe"),
}
# The same with what is not part of the default, each for its own measurement.
OTHER_WAYS: dict[str, Progsearch] = {
    "gp instead": Progsearch(sampler="gp"),
    "with rescore": Progsearch(family="rescore"),
    "with rotate": Progsearch(family="rotate"),
}
