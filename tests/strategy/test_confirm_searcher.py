import pytest

from progsearch.driver.confirm_view import ConfirmView
from progsearch.strategy.confirm_searcher import ConfirmSearcher
from progsearch.strategy.confirmation import JobQueue
from progsearch.study.confirmed_runs import ConfirmedRuns, read_confirmed
from progsearch.workers.worker import Report, worker_settings
from tests.support.confirming import finished_study, halt, jobs_of
from tests.support.fakes import failed, finished, record


class Watcher(ConfirmView):
    def __init__(self):
        self.told = []

    def run_started(self, job):
        self.told.append(("started", job.trial.number, job.seed))

    def record(self, job, record):
        self.told.append(("record", job.trial.number, record["epoch"]))

    def run_finished(self, job, run):
        self.told.append(("finished", run.trial, run.seed, run.reason))


@pytest.fixture
def parts(tmp_path):
    folder = finished_study(tmp_path)
    stop, view = halt(), Watcher()
    searcher = ConfirmSearcher(
        JobQueue(jobs_of(folder, seeds=(1,)).values(), folder.recipe),
        worker_settings(folder, test=True),
        folder.path,
        ConfirmedRuns(margin=0.01),
        parallel=2,
        halt=stop,
        view=view,
    )
    return folder, searcher, stop, view


def test_results_and_failures_are_saved_as_they_come(parts):
    folder, searcher, _, view = parts
    config = searcher.suggest("a")
    assert config["test"] is True
    assert config["run"].training.seed == 1
    assert searcher.suggest("b") is not None
    assert searcher.suggest("c") is None
    searcher.on_trial_result("a", {"report": Report(record=record(1))})
    done = finished(0.75)
    done["report"].result["test_metrics"] = {"accuracy": 0.71}
    searcher.on_trial_complete("a", done)
    (run,) = read_confirmed(folder.path).runs
    assert (run.trial, run.seed, run.reason) == (config["number"], 1, None)
    assert run.metrics == {"accuracy": 0.75, "f1": 0.8}
    assert run.test_metrics == {"accuracy": 0.71}
    assert (run.steps_trained, run.peak_memory) == (30, 1000)

    searcher.on_trial_complete("b", failed("the loss is not finite at step 2"))
    assert searcher.suggest("c") is not None
    searcher.worker_died("c", "the worker process died")
    searcher.on_trial_complete("c", error=True)
    kept = read_confirmed(folder.path)
    assert [run.reason for run in kept.runs] == [
        None, "the loss is not finite at step 2", "the worker process died"
    ]  # fmt: skip
    assert kept == searcher.kept
    number = config["number"]
    assert view.told[0] == ("started", number, 1)
    assert view.told[2:4] == [("record", number, 1), ("finished", number, 1, None)]


def test_every_job_is_handed_out_once(parts):
    folder, searcher, _, _ = parts
    numbers = []
    while (config := searcher.suggest(f"t{len(numbers)}")) != searcher.FINISHED:
        searcher.on_trial_complete(f"t{len(numbers)}", finished())
        numbers.append(config["number"])
    assert sorted(numbers) == sorted(job.trial.number for job in jobs_of(folder, (1,)).values())


def test_what_a_halt_cuts_short_is_not_kept(parts):
    folder, searcher, stop, _ = parts
    searcher.suggest("a")
    searcher.suggest("b")
    stop.ending = "interrupted"
    assert searcher.suggest("c") == searcher.FINISHED
    searcher.worker_died("a", "killed")
    # Tune repeats the last report of a trial that it stops.
    searcher.on_trial_complete("b", {"report": Report(record=record(1))})
    assert searcher.kept.runs == ()
    assert read_confirmed(folder.path) is None
