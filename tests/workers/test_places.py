import pytest

from progsearch.errors import ConfigError
from progsearch.workers.places import Places, places
from tests.support.fakes import recipe

FOUR_GPUS = {"CPU": 16.0, "GPU": 4.0}
TWO_GPUS = {"CPU": 8.0, "GPU": 2.0}
ONE_GPU = {"CPU": 8.0, "GPU": 1.0}
PROCESSORS = {"CPU": 3.0}


@pytest.mark.parametrize(
    ("given", "nodes", "expected"),
    [
        ({}, [PROCESSORS], Places(3, 0.0)),
        ({}, [FOUR_GPUS, ONE_GPU], Places(5, 1.0)),
        ({"gpus_per_trial": 0}, [FOUR_GPUS], Places(16, 0.0)),
        ({"gpus_per_trial": 0.25}, [ONE_GPU], Places(4, 0.25)),
        ({"gpus_per_trial": 1, "parallel": 2}, [FOUR_GPUS], Places(2, 1.0)),
        ({"gpus_per_trial": 2}, [FOUR_GPUS], Places(2, 2.0, 2, "STRICT_PACK")),
        ({"gpus_per_trial": 3}, [FOUR_GPUS, FOUR_GPUS], Places(2, 3.0, 3, "STRICT_PACK")),
        # One machine with room is better than a network.
        ({"gpus_per_trial": 2}, [ONE_GPU, ONE_GPU, TWO_GPUS], Places(1, 2.0, 2, "STRICT_PACK")),
        ({"gpus_per_trial": 2}, [ONE_GPU, ONE_GPU, PROCESSORS], Places(1, 2.0, 2, "PACK")),
        ({"gpus_per_trial": 3}, [TWO_GPUS] * 4, Places(2, 3.0, 3, "PACK")),
        # A process needs a processor beside its GPU.
        ({"gpus_per_trial": 2}, [{"CPU": 1.0, "GPU": 8.0}] * 2, Places(1, 2.0, 2, "PACK")),
        ({"processes_per_trial": 2}, [PROCESSORS] * 2, Places(2, 0.0, 2, "STRICT_PACK")),
        ({"processes_per_trial": 4}, [PROCESSORS] * 3, Places(2, 0.0, 4, "PACK")),
        (
            {"processes_per_trial": 2, "gpus_per_trial": 0},
            [FOUR_GPUS],
            Places(8, 0.0, 2, "STRICT_PACK"),
        ),
    ],
)
def test_trials_are_kept_on_one_machine_if_any_has_room(given, nodes, expected):
    assert places(recipe(**given), nodes) == expected


@pytest.mark.parametrize(
    ("given", "nodes", "message"),
    [
        ({"gpus_per_trial": 0.5}, [PROCESSORS], "0.5 GPUs were asked for and 0 are there"),
        ({"gpus_per_trial": 4}, [ONE_GPU] * 3, "4 GPUs were asked for and 3 are there"),
        (
            {"gpus_per_trial": 2},
            [{"CPU": 1.0, "GPU": 8.0}, PROCESSORS],
            "2 GPUs, each with a processor, were asked for and 1 are there",
        ),
        ({"processes_per_trial": 4}, [PROCESSORS], "4 processors were asked for and 3 are there"),
        ({"processes_per_trial": 2}, [ONE_GPU], "without GPUs, and there are 1; give"),
        ({"max_gpu_hours": 1}, [PROCESSORS], "uses no GPU"),
    ],
)
def test_what_has_no_place_is_refused(given, nodes, message):
    with pytest.raises(ConfigError, match=message):
        places(recipe(**given), nodes)
