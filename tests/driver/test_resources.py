"""What commands may give the trials of an existing study."""

import pytest

from progsearch.config import Resources
from progsearch.driver.search import with_resources
from progsearch.errors import ConfigError
from tests.support.fakes import recipe


@pytest.fixture(autouse=True)
def _two_processors(monkeypatch):
    monkeypatch.setattr("progsearch.driver.possible.gpus_here", lambda: 0)
    monkeypatch.setattr("progsearch.driver.possible.allowed_processors", lambda: 2)
    monkeypatch.setattr("progsearch.driver.possible._uses_running_ray", lambda: False)


def test_what_this_machine_has_is_given():
    assert with_resources(recipe(parallel=8), Resources(parallel=2)).parallel == 2
    assert with_resources(recipe(), Resources(processes_per_trial=2)).ranks_per_trial == 2
    # What was possible when the study began is not asked again.
    assert with_resources(recipe(parallel=8), Resources()).parallel == 8


@pytest.mark.parametrize(
    ("before", "given", "message"),
    [
        ({}, {"processes_per_trial": 3}, "2 processors for 3 processes here"),
        ({}, {"gpus_per_trial": 2}, "there is no GPU here"),
        ({"parallel": 2}, {"processes_per_trial": 2}, "got 2, each trained by 2 processes"),
        ({"gpus_per_trial": 2}, {"processes_per_trial": 1, "parallel": 4}, "2 processors for it"),
        (
            {"objectives": ("metric", "peak_memory")},
            {"processes_per_trial": 2},
            "--processes-per-trial: the peak memory .* keep 1",
        ),
        (
            {"objectives": ("metric", "peak_memory"), "gpus_per_trial": 2},
            {"gpus_per_trial": 0},
            "the peak memory .* keep 2",
        ),
    ],
)
def test_what_it_lacks_and_what_changes_an_objective_are_refused(before, given, message):
    with pytest.raises(ConfigError, match=message):
        with_resources(recipe(**before), Resources(**given))
