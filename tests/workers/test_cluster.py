import pytest

from progsearch.errors import ConfigError
from progsearch.workers import cluster
from tests.support.fakes import recipe


def test_several_gpus_for_a_trial_are_refused_before_ray_starts(monkeypatch):
    monkeypatch.setattr(cluster, "start_ray", lambda recipe: pytest.fail("Ray starts"))
    with pytest.raises(ConfigError) as error, cluster.machines(recipe(gpus_per_trial=1.5)):
        pytest.fail("there are machines")
    reason = "a trial is trained on one GPU; give at most 1, got 1.5"
    assert str(error.value) == f"gpus_per_trial: {reason}"
