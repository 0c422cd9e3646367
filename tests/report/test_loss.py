"""A pick that is worse than full fine-tuning by more than noise is said."""

import warnings

import pytest

from progsearch.report.data import study_report
from progsearch.report.loss import loss_in_file, loss_of
from progsearch.results import Pick
from progsearch.schedule import Schedule
from progsearch.study.confirmed_runs import ConfirmedRuns
from progsearch.study.metadata import keep_estimates
from progsearch.study.trial import Estimate
from tests.support.fake_runs import confirmed_run
from tests.support.fake_study import FakeStudy


@pytest.fixture
def fake():
    fake = FakeStudy()
    fake.complete(Schedule.full(6), 0.80, name="full")
    fake.complete(Schedule.last_blocks(6, 2), 0.77, params={"n_stages": 1})
    fake.complete(Schedule.last_blocks(6, 4), 0.795, params={"n_stages": 2})
    return fake


def said(fake, number, errors=(0.004, 0.003, 0.005), runs=None):
    means = (0.80, 0.77, 0.795)
    keep_estimates(
        fake.study, {n: Estimate(m, e) for n, (m, e) in enumerate(zip(means, errors, strict=True))}
    )
    report = study_report(fake.study, runs)
    return loss_of(report, report.trials[number])


def test_the_loss_and_what_loses_less(fake):
    assert said(fake, 1) == (
        "#1 is worse than full fine-tuning by more than noise, \N{MINUS SIGN}3.00 pt (standard "
        "error 0.50, in the search): the pick cheapest@1pt is #2, \N{MINUS SIGN}0.50 pt"
    )
    assert "more than noise" in repr(
        Pick(study_report(fake.study).trials[1], study_report(fake.study))
    )


def test_an_export_in_python_warns_of_the_loss(fake, tmp_path):
    said(fake, 1)
    report = study_report(fake.study)
    with pytest.warns(UserWarning, match="#1 is worse than full fine-tuning by more than noise"):
        Pick(report.trials[1], report).export(tmp_path / "best.yaml", anyway=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Pick(report.trials[2], report).export(tmp_path / "best.yaml", anyway=True)


def test_noise_is_no_loss(fake):
    assert said(fake, 2) is None
    assert said(fake, 0) is None
    assert said(fake, 1, (0.015, 0.015, 0.0)) is None


def test_without_estimates_nothing_is_said(fake):
    report = study_report(fake.study)
    assert loss_of(report, report.trials[1]) is None


def test_new_seeds_count_more(fake):
    runs = [
        confirmed_run(trial, seed, value + seed / 100)
        for trial, values in ((0, (0.80, 0.81)), (1, (0.799, 0.812)))
        for seed, value in enumerate(values, 1)
    ]
    assert said(fake, 1, runs=ConfirmedRuns(margin=0.01, runs=runs)) is None
    runs = [
        confirmed_run(trial, seed, value)
        for trial, values in ((0, (0.80, 0.81)), (2, (0.79, 0.801)))
        for seed, value in enumerate(values, 1)
    ]
    sentence = said(fake, 2, runs=ConfirmedRuns(margin=0.01, runs=runs))
    assert "\N{MINUS SIGN}0.95 pt (standard error 0.05, on 2 new seeds)" in sentence
    assert sentence.endswith(": the pick best is full")


def test_an_exported_file_says_it_too():
    searched = {"value": 0.7, "standard_error": 0.01, "study": "reviews"}
    reference = {"value": 0.8, "standard_error": 0.01}
    found = {"searched": searched, "reference": reference}
    assert "\N{MINUS SIGN}10.00 pt (standard error 1.41, in the search)" in loss_in_file(found)
    assert loss_in_file({"searched": searched}) is None
    assert loss_in_file({}) is None
    assert loss_in_file(found | {"reference": {"value": 0.71, "standard_error": 0.01}}) is None
