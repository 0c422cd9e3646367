import copy
import json
from types import SimpleNamespace
from typing import Any

import pytest
from optuna.trial import TrialState

from progsearch.report.data import study_report
from progsearch.report.html import page
from progsearch.report.payback import Saving, Work, payback_of
from progsearch.report.payback_rows import payback_rows
from progsearch.report.status import status
from progsearch.schedule import Schedule
from progsearch.show.results import print_confirmed, print_results
from progsearch.show.tables import payback_table
from progsearch.study.confirmed_runs import ConfirmedRun, ConfirmedRuns
from progsearch.study.metadata import keep_recipe
from progsearch.study.results import Timings
from progsearch.study.trial import INTERRUPTED, Trial
from tests.support.fake_study import STEPS, FakeStudy
from tests.support.pages import plain_page

SETUP = 2.0


def changed(trial, **attributes):
    """The same trial with other attributes."""
    frozen = copy.deepcopy(trial.frozen)
    frozen.user_attrs |= attributes
    return Trial(frozen)


@pytest.fixture
def fake():
    """Full fine-tuning in 320 s, and the head alone."""
    fake = FakeStudy()
    fake.complete(Schedule.full(6), 0.8, name="full")
    fake.complete(Schedule.last_blocks(6, 0), 0.7, name="head-only")
    return fake


def test_the_search_costs_what_its_trials_trained(fake):
    payback = study_report(fake.study).payback
    full, head = fake.trials
    assert payback.full == Work(STEPS, full.costs.flops, 320.0)
    assert payback.search == Work(
        2 * STEPS, full.costs.flops + head.costs.flops, 2 * SETUP + 320.0 + head.seconds
    )
    head_flops = head.costs.flops_relative
    assert payback.search.in_units_of(payback.full) == {
        "steps": 2.0,
        "flops": pytest.approx(1 + head_flops),
        "seconds": pytest.approx((2 * SETUP + 320 + 20 + 300 * head_flops) / 320),
    }


def test_reused_steps_cost_nothing(fake):
    before = study_report(fake.study).payback.search
    fake.complete(Schedule.full(6), 0.8, steps_reused=STEPS)
    fake.complete(Schedule.full(6), 0.8, steps_reused=115)
    fake.stop(0.7, epoch=2, steps_reused=115)  # trained 115 steps in half of 200 s
    after = study_report(fake.study).payback.search
    flops = fake.trials[0].costs.flops
    assert after.steps - before.steps == 230 + 115
    assert after.flops - before.flops == pytest.approx(flops)
    assert after.seconds - before.seconds == pytest.approx(3 * SETUP + 320 * 2 / 3 + 100)
    assert after.unknown == 0


def test_flops_are_those_of_the_segments_that_were_not_reused(fake):
    full, head = fake.trials
    segments: dict[str, Any] = {
        "segments": [[115, "a"], [230, "b"], [345, "c"]],
        "segment_flops": [100.0, 10.0, 1.0],
    }

    def flops(steps, **attributes):
        trial = changed(head, **segments, steps_trained=steps, **attributes)
        return payback_of([full, trial], []).search.flops - full.costs.flops

    assert flops(345) == pytest.approx(111)
    assert flops(230) == pytest.approx(11)
    assert flops(115) == pytest.approx(1)
    assert flops(0) == 0
    # Stopped after two of three epochs.
    records = head.to_dict()["user_attrs"]["records"][:2]
    assert flops(115, records=records) == pytest.approx(10)
    assert flops(230, records=records) == pytest.approx(110)


def test_a_failed_trial_costs_what_is_known_of_it(fake):
    before = study_report(fake.study).payback.search
    fake.fail("out of memory at step 3")
    fake.fail(INTERRUPTED)
    fake.fail("stopped before its first epoch", state=TrialState.PRUNED)
    fake.study.ask()
    payback = study_report(fake.study).payback
    assert payback.search == before + Work(unknown=3)
    assert "not counting 3 runs that were interrupted or failed early" in str(payback)
    full, fail = fake.trials[0], fake.trials[2]
    fail = changed(fail, records=full.to_dict()["user_attrs"]["records"][:1])
    assert payback_of([fail], []).search == Work(115, full.costs.flops / 3, 320 / 3)


def test_with_several_seeds_one_training_is_one_run(fake):
    keep_recipe(fake.study, fake.recipe.model_copy(update={"seeds": 2}))
    full, head = (changed(trial, steps_trained=2 * STEPS) for trial in fake.trials)
    payback = payback_of([full, head], [full, head], seeds=2)
    assert payback.full == Work(STEPS, full.costs.flops, 160.0)
    assert payback.search.steps == 4 * STEPS
    assert payback.search.flops == pytest.approx(2 * (full.costs.flops + head.costs.flops))
    saving = payback.savings[head.number]
    assert saving.seconds == pytest.approx((full.seconds - head.seconds) / 2)
    assert saving.peak_memory is None, "the models of all seeds are in memory together"
    assert [row.cells["memory"] for row in payback_rows(study_report(fake.study))] == ["not known"]


def test_a_place_on_the_front_saves_what_full_fine_tuning_costs_more():
    fake = FakeStudy()
    fake.complete(Schedule.full(6), 0.8, name="full")
    fake.complete(Schedule.last_blocks(6, 2), 0.7)
    full, cheap = fake.trials
    # Half the FLOPs of full fine-tuning in a quarter of its seconds.
    cheap = changed(
        cheap,
        costs=cheap.costs.to_dict() | {"flops": full.costs.flops / 2, "updated_parameters": 0.3},
        segment_flops=[full.costs.flops / 2],
        timings=Timings(SETUP, 70.0, 10.0, 0.0).to_dict(),
        peak_memory=full.peak_memory - 1000,
    )
    payback = payback_of([full, cheap], [full, cheap])
    assert payback.savings == {
        1: Saving(
            updated_parameters=0.7,
            flops=0.5,
            seconds=240.0,
            seconds_share=0.75,
            peak_memory=1000,
            # 1.5 full fine-tunings of FLOPs; 404 seconds.
            trainings_by_flops=3,
            trainings_by_seconds=2,
        )
    }
    assert payback.saves(full) is None
    assert payback.saves(cheap) == {
        "updated_parameters": pytest.approx(0.7),
        "flops": 0.5,
        "seconds": 240.0,
        "seconds_share": 0.75,
        "peak_memory": 1000,
        "paid_back_after": {"flops": 3, "seconds": 2},
    }


@pytest.mark.parametrize("seeds", [1, 2])
def test_memory_is_that_of_the_front_if_it_is_predicted(seeds):
    fake = FakeStudy()
    fake.complete(Schedule.full(6), 0.8, name="full")
    fake.complete(Schedule.last_blocks(6, 2), 0.7)
    full, cheap = (
        changed(trial, costs=trial.costs.to_dict() | {"peak_memory": predicted})
        for trial, predicted in zip(fake.trials, (5000, 2000), strict=True)
    )
    # The process may have held more of it, by chance.
    cheap = changed(cheap, peak_memory=full.peak_memory + 64)
    assert payback_of([full, cheap], [cheap], seeds).savings[1].peak_memory == 3000


def test_what_saves_nothing_never_pays():
    fake = FakeStudy()
    fake.complete(Schedule.full(6), 0.8, name="full")
    fake.complete(Schedule.full(6), 0.81, learning_rate=5e-5)
    full, same = fake.trials
    slower = changed(same, timings=Timings(SETUP, 350.0, 10.0, 0.0).to_dict())
    payback = payback_of([full, slower], [slower])
    saving = payback.savings[1]
    assert (saving.flops, saving.trainings_by_flops) == (0.0, None)
    assert (saving.seconds, saving.trainings_by_seconds) == (-40.0, None)
    report = study_report(fake.study)
    assert [row.cells for row in payback_rows(report)] == [
        {
            "updated": "0 %",
            "FLOPs": "0 %",
            "time": "0.0 s (0 %)",
            "memory": "0 bytes",
            "paid back in FLOPs": "never",
            "paid back in time": "never",
        }
    ]


def test_a_search_that_trained_nothing_is_paid_back_at_once(fake):
    # Everything was stored by another study.
    full, head = (
        changed(
            trial,
            steps_trained=0,
            timings=Timings(0.0, trial.seconds, 0.0, saved=trial.seconds).to_dict(),
        )
        for trial in fake.trials
    )
    saving = payback_of([full, head], [head]).savings[1]
    assert (saving.trainings_by_flops, saving.trainings_by_seconds) == (0, 0)


def test_without_full_fine_tuning_there_is_nothing_to_compare_with():
    fake = FakeStudy()
    fake.fail("out of memory", name="full")
    fake.complete(Schedule.last_blocks(6, 0), 0.7, name="head-only")
    report = study_report(fake.study)
    assert (report.payback.full, report.payback.savings) == (None, {})
    assert "full fine-tuning has no result" in str(report.payback)
    assert payback_rows(report) == []
    assert payback_table(report) is None
    data = report.to_dict()
    assert data["cost"]["full"] is None
    assert data["cost"]["search"]["steps"] == STEPS
    assert data["cost"]["search"]["full_fine_tunings"] is None
    assert data["front"][0]["saves"] is None
    assert "full fine-tuning has no result" in page(report)


def test_a_study_without_trials_cost_nothing():
    data = status(study_report(FakeStudy().study))
    assert data["cost"]["search"]["steps"] == 0
    assert data["cost"]["confirmation"] is None


def test_a_confirmation_is_counted_apart(fake, capsys, tmp_path):
    full, head = fake.trials
    searched = study_report(fake.study).payback
    runs = ConfirmedRuns(
        margin=0.01,
        runs=(
            ConfirmedRun(
                trial=0,
                seed=1,
                metrics={"accuracy": 0.8},
                timings=Timings(1.0, 300.0, 20.0, 160.0),
                steps_trained=115,
            ),
            ConfirmedRun(
                trial=1,
                seed=1,
                metrics={"accuracy": 0.7},
                timings=Timings(1.0, 100.0, 20.0, 0.0),
                steps_trained=STEPS,
            ),
            ConfirmedRun(trial=1, seed=2, reason="out of memory"),
        ),
    )
    report = study_report(fake.study, runs)
    found = report.payback
    assert (found.search, found.savings) == (searched.search, searched.savings)
    work = found.confirmation
    assert work is not None
    assert (work.steps, work.seconds, work.unknown) == (115 + STEPS, 1 + 160 + 1 + 120, 1)
    assert work.flops == pytest.approx(full.costs.flops / 3 + head.costs.flops)
    assert "; the confirmation cost 0.7 full fine-tunings in FLOPs (1.3 in steps, 0.9" in str(
        found
    )
    assert str(found).endswith(", not counting 1 run that was interrupted or failed early")
    assert status(report)["cost"]["confirmation"]["unknown"] == 1
    folder: Any = SimpleNamespace(path=tmp_path)
    print_confirmed(report, folder)
    assert str(found) in capsys.readouterr().out
    assert study_report(fake.study, ConfirmedRuns(margin=0.01)).payback == searched


def test_all_places_tell_it(fake, capsys, tmp_path):
    report = study_report(fake.study)
    told = "the search cost 1.3 full fine-tunings in FLOPs (2.0 in steps, 1.4 in seconds)"
    folder: Any = SimpleNamespace(path=tmp_path)
    print_results(report, folder, tmp_path)
    printed = capsys.readouterr().out
    assert told in printed
    row = next(line for line in printed.splitlines() if "after" in line and "head-only" in line)
    told_of_head = "head-only 99.3 % 66.7 % 3 min 20 s (62.5 %) 0 bytes after 3 after 3"
    assert " ".join(row.split()) == told_of_head
    own = plain_page(report)
    assert told[1:] in own
    assert '<th scope="col" class="number">paid back in FLOPs</th>' in own
    data = report.to_dict()
    state = status(report)
    assert data["cost"] == state["cost"]
    assert state["cost"]["search"]["full_fine_tunings"]["steps"] == 2.0
    assert [trial["saves"] is None for trial in state["front"]] == [True, False]
    assert data["front"] == state["front"]
    json.dumps(state, allow_nan=False)


def test_predicted_memory_is_what_counts_where_it_is_known():
    fake = FakeStudy()
    fake.complete(Schedule.full(6), 0.8, name="full")
    fake.complete(Schedule.last_blocks(6, 2), 0.7)
    # Measured peaks of a process say the opposite, since they hold what ran there before.
    trials = [
        changed(t, costs=t.costs.to_dict() | {"peak_memory": predicted}, peak_memory=measured)
        for t, predicted, measured in zip(fake.trials, (3000, 2000), (50, 90), strict=True)
    ]
    assert payback_of(trials, trials).savings[1].peak_memory == 1000
    assert payback_of(trials, trials, seeds=2).savings[1].peak_memory == 1000
