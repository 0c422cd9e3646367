import pytest

from progsearch.config import with_seed
from progsearch.config.limits import Limits
from progsearch.errors import StudyError
from progsearch.strategy.confirmation import (
    ConfirmationSource,
    JobQueue,
    RunningJob,
    missing,
    new_seeds,
    to_confirm,
)
from progsearch.strategy.source import Decision, Ended
from progsearch.study.confirmed_runs import ConfirmedRun, ConfirmedRuns, read_confirmed
from progsearch.study.front import front_of, usable
from progsearch.study.metadata import trials_of
from progsearch.study.results import Timings
from progsearch.study.trial import Trial
from tests.support.confirming import finished_study, jobs_of
from tests.support.fake_runs import confirmed_run
from tests.support.fake_study import FakeStudy, fake_study
from tests.support.fakes import Watcher, failed, finished, progress, recipe

NO_LIMITS = Limits()


def test_the_front_and_every_reference_once():
    found = trials_of(fake_study())
    trials, front = to_confirm(found, NO_LIMITS), front_of(found)
    assert trials[: len(front)] == front
    names = {trial.name for trial in trials}
    assert {"full", "progtuning-3", "last-quarter", "head-only"} <= names
    assert len({trial.number for trial in trials}) == len(trials)


def test_trials_beyond_the_limits_are_on_no_front():
    found = trials_of(fake_study())
    limits = Limits(max_updated=0.4)
    searched = [t for t in to_confirm(found, limits) if not t.is_baseline]
    assert searched and all(trial.updated_parameters <= 0.4 for trial in searched)


def test_what_is_picked_and_what_it_is_compared_with():
    found = trials_of(fake_study())
    best = front_of(found)[0]
    numbers = {trial.name: trial.number for trial in usable(found)}
    compared = [numbers["full"], numbers["progtuning-3"]]
    trials = to_confirm(found, NO_LIMITS, ["head-only", str(best.number), "best"])
    assert [t.number for t in trials] == [numbers["head-only"], best.number, *compared]
    paper = to_confirm(found, NO_LIMITS, ["progtuning-3"])
    assert [t.number for t in paper] == compared[::-1]
    with pytest.raises(StudyError, match="'cheap' picks no trial"):
        to_confirm(found, NO_LIMITS, ["best", "cheap"])


def test_references_without_a_result_are_left_out():
    fake = FakeStudy()
    fake.fail("out of memory", name="full")
    assert to_confirm(trials_of(fake.study), NO_LIMITS) == []


def test_new_seeds_are_not_the_studys_own():
    # Beyond those of the trials and of their repeats.
    assert new_seeds(recipe(training={"seed": 7}), 3) == [107, 108, 109]
    assert new_seeds(recipe(training={"seed": 7}, seeds=3), 2)[0] > 9


def test_what_is_missing():
    trials = to_confirm(trials_of(fake_study()), NO_LIMITS)[:2]
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
        assert job.candidate.run == with_seed(job.trial.run, seed)
        assert job.candidate.key != job.trial.key
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
    monkeypatch.setattr(Trial, "seconds", property(lambda trial: seconds[trial.name]))
    return {key: jobs[key] for key in [(n, s) for n in seconds for s in (1, 2)]}


def test_the_longest_goes_first_and_none_waits_where_another_need_not(four):
    queue = JobQueue(four.values(), recipe())
    first = RunningJob(queue.take([]))
    assert first.job is four["full", 1]
    # progtuning-3 of seed 1 would wait for its first epoch.
    second = RunningJob(queue.take([first]))
    assert second.job is four["full", 2]
    # Both left would wait, so the one whose wait ends first is as good as any: the longest.
    first.done = first.job.candidate.segments[0][0]
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


# -- the source ------------------------------------------------------------------------------


@pytest.fixture
def parts(tmp_path):
    folder, view = finished_study(tmp_path), Watcher()
    queue = JobQueue(jobs_of(folder, seeds=(1,)).values(), folder.recipe)
    return folder, ConfirmationSource(queue, folder.path, ConfirmedRuns(margin=0.01), view), view


def test_results_and_failures_are_saved_as_they_come(parts):
    folder, source, view = parts
    first, second = source.next(), source.next()
    assert (first.test, first.seeds, first.run.training.seed) == (True, 1, 1)
    assert source.report(first, progress(1)) is Decision.CONTINUE
    source.ended(first, finished(0.75, test_metrics={"accuracy": 0.71}))
    (run,) = read_confirmed(folder.path).runs
    assert (run.trial, run.seed, run.reason) == (first.number, 1, None)
    assert run.metrics == {"accuracy": 0.75, "f1": 0.8}
    assert run.test_metrics == {"accuracy": 0.71}
    assert (run.steps_trained, run.peak_memory) == (30, 1000)
    assert run.timings == Timings(1.0, 5.0, 2.0, 0.0)

    source.ended(second, failed("the loss is not finite at step 2"))
    source.ended(source.next(), failed("the loss is not finite at step 3"))
    kept = read_confirmed(folder.path)
    assert [run.reason for run in kept.runs] == [
        None, "the loss is not finite at step 2", "the loss is not finite at step 3"
    ]  # fmt: skip
    assert kept == source.kept
    assert view.told[:4] == [
        ("run_started", first.number, 1),
        ("run_started", second.number, 1),
        ("record", first.number, 1, 1),
        ("run_ended", first.number, 1, None),
    ]


def test_every_job_is_handed_out_once(parts):
    folder, source, _ = parts
    numbers = []
    while not isinstance(found := source.next(), Ended):
        source.ended(found, finished())
        numbers.append(found.number)
    assert found == Ended("budget")
    assert sorted(numbers) == sorted(job.trial.number for job in jobs_of(folder, (1,)).values())


def test_what_is_broken_off_is_not_kept(parts):
    folder, source, _ = parts
    source.report(source.next(), progress(1))
    source.next()
    source.close()
    assert source.kept.runs == ()
    assert read_confirmed(folder.path) is None
