"""The results of a search in a file that is trained."""

import pytest

from progsearch.config import TaskConfig, run_identity
from progsearch.training.saved_results import edited, known_of_search
from tests.support.runs import config_of


def exported(**results):
    config = config_of(("some-model", TaskConfig(name="mine")))
    return config.model_copy(update={"results": {"run": run_identity(config), **results}})


def test_results_of_an_unedited_file_are_known():
    config = exported(value=0.9, seeds=3, reference={"value": 0.8, "learning_rate": 1e-4})
    known = known_of_search(config)
    assert not edited(config)
    assert known["searched"] == {"value": 0.9, "seeds": 3}
    assert known["reference"] == {"value": 0.8, "learning_rate": 1e-4}


@pytest.mark.parametrize(
    "results",
    [
        {"value": "high"},
        {"searched": "x"},
        {"searched": {"seeds": 3}},
        {"value": 0.9, "reference": "full"},
        {"value": 0.9, "reference": {"value": 0.8, "learning_rate": "fast"}},
    ],
)
def test_results_that_are_no_numbers_count_as_edited(results):
    config = exported(**results)
    assert edited(config)
    assert known_of_search(config) == {}
