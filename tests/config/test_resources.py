import pytest

from progsearch.config import Recipe, Resources, parse
from progsearch.errors import ConfigError
from tests.support.fakes import recipe


@pytest.mark.parametrize(
    ("given", "ranks"),
    [
        ({}, 1),
        ({"gpus_per_trial": 0}, 1),
        ({"gpus_per_trial": 0.25}, 1),
        ({"gpus_per_trial": 1}, 1),
        ({"gpus_per_trial": 2}, 2),
        ({"gpus_per_trial": 8.0, "processes_per_trial": 1}, 8),
        ({"processes_per_trial": 3}, 3),
        ({"processes_per_trial": 3, "gpus_per_trial": 0}, 3),
    ],
)
def test_the_processes_of_a_trial(given, ranks):
    assert recipe(**given).ranks_per_trial == ranks


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"gpus_per_trial": 1.5}, "a share of a GPU, from 0 to 1, or a whole number of GPUs, got"),
        ({"gpus_per_trial": -1}, "greater than or equal to 0"),
        ({"gpus_per_trial": float("inf")}, "finite"),
        ({"processes_per_trial": 0}, "greater than or equal to 1"),
        ({"processes_per_trial": 2, "gpus_per_trial": 2}, "are for searches without GPUs"),
        ({"processes_per_trial": 2, "gpus_per_trial": 0.5}, "are for searches without GPUs"),
        ({"processes_per_trial": 64}, "64 processes cannot share batches of 16"),
        ({"gpus_per_trial": 64}, "64 processes cannot share batches of 16"),
    ],
)
def test_impossible_resources_are_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        parse(Recipe, {"task": {"name": "mrpc"}} | given, "recipe.yaml")


@pytest.mark.parametrize(
    ("before", "given", "after"),
    [
        ((4, 2.0, None), (), (4, 2.0, None)),
        ((4, 2.0, None), (1,), (1, 2.0, None)),
        ((4, 2.0, None), (None, 1.0), (4, 1.0, None)),
        # GPUs instead of processes, and the other way round.
        ((4, None, 2), (None, 2.0), (4, 2.0, None)),
        ((4, 2.0, None), (None, None, 2), (4, None, 2)),
        ((4, 0.0, 2), (None, None, 4), (4, 0.0, 4)),
        ((4, 2.0, None), (None, 0.0, 2), (4, 0.0, 2)),
    ],
)
def test_a_command_gives_the_trials_of_a_study_other_resources(before, given, after):
    names = ("parallel", "gpus_per_trial", "processes_per_trial")
    found = Resources(*given).of(recipe(**dict(zip(names, before, strict=True))))
    assert tuple(getattr(found, name) for name in names) == after


def test_a_command_cannot_give_what_a_recipe_cannot():
    with pytest.raises(ConfigError, match="16 processes cannot share batches of 8"):
        Resources(gpus_per_trial=16).of(recipe())
    with pytest.raises(ConfigError, match="are for searches without GPUs"):
        Resources(gpus_per_trial=2, processes_per_trial=2).of(recipe())
