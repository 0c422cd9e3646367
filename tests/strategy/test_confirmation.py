import pytest

from progsearch.config import RunConfig
from progsearch.errors import StudyError
from progsearch.report.data import study_report
from progsearch.strategy.confirmation import JobQueue, RunningJob, missing, new_seeds, to_confirm
from progsearch.study.confirmed_runs import ConfirmedRun, ConfirmedRuns
from tests.support.confirming import finished_study, jobs_of
from tests.support.fake_runs import confirmed_run
from tests.support.fake_study import FakeStudy, fake_study
from tests.support.fakes import recipe


def test_the_front_and_every_baseline_once():
    report = study_report(fake_study())
    trials = to_confirm(report)
    assert trials[: len(report.front)] == report.front
    names = {trial.user_attrs.get("name") for trial in trials}
    assert {"full", "progtuning-3", "last-quarter", "head-only"} <= names
    assert len({trial.number for trial in trials}) == len(trials)


def test_what_is_picked_and_what_it_is_compared_with():
    report = study_report(fake_study())
    best = report.front[0]
    numbers = {trial.user_attrs.get("name"): trial.number for trial in report.usable}
    compared = [numbers["full"], numbers["progtuning-3"]]
    trials = to_confirm(report, ["head-only", str(best.number), "best"])
    assert [t.number for t in trials] == [numbers["head-only"], best.number, *compared]
    assert [t.number for t in to_confirm(report, ["progtuning-3"])] == compared[::-1]
    with pytest.raises(StudyError, match="'cheap' picks no trial"):
        to_confirm(report, ["best", "cheap"])


def test_baselines_without_a_result_are_left_out():
    fake = FakeStudy()
    fake.fail("out of memory", name="full")
    assert to_confirm(study_report(fake.study)) == []


def test_new_seeds_are_not_the_studys_own():
    assert new_seeds(recipe(training={"seed": 7}), 3) == [8, 9, 10]
    # Trials of seeds 7, 8 and 9.
    assert new_seeds(recipe(training={"seed": 7}, seeds=3), 2) == [10, 11]


def test_what_is_missing():
    trials = to_confirm(study_report(fake_study()))[:2]
    (first, second) = (trial.number for trial in trials)
    kept = ConfirmedRuns(
        margin=0.01,
        runs=(
            confirmed_run(first, 1, 0.8),
            ConfirmedRun(trial=second, seed=1, reason="killed"),
            confirmed_run(second, 2, 0.8),
            # Of a trial that is not on the front any more.
            confirmed_run(10_000, 2, 0.8),
        ),
    )
    left = [(trial.number, seed) for trial, seed in missing(trials, [1, 2], kept)]
    assert left == [(second, 1), (first, 2)]
    more = {(trial.number, seed) for trial, seed in missing(trials, [1, 2, 3], kept)}
    assert more == {*left, (first, 3), (second, 3)}
    assert missing(trials, [2], kept.having(confirmed_run(first, 2, 0.8))) == []


def test_a_job_is_the_trials_run_with_another_seed(tmp_path):
    folder = finished_study(tmp_path)
    for (_, seed), job in jobs_of(folder).items():
        run = RunConfig.model_validate(job.trial.user_attrs["run"])
        training = run.training.model_copy(update={"seed": seed})
        assert job.candidate.run == run.model_copy(update={"training": training})
        assert job.candidate.key != job.trial.user_attrs["key"]
        assert job.seed == seed


def test_jobs_that_share_first_steps_are_those_of_one_seed(tmp_path):
    jobs = jobs_of(finished_study(tmp_path))

    def share(one, other):
        return bool(set(one.candidate.segments) & set(other.candidate.segments))

    assert share(jobs["full", 1], jobs["progtuning-3", 1])
    assert not share(jobs["full", 1], jobs["progtuning-3", 2])
    assert not share(jobs["full", 1], jobs["head-only", 1])


@pytest.fixture
def four(tmp_path, monkeypatch):
    """Full fine-tuning and the paper's schedule, which share an epoch of three, on two seeds."""
    jobs = jobs_of(finished_study(tmp_path))
    seconds = {"full": 90.0, "progtuning-3": 80.0}
    monkeypatch.setattr(
        "progsearch.strategy.confirmation.run_seconds", lambda t: seconds[t.user_attrs["name"]]
    )
    return {key: jobs[key] for key in [(n, s) for n in seconds for s in (1, 2)]}


def test_the_longest_goes_first_and_none_waits_where_another_need_not(four):
    queue = JobQueue(four.values(), recipe())
    first = RunningJob(queue.take([]))
    assert first.job is four["full", 1]
    # progtuning-3 of seed 1 would wait for its first epoch.
    second = RunningJob(queue.take([first]))
    assert second.job is four["full", 2]
    # Both left would wait, so the one whose wait ends first is as good as any: the longest.
    first.records.append({"step": first.job.candidate.segments[0][0]})
    third = queue.take([first, second])
    assert third is four["progtuning-3", 1]
    queue.finished(first.job)
    assert queue.take([second]) is four["progtuning-3", 2]
    assert queue.take([second]) is None


def test_what_is_made_already_makes_a_job_shorter(four):
    queue = JobQueue(four.values(), recipe())
    assert queue.take([]) is four["full", 1]
    assert queue.take([]) is four["full", 2]
    queue.finished(four["full", 2])
    # 80 s with nothing made against 80 s less a third.
    assert queue.take([]) is four["progtuning-3", 1]


def test_without_reuse_nothing_waits(four):
    queue = JobQueue(four.values(), recipe(reuse=False))
    running = [RunningJob(queue.take([]))]
    for expected in (("full", 2), ("progtuning-3", 1), ("progtuning-3", 2)):
        job = queue.take(running)
        assert job is four[expected]
        running.append(RunningJob(job))
