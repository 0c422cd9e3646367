"""What a report says of runs on new seeds."""

import json

import pytest
from scipy import stats

from progsearch.report.confirmation_rows import confirmed_rows
from progsearch.report.data import study_report
from progsearch.report.html import page
from progsearch.report.statistics import difference
from progsearch.schedule import Schedule
from progsearch.study.confirmed_runs import ConfirmedRun, ConfirmedRuns
from progsearch.study.front import drop_of
from tests.support.fake_runs import confirmed_run, fake_runs
from tests.support.fake_study import FakeStudy, fake_study

# By trial: full, the paper's, a cheap one that is as good, one that is not.
FULL = [0.80, 0.82, 0.81, 0.79]
PAPER = [0.79, 0.81, 0.81, 0.78]
CHEAP = [0.802, 0.819, 0.811, 0.791]
POOR = [0.70, 0.71, 0.72, 0.69]


def four_schedules(objectives=("metric", "updated_parameters")):
    fake = FakeStudy(objectives)
    fake.complete(Schedule.full(6), 0.8, name="full")
    fake.complete(Schedule.progtuning(6, 3), 0.79, name="progtuning-3")
    fake.complete(Schedule.last_blocks(6, 4), 0.81)
    fake.complete(Schedule.last_blocks(6, 0), 0.7, name="head-only")
    return fake.study


def runs(*columns, test=None):
    return [
        confirmed_run(trial, seed, accuracy, test)
        for trial, column in enumerate(columns)
        for seed, accuracy in enumerate(column, start=1)
    ]


def confirmed_of(kept, study=None, margin=0.01):
    report = study_report(
        study or four_schedules(), ConfirmedRuns(margin=margin, runs=tuple(kept))
    )
    return report.confirmed


def by_number(confirmed):
    return {schedule.trial.number: schedule for schedule in confirmed.schedules}


def test_a_study_that_was_not_confirmed_says_so():
    assert study_report(four_schedules()).to_dict()["confirmed"] is None
    assert confirmed_of([]) is None


def test_every_number_of_the_entry():
    confirmed = confirmed_of(runs(FULL, PAPER, CHEAP, POOR, test=0.75))
    data = json.loads(json.dumps(confirmed.to_dict()))
    assert (data["seeds"], data["margin"], data["n_tested"]) == ([1, 2, 3, 4], 0.01, 3)
    # The front first: the cheap one and the head; then the other baselines.
    assert [entry["number"] for entry in data["schedules"]] == [2, 3, 0, 1]
    found = {entry["number"]: entry for entry in data["schedules"]}
    assert "name" not in found[2]
    assert found[3]["name"] == "head-only"
    assert found[2]["values"] == CHEAP
    assert found[2]["mean"] == pytest.approx(sum(CHEAP) / 4)
    assert found[2]["sd"] == pytest.approx(stats.tstd(CHEAP))
    assert found[2]["interval"][0] < found[2]["mean"] < found[2]["interval"][1]

    theirs = stats.ttest_rel(CHEAP, FULL).confidence_interval(0.95)
    assert found[2]["difference_to_full"] == {
        "mean": pytest.approx(0.00075),
        "interval": pytest.approx([theirs.low, theirs.high]),
        "n_seeds": 4,
    }
    p = {
        number: stats.ttest_1samp(
            [a - b for a, b in zip(column, FULL, strict=True)], -0.01, alternative="greater"
        ).pvalue
        for number, column in ((1, PAPER), (2, CHEAP), (3, POOR))
    }
    assert {n: found[n]["p"] for n in p} == pytest.approx(p)
    assert found[2]["corrected_p"] == pytest.approx(3 * p[2])
    assert found[1]["corrected_p"] == pytest.approx(2 * p[1])
    assert found[3]["corrected_p"] == pytest.approx(p[3])
    assert {n: entry["verdict"] for n, entry in found.items()} == {
        0: None, 1: "inconclusive", 2: "non-inferior", 3: "inferior"
    }  # fmt: skip
    # Of the one that is inconclusive alone, and it is the spread that says how many.
    assert {n: entry["seeds_to_tell"] for n, entry in found.items()} == {
        0: None, 1: difference(PAPER, FULL).seeds_to_tell(0.01, 3), 2: None, 3: None
    }  # fmt: skip
    assert found[1]["seeds_to_tell"] > 4
    assert "a power of 80 %" in confirmed.note
    assert {n: entry["better_than_paper"] for n, entry in found.items()} == {
        0: False, 1: None, 2: True, 3: False
    }  # fmt: skip
    assert found[0]["difference_to_full"] is None
    assert found[2]["test"]["values"] == [0.75] * 4
    assert (found[2]["test"]["sd"], found[2]["test"]["interval"]) == (0.0, None)


def test_one_seed_is_no_test():
    confirmed = confirmed_of(runs([0.8], [0.79], [0.81], [0.7]))
    cheap = by_number(confirmed)[2]
    assert (cheap.summary.sd, cheap.summary.interval) == (None, None)
    assert cheap.to_full.mean == pytest.approx(0.01)
    assert (cheap.p, cheap.corrected_p, cheap.verdict) == (None, None, "inconclusive")
    assert confirmed.seeds_to_tell(cheap) is None
    assert "a test needs at least 2 seeds" in confirmed.note
    assert "Non-inferior" not in confirmed.note


def test_only_seeds_that_both_have_are_compared():
    kept = [r for r in runs(FULL, PAPER, CHEAP, POOR) if (r.trial, r.seed) != (0, 2)]
    cheap = by_number(confirmed_of(kept))[2]
    assert cheap.summary.n == 4
    assert cheap.to_full.n == 3
    assert cheap.to_full.mean == pytest.approx(sum(CHEAP[i] - FULL[i] for i in (0, 2, 3)) / 3)


def test_a_schedule_with_a_failed_run_is_not_called_as_good():
    kept = runs(FULL, PAPER, CHEAP, POOR)
    failure = ConfirmedRun(trial=2, seed=5, reason="the loss is not finite at step 3")
    found = by_number(confirmed_of([*kept, failure]))
    assert found[2].failed == {5: "the loss is not finite at step 3"}
    assert (found[2].p, found[2].verdict) == (None, "inconclusive")
    # It does not count for the correction either.
    assert found[1].corrected_p == pytest.approx(2 * found[1].p)


def test_schedules_without_any_result_are_listed_apart():
    failure = ConfirmedRun(trial=0, seed=1, reason="out of memory")
    confirmed = confirmed_of([failure, *runs([], PAPER, CHEAP)])
    assert [(trial.number, reason) for trial, reason in confirmed.failed] == [(0, "out of memory")]
    found = by_number(confirmed)
    assert set(found) == {1, 2}
    # Nothing to compare with, so no verdict; the paper's schedule is still there.
    assert (found[2].to_full, found[2].verdict) == (None, None)
    assert found[2].better_than_paper is True


def test_measured_costs_are_means_over_seeds():
    study = four_schedules(("metric", "seconds", "peak_memory"))
    cheap = by_number(confirmed_of(runs(FULL, PAPER, CHEAP, POOR), study))[2]
    assert cheap.means == pytest.approx((sum(CHEAP) / 4, 102.5, 10**9 + 2.5))
    # The made-up seconds are the same for all, so none is better in them.
    assert cheap.better_than_paper is False


def test_the_note_names_seeds_margin_and_correction():
    study = fake_study()
    note = study_report(study, fake_runs(study, margin=0.005)).confirmed.note
    assert "did not use: 1 to 5" in note
    assert "for the 11 schedules tested, rejects a loss of 0.5 pt or more" in note
    assert "95 % bootstrap interval" in note and "Holm" in note
    assert "the test data was not used for any choice" in note
    without = study_report(study, fake_runs(study, test=False)).confirmed
    assert not without.has_test and "test data" not in without.note


@pytest.mark.parametrize(
    ("text", "drop"),
    [("1pt", 0.01), ("1%", 0.01), ("1.5 %", 0.015), ("0.5pt", 0.005), ("0.01", 0.01), (".5", 0.5),
     ("1 pt", None), ("-1pt", None), ("", None), ("one", None)],
)  # fmt: skip
def test_drops_in_words(text, drop):
    assert drop_of(text) == (None if drop is None else pytest.approx(drop))


# -- full fine-tuning that collapsed ---------------------------------------------------------


def collapsing(*seeds):
    """The runs of all four, full fine-tuning's constant with these seeds."""
    return [
        run.model_copy(update={"constant": True, "metrics": {"accuracy": 0.3}})
        if run.trial == 0 and run.seed in seeds
        else run
        for run in runs(FULL, PAPER, CHEAP, POOR, test=0.75)
    ]


def test_seeds_with_which_full_fine_tuning_collapsed_are_no_gain():
    confirmed = confirmed_of(collapsing(2))
    poor = by_number(confirmed)[3]
    assert (poor.to_full.n, poor.test_to_full.n) == (3, 3)
    assert poor.to_full.mean == pytest.approx(sum(POOR[i] - FULL[i] for i in (0, 2, 3)) / 3)
    assert poor.verdict == "inferior"
    assert confirmed.to_dict()["full_collapsed"] == (2,)
    assert "collapsed (its predictions were constant) with seed 2; differences" in confirmed.note


def test_full_fine_tuning_that_always_collapsed_decides_nothing():
    confirmed = confirmed_of(collapsing(1, 2, 3, 4))
    assert {s.verdict for s in confirmed.schedules} == {None}
    assert {s.to_full for s in confirmed.schedules} == {None}
    shown = {
        row.name: row.cells["verdict"]
        for row in confirmed_rows(study_report(four_schedules()), confirmed)
    }
    assert shown == {"full": ""} | dict.fromkeys(
        ("progtuning-3", "#2", "head-only"), "full collapsed"
    )


def test_the_metric_of_the_constant_answer_is_a_collapse_too():
    assert confirmed_of(runs([0.684, 0.8], [0.7, 0.7])).full_collapsed == (1,)
    # A schedule's own collapse counts against it.
    assert by_number(confirmed_of(runs([0.8, 0.8], [0.684, 0.7])))[1].to_full.n == 2


def test_metrics_that_only_ends_of_runs_have_are_shown_and_others_kept():
    found = runs([0.8, 0.9])
    more = ({"exact_match": 0.25, "loss": 1.0}, {"exact_match": 0.75, "loss": 2.0})
    found = [
        run.model_copy(update={"metrics": run.metrics | extra})
        for run, extra in zip(found, more, strict=True)
    ]
    study = four_schedules()
    confirmed = confirmed_of(found, study)
    others = confirmed.to_dict()["schedules"][0]["other_metrics"]
    assert "accuracy" not in others
    assert (others["exact_match"], others["loss"]) == (0.5, 1.5)
    (row,) = confirmed_rows(study_report(four_schedules()), confirmed)
    assert row.cells["exact match"] == "0.5000"
    assert not {"loss", "forgetting"} & set(row.cells)


def test_the_mean_of_what_is_forgotten_is_an_objective():
    fake = FakeStudy(("metric", "forgetting"))
    fake.complete(Schedule.full(6), 0.8, name="full", forgetting=0.5)
    found = [
        run.model_copy(update={"metrics": run.metrics | {"forgetting": value}})
        for run, value in zip(runs([0.8, 0.9]), (0.25, 0.75), strict=True)
    ]
    (schedule,) = confirmed_of(found, fake.study).schedules
    assert schedule.means == (pytest.approx(0.85), 0.5)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("progtuning-3", "head-only"), "; means are compared with that of progtuning-3"),
        (("last-quarter", "head-only", None), "of the references (head-only, last-quarter)"),
        ((None,), "nothing is tested"),
    ],
)
def test_without_full_fine_tuning_it_is_said_what_means_are_compared_with(names, words):
    fake = FakeStudy()
    for index, name in enumerate(names):
        fake.complete(Schedule.last_blocks(6, index), 0.8 + index / 100, name=name)
    report = study_report(fake.study)
    asked = page(report)
    assert "tests it against full" not in asked
    assert words in asked
    confirmed = confirmed_of(runs(*[FULL] * len(names)), fake.study)
    assert words in confirmed.note
    assert "Differences to full" not in confirmed.note
    assert not confirmed.n_tested
