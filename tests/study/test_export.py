import pytest
from optuna.trial import TrialState

from progsearch.config import run_identity, with_seed
from progsearch.errors import StudyError
from progsearch.schedule import Schedule
from progsearch.schedule.files import read_config, write_config
from progsearch.study.export import config_of
from progsearch.study.metadata import info_of, keep_estimates, trials_of
from progsearch.study.trial import Estimate
from progsearch.version import __version__
from tests.support.fake_study import FakeStudy, fake_study


@pytest.fixture(scope="module")
def study():
    return fake_study()


def exported(study, number):
    return config_of(trials_of(study)[number], info_of(study), study.study_name)


def test_the_result_of_several_seeds_says_how_many():
    fake = FakeStudy()
    fake.complete(Schedule.full(6), 0.8, seeds=[{"accuracy": 0.79}, {"accuracy": 0.81}])
    config = exported(fake.study, 0)
    assert (config.results["seeds"], config.results["value"]) == (2, 0.8)
    assert config.training.seed == 0


def test_the_result_is_what_the_search_shows():
    fake = FakeStudy()
    fake.complete(Schedule.full(6), 0.8)
    keep_estimates(fake.study, {0: Estimate(0.79, 0.01)})
    results = exported(fake.study, 0).results
    assert (results["value"], results["standard_error"]) == (0.79, 0.01)
    assert results["metrics"]["accuracy"] == 0.8


def test_a_trial_becomes_a_config_with_costs_and_results(study):
    trial, config = trials_of(study)[1], exported(study, 1)
    assert [stage.trainable_blocks for stage in config.stages] == [
        (0, 1, 2, 3, 4, 5), (2, 3, 4, 5), (4, 5),
    ]  # fmt: skip
    assert config.progsearch_version == __version__
    assert config.model == "minilm-l6"
    assert config.task.name == "mrpc"
    assert config.costs == trial.costs.to_dict()
    assert config.results == {
        "metric": "accuracy",
        "value": 0.8015,
        "metrics": trial.metrics,
        "split": "validation",
        "seeds": 1,
        "study": "fake",
        "trial": 1,
        "run": run_identity(config),
    }
    assert config.contribution is None


def test_full_fine_tuning_stands_beside_the_results(tmp_path):
    fake = FakeStudy()
    fake.complete(Schedule.full(6), 0.8, name="full", learning_rate=3e-5)
    fake.complete(Schedule.last_blocks(6, 3), 0.79)
    keep_estimates(fake.study, {0: Estimate(0.78, 0.02)})
    full, trial = trials_of(fake.study)
    config = config_of(trial, info_of(fake.study), "fake", full)
    assert config.results["reference"] == {
        "name": "full",
        "value": 0.78,
        "standard_error": 0.02,
        "seeds": 1,
        "updated_parameters": 1.0,
        "learning_rate": 3e-5,
    }
    # What it trains is recognised in the file, and no longer after an edit.
    write_config(config, tmp_path / "best.yaml")
    again = read_config(tmp_path / "best.yaml")
    assert run_identity(again) == again.results["run"]
    assert run_identity(with_seed(again, 1)) != again.results["run"]
    assert "reference" not in config_of(full, info_of(fake.study), "fake", full).results


def test_the_scores_a_schedule_was_made_from_go_with_it(study):
    trial = next(t for t in trials_of(study) if t.params.get("mode") == "any_order")
    config = exported(study, trial.number)
    metric = trial.params["metric"]
    assert config.contribution.metric == metric
    assert config.contribution.scores == info_of(study).contributions[metric]


@pytest.mark.parametrize("state", [TrialState.FAIL, TrialState.PRUNED])
def test_a_trial_without_a_result_is_refused(state):
    fake = FakeStudy()
    fake.fail("out of memory", state=state)
    with pytest.raises(StudyError, match=f"trial 0 is {state.name}"):
        exported(fake.study, 0)
