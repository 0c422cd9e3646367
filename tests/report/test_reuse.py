import json
from types import SimpleNamespace
from typing import Any

import pytest
from optuna.trial import TrialState

from progsearch.report.data import study_report
from progsearch.report.reuse import Reuse
from progsearch.report.status import status
from progsearch.schedule import Schedule
from progsearch.show.results import print_results
from progsearch.study.metadata import keep_recipe
from tests.support.fake_study import STEPS, FakeStudy
from tests.support.pages import plain_page


def test_steps_and_seconds_are_those_of_every_trial_that_says_them():
    fake = FakeStudy()
    fake.complete(Schedule.full(6), 0.8, name="full")  # 320 s
    fake.complete(Schedule.full(6), 0.8, steps_reused=STEPS)  # found whole
    fake.complete(Schedule.full(6), 0.8, steps_reused=115)
    fake.stop(0.7, epoch=2, steps_reused=115)  # 230 steps, 200 s
    fake.fail("out of memory")  # says neither
    fake.fail("stopped before its first epoch", state=TrialState.PRUNED)
    fake.study.ask()
    report = study_report(fake.study)
    assert report.reuse.to_dict() == {
        "steps": 3 * 345 + 230,
        "steps_trained": 345 + 0 + 230 + 115,
        "steps_reused": 345 + 115 + 115,
        "share": 575 / 1265,
        "seconds_saved": sum([320.0, 320 / 3, 100.0]),
    }
    assert str(report.reuse) == (
        "reused 575 of 1,265 optimizer steps (45.5 %), saving 8 min 47 s of training and "
        "evaluation"
    )
    assert report.to_dict()["reuse"] == status(report)["reuse"] == report.reuse.to_dict()
    json.dumps(status(report), allow_nan=False)


def test_without_reuse_nothing_is_claimed():
    fake = FakeStudy()
    fake.complete(Schedule.full(6), 0.8, name="full")
    reuse = study_report(fake.study).reuse
    assert (reuse.steps, reuse.steps_trained, reuse.seconds_saved) == (345, 345, 0.0)
    assert str(reuse) == ""


def test_steps_of_all_seeds_count():
    fake = FakeStudy()
    keep_recipe(fake.study, fake.recipe.model_copy(update={"seeds": 3}))
    # Three runs, which trained 345 steps of their 1,035 themselves.
    fake.complete(Schedule.full(6), 0.8)
    reuse = study_report(fake.study).reuse
    assert (reuse.steps, reuse.steps_reused) == (1035, 690)


def test_a_study_without_trials_has_reused_nothing():
    assert study_report(FakeStudy().study).reuse == Reuse(0, 0, 0.0)
    assert Reuse().share == 0.0


@pytest.mark.parametrize("steps_reused", [0, 69])
def test_the_page_and_the_last_lines_of_a_search_tell_it(capsys, tmp_path, steps_reused):
    fake = FakeStudy()
    fake.complete(Schedule.full(6), 0.8, name="full", steps_reused=steps_reused)
    report = study_report(fake.study)
    folder: Any = SimpleNamespace(path=tmp_path)
    print_results(report, folder, tmp_path)
    told = "reused 69 of 345 optimizer steps (20.0 %), saving 1 min 4 s of training"
    assert (told in capsys.readouterr().out) == bool(steps_reused)
    fact = "<dt>Steps reused</dt><dd>69 of 345 (20.0 %)</dd><div><dt>Saved by reuse</dt>"
    html = plain_page(report)
    assert (fact in html.replace("</div>", "")) == bool(steps_reused)
    assert ("Steps reused" in html) == bool(steps_reused)
