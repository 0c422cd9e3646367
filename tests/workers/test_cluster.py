import pytest

from progsearch.errors import ConfigError
from progsearch.space.space import Space
from progsearch.workers import cluster
from progsearch.workers.cluster import Machines, with_memory_for
from tests.support.fakes import problem, recipe


def test_several_gpus_for_a_trial_are_refused_before_ray_starts(monkeypatch):
    monkeypatch.setattr(cluster, "start_ray", lambda recipe: pytest.fail("Ray starts"))
    with pytest.raises(ConfigError) as error, cluster.machines(recipe(gpus_per_trial=1.5)):
        pytest.fail("there are machines")
    reason = "a trial is trained on one GPU; give at most 1, got 1.5"
    assert str(error.value) == f"--gpus-per-trial: {reason}"


def test_no_more_trials_at_once_than_memory_holds(monkeypatch):
    asked = []

    def fit(wanted, parameters):
        asked.append(parameters)
        return 2

    monkeypatch.setattr(cluster, "workers_that_fit", fit)
    known = problem(Space.load("quick"))
    there = Machines(parallel=8, gpus_per_trial=0.0)
    assert with_memory_for(there, recipe(seeds=3), known) == Machines(2, 0.0)
    assert asked == [3 * known.parameters]
    assert with_memory_for(there, recipe(parallel=8), known) == there
    shared = Machines(parallel=4, gpus_per_trial=0.25)
    assert with_memory_for(shared, recipe(), known) == shared
