from progsearch.space.space import Space
from progsearch.workers import cluster
from progsearch.workers.cluster import Machines, with_memory_for
from tests.support.fakes import problem, recipe


def test_no_more_trials_at_once_than_memory_holds(monkeypatch):
    asked = []

    def fit(wanted, parameters, processes):
        asked.append((parameters, processes))
        return 2

    monkeypatch.setattr(cluster, "workers_that_fit", fit)
    known = problem(Space.load("quick"))
    there = Machines(parallel=8, gpus_per_trial=0.0)
    assert with_memory_for(there, recipe(seeds=3), known) == Machines(2, 0.0)
    pairs = Machines(parallel=4, gpus_per_trial=0.0, ranks=2)
    assert with_memory_for(pairs, recipe(processes_per_trial=2), known).parallel == 2
    assert asked == [(3 * known.parameters, 1), (known.parameters, 2)]
    assert with_memory_for(there, recipe(parallel=8), known) == there
    shared = Machines(parallel=4, gpus_per_trial=0.25)
    assert with_memory_for(shared, recipe(), known) == shared


def test_each_process_of_a_trial_has_a_whole_gpu_or_shares_one():
    assert Machines(1, 2.0, ranks=2).process == {"CPU": 1.0, "GPU": 1.0}
    assert Machines(1, 0.25).process == {"CPU": 1.0, "GPU": 0.25}
    assert Machines(1, 0.0, ranks=4).process == {"CPU": 1.0, "GPU": 0.0}
