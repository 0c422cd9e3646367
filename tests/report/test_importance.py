"""Importances where it is known what matters, since the trials are made up."""

import json
import random
import warnings
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from progsearch.report.data import study_report
from progsearch.report.figures import importance_figure
from progsearch.report.html import page
from progsearch.report.importance import FRONT, LEAST_TRIALS, Importance, importance_of
from progsearch.schedule import Schedule
from progsearch.study.trial import Trial
from tests.support.fake_study import FakeStudy, fake_study

DISTRIBUTIONS = {
    "rate": FloatDistribution(0.0, 1.0),
    "depth": FloatDistribution(0.0, 1.0),
    "noise": CategoricalDistribution(["a", "b", "c"]),
    "curve": CategoricalDistribution(["parts", "step"]),
    "freeze": FloatDistribution(0.0, 1.0),
    "fixed": CategoricalDistribution([3]),
    "rare": FloatDistribution(0.0, 1.0),
}


def made_up(number, seed=0, *, objectives=2):
    """The rate alone makes the metric, the depth alone makes the cost."""
    draw = random.Random(seed)
    trials = []
    for index in range(number):
        params: dict[str, Any] = {
            "rate": draw.random(),
            "depth": draw.random(),
            "noise": draw.choice("abc"),
        }
        params |= {"curve": draw.choice(["parts", "step"]), "fixed": 3}
        if params["curve"] == "step":
            params["freeze"] = draw.random()
        if index < 3:
            params["rare"] = draw.random()
        trials.append(
            create_trial(
                values=[0.5 + 0.4 * params["rate"], 1.0 - params["depth"]][:objectives],
                params=params,
                distributions={name: DISTRIBUTIONS[name] for name in params},
            )
        )
    return trials


def sampled(*args, **settings):
    return list(map(Trial, made_up(*args, **settings)))


def by_name(importance):
    return {dimension.name: dimension for dimension in importance.dimensions}


@pytest.mark.parametrize("seed", range(3))
def test_what_makes_an_objective_is_found_for_that_objective(seed):
    importance = importance_of(sampled(40, seed), ["accuracy", "updated_parameters"])
    assert importance.targets == ("accuracy", "updated_parameters", FRONT)
    dimensions = by_name(importance)
    for target, name in (("accuracy", "rate"), ("updated_parameters", "depth")):
        shares = {d.name: d.shares[target] for d in importance.dimensions}
        assert max(shares, key=shares.get) == name
        assert sum(shares.values()) == pytest.approx(1)
        assert target in dimensions[name].beyond_chance
    assert importance.dimensions[0].name == "rate"
    assert "in accuracy: rate (" in str(importance)
    assert "in updated parameters: depth (" in str(importance)


def test_shares_are_optunas_for_several_objectives_and_one():
    trials = made_up(40)
    importance = importance_of(list(map(Trial, trials)), ["accuracy", "updated_parameters"])
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.add_trials(trials)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=0.25)
        names = [dimension.name for dimension in importance.dimensions]
        for target, values in (
            ("accuracy", lambda trial: -trial.values[0]),
            ("updated_parameters", lambda trial: trial.values[1]),
            (FRONT, None),
        ):
            theirs = optuna.importance.get_param_importances(
                study, evaluator=evaluator, params=names, target=values
            )
            ours = {d.name: d.shares[target] for d in importance.dimensions}
            assert ours == pytest.approx(theirs)
    alone = importance_of(sampled(40, objectives=1), ["accuracy"])
    assert alone.targets == ("accuracy",)
    assert by_name(alone)["rate"].shares == {
        "accuracy": pytest.approx(by_name(importance)["rate"].shares["accuracy"])
    }


def test_trials_that_tell_nothing_find_nothing_beyond_chance():
    draw = random.Random(0)
    findings = 0
    for seed in range(3):
        trials = made_up(30, seed)
        for trial in trials:
            trial.values = [draw.random(), draw.random()]
        importance = importance_of(list(map(Trial, trials)), ["accuracy", "updated_parameters"])
        findings += sum(len(d.beyond_chance) for d in importance.dimensions)
    # 3 studies x 3 targets x 5 dimensions, at a level of one in twenty.
    assert findings <= 6


def test_dimensions_that_only_some_trials_have_say_how_many():
    trials = made_up(40)
    importance = importance_of(list(map(Trial, trials)), ["accuracy", "updated_parameters"])
    freeze = by_name(importance)["freeze"]
    assert freeze.trials == sum("freeze" in trial.params for trial in trials) < 40
    assert by_name(importance)["rate"].trials == 40
    assert importance.left_out == {
        "fixed": "all 40 trials with it have the value 3",
        "rare": "only 3 trials have it",
    }


def test_a_dimension_that_some_trials_have_can_matter_most():
    draw, trials = random.Random(0), made_up(60)
    for trial in trials:
        trial.values = [trial.params.get("freeze", draw.random()), 0.5]
    importance = importance_of(list(map(Trial, trials)), ["accuracy", "updated_parameters"])
    assert importance.dimensions[0].name == "freeze"
    assert "accuracy" in importance.dimensions[0].beyond_chance


def test_means_are_those_of_the_trials_with_the_value():
    trials = made_up(40)
    dimensions = by_name(
        importance_of(list(map(Trial, trials)), ["accuracy", "updated_parameters"])
    )
    noise = dimensions["noise"]
    assert {mean.value for mean in noise.values} == {"a", "b", "c"}
    for mean in noise.values:
        metrics = [t.values[0] for t in trials if t.params["noise"] == mean.value]
        assert mean.trials == len(metrics)
        assert mean.metric == pytest.approx(sum(metrics) / len(metrics))
    means = [mean.metric for mean in noise.values]
    assert means == sorted(means, reverse=True)
    assert dimensions["rate"].values == ()


def test_equal_results_have_no_importance():
    trials = made_up(20)
    for trial in trials:
        trial.values = [0.7, 0.5]
    importance = importance_of(list(map(Trial, trials)), ["accuracy", "updated_parameters"])
    assert "accuracy" not in importance.targets
    assert all("accuracy" not in d.beyond_chance for d in importance.dimensions)
    json.dumps(importance.to_dict(), allow_nan=False)


def test_few_trials_say_nothing():
    importance = importance_of(sampled(LEAST_TRIALS - 1), ["accuracy", "updated_parameters"])
    assert importance == Importance(LEAST_TRIALS - 1)
    assert str(importance) == "Importance needs 8 searched trials with a result; there are 7."
    assert importance_of(sampled(LEAST_TRIALS), ["accuracy", "updated_parameters"]).targets


def test_a_report_takes_sampled_trials_with_results_alone():
    fake = FakeStudy()
    fake.baselines()
    fake.searched(9)
    fake.fail("out of memory")
    fake.stop(0.7)
    fake.fail("stopped", state=TrialState.PRUNED)
    data = study_report(fake.study).to_dict()["importance"]
    assert data["trials"] == 9
    assert set(data["dimensions"]) | set(data["left_out"]) == set(fake.study.trials[4].params)
    for dimension in data["dimensions"].values():
        assert set(dimension["importance"]) == {"accuracy", "updated_parameters", "front"}
        assert set(dimension["beyond_chance"]) <= set(dimension["importance"])
    json.dumps(data, allow_nan=False)


def test_the_figure_shows_every_share_and_pales_what_may_be_chance():
    importance = importance_of(sampled(40), ["accuracy", "updated_parameters"])
    panels = importance_figure(importance).data
    assert len(panels) == 3
    for panel, target in zip(panels, importance.targets, strict=True):
        for name, share, colour in zip(panel.y, panel.x, panel.marker.color, strict=True):
            dimension = by_name(importance)[name]
            assert share == pytest.approx(100 * dimension.shares[target])
            assert (colour == panels[0].marker.color[-1]) == (target in dimension.beyond_chance)


def test_the_page_has_it_or_says_why_not():
    html = page(study_report(fake_study()))
    section = html[html.index("<h2>What mattered</h2>") :]
    assert "arXiv 2304.10255" in section
    assert 'class="plot"' in section[: section.index("<h2>Contribution")]
    fake = FakeStudy()
    fake.complete(Schedule.full(6), 0.8, name="full")
    assert "Importance needs 8 searched trials with a result; there are 0." in page(
        study_report(fake.study)
    )


def test_optuna_says_nothing_while_a_report_is_made(capfd):
    report = study_report(fake_study())
    capfd.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert report.importance.targets
    assert capfd.readouterr() == ("", "")
