"""What a study says that learned nothing."""

import re

import pytest

from progsearch.config import Rows
from progsearch.report.constant import sample_in_words
from progsearch.report.data import study_report
from progsearch.report.html import page
from progsearch.report.rows import rows
from progsearch.report.status import status
from progsearch.schedule import Schedule
from progsearch.study.metadata import info_of, keep_estimates, keep_info, keep_recipe
from progsearch.study.trial import Estimate
from tests.support.fake_study import FakeStudy

# Two standard errors of an accuracy of 0.684 with 400 rows are 0.0465.
NAMES = ("full", "progtuning-3", "last-quarter", "head-only")


def study_of(*metrics, rows=400, **changes):
    """A study with these metrics of its references."""
    fake = FakeStudy(rows=rows)
    for number, (name, metric) in enumerate(zip(NAMES, metrics, strict=False)):
        fake.complete(Schedule.last_blocks(6, 6 - number), metric, name=name, **changes)
    return fake


def said(fake):
    return study_report(fake.study).nothing_learned


def test_no_reference_beats_the_constant_answer():
    fake = study_of(0.684, 0.72, 0.70, 0.65, learning_rate=5e-5)
    assert said(fake) == (
        "nothing was learned: no reference beats the constant answer (accuracy 0.6840) by two "
        "standard errors (0.0232 each with 400 validation rows): the best, progtuning-3 at "
        "learning rate 5e-5, has 0.7200; 1 of 4 runs of references collapsed; try other "
        "learning rates, more epochs, more or cleaner data, or another model"
    )


@pytest.mark.parametrize(
    ("metrics", "rows"),
    [
        ((0.684, 0.74, 0.70, 0.65), 400),  # one reference is enough
        ((0.684, 0.72, 0.70, 0.65), 4_000),  # the same, with more rows
        ((0.684, 0.68, 0.68), 400),  # a reference is still to be trained
        ((0.684, 0.68, 0.68, 0.65), None),  # a study of an earlier version
        ((), 400),
    ],
)
def test_something_was_learned_or_it_is_not_known(metrics, rows):
    assert said(study_of(*metrics, rows=rows)) is None


def test_references_that_failed_are_not_waited_for():
    fake = study_of(0.684, 0.68, 0.68)
    fake.fail("out of memory", name="head-only")
    assert "1 of 4 runs of references collapsed" in said(fake)


def test_searched_trials_count_but_not_a_lucky_one_of_many():
    fake = study_of(0.684, 0.68, 0.68, 0.68)
    for _ in range(20):
        fake.complete(Schedule.last_blocks(6, 1), 0.74)
    assert said(fake) is not None
    fake.complete(Schedule.last_blocks(6, 1), 0.80)
    assert said(fake) is None


def test_without_a_reference_the_trials_are_all_there_is():
    fake = FakeStudy(rows=400)
    for name in NAMES:
        fake.fail("out of memory", name=name)
    fake.complete(Schedule.last_blocks(6, 1), 0.70)
    assert "no trial beats the constant answer" in said(fake)
    assert "the best, #4 at" in said(fake)


def test_an_estimate_that_is_uncertain_has_the_larger_error():
    fake = study_of(0.75, 0.75, 0.75, 0.75)
    keep_estimates(fake.study, {number: Estimate(0.75, 0.15) for number in range(4)})
    assert "(0.1500 each" in said(fake)
    assert said(study_of(0.75, 0.75, 0.75, 0.75)) is None


def with_metric(fake, metric):
    keep_info(
        fake.study, info_of(fake.study).model_copy(update={"metric": metric, "majority": None})
    )
    return fake


def test_a_constant_has_correlation_0_and_other_metrics_may_have_no_answer():
    text = said(with_metric(study_of(0.05, 0.09, 0.0, 0.0), "pearson"))
    assert "(pearson 0.0000)" in text and "0.0502 each" in text
    assert said(with_metric(study_of(0.05, 0.11, 0.0, 0.0), "pearson")) is None
    assert said(with_metric(study_of(0.05, 0.09, 0.0, 0.0), "span_f1")) is None


# -- how it is shown -------------------------------------------------------------------------


def test_tables_have_the_constant_answer_and_no_marks():
    fake = study_of(0.684, 0.72, 0.70, 0.65)
    table = rows(study_report(fake.study))
    assert {tag for row in table for tag in row.tags} == {"collapsed"}
    assert (table[-1].name, table[-1].on_front) == ("constant answer", False)
    assert list(table[-1].cells) == list(table[0].cells)
    assert set(table[-1].cells.values()) == {"0.6840", ""}
    learned = study_report(study_of(0.684, 0.78, 0.70, 0.65).study)
    assert {"best", "knee"} < {tag for row in rows(learned) for tag in row.tags}


@pytest.mark.parametrize(
    ("metrics", "unbeaten"),
    [
        ((0.78, 0.79, 0.77, 0.76), []),
        ((0.78, 0.79, 0.77, 0.60), [3]),
    ],
)
def test_the_constant_answer_has_its_row_where_places_on_the_front_do_not_beat_it(
    metrics, unbeaten
):
    report = study_report(study_of(*metrics).study)
    assert {trial.number for trial in report.front} >= set(unbeaten)
    shown = [row.name for row in rows(report)]
    assert ("constant answer" in shown) == bool(unbeaten)
    data = report.to_dict()["constant_answer"]
    assert (data["value"], data["unbeaten"]) == (0.684, unbeaten)
    if unbeaten:
        assert (
            "not beat the constant answer (accuracy 0.6840) by 2 standard errors"
            in data["sentence"]
        )


def test_what_one_row_is_worth():
    report = study_report(study_of(0.78, 0.79, 0.7, 0.6).study)
    measured = report.to_dict()["measured_on"]
    assert measured == {"split": "validation", "rows": 400, "one_is_worth": 1 / 400}
    assert str(Rows("validation", 408, 1 / 408)) == "408 validation rows, one is worth 0.25 points"
    assert str(Rows("validation", 50, None)) == "50 validation rows, one is 2.00 % of them"


def test_data_and_page_say_it_at_the_top():
    report = study_report(study_of(0.684, 0.72, 0.70, 0.65).study)
    assert report.to_dict()["nothing_learned"] == status(report)["nothing_learned"]
    html = page(report)
    assert '<p class="alert">Nothing was learned: no reference beats' in html
    assert html.index('class="alert"') < html.index('<dl class="facts">')
    for absent in ("progsearch export", "Knee of the front", "Best metric", ">knee<", ">best<"):
        assert absent not in html
    learned = page(study_report(study_of(0.684, 0.78, 0.70, 0.65).study))
    assert "progsearch export" in learned and 'class="alert"' not in learned


def test_a_recipe_of_an_earlier_version_says_nothing():
    fake = study_of(0.684, 0.72, 0.70, 0.65)
    keep_recipe(fake.study, fake.recipe.model_copy(update={"understood": None}))
    assert said(fake) is None


def test_the_line_below_the_table_says_what_the_errors_of_seeds_leave_out():
    fake = FakeStudy(rows=80)
    fake.complete(Schedule.full(6), 0.8, name="full")
    assert sample_in_words(study_report(fake.study)) is None, "no error is shown"
    keep_estimates(fake.study, {0: Estimate(0.8, 0.005)})
    sentence = sample_in_words(study_report(fake.study)) or ""
    assert re.search(r"is of seeds; another validation set would move all by about \d", sentence)
