"""Successive halving over the learning rates of a reference, through the source of trials."""

import random

import pytest

from progsearch.strategy.references import References, make_references
from progsearch.strategy.source import Assignment, Decision, Stopped
from progsearch.strategy.study_source import StudySource
from progsearch.study.folder import open_study
from progsearch.study.front import full_of
from tests.support.fakes import failed, finished, progress, source_of, space_of, start

RATES = (2.5e-5, 5e-5, 1e-4, 2e-4)


@pytest.fixture(autouse=True)
def only_full(monkeypatch):
    """Full fine-tuning is the only reference, and nothing is searched meanwhile or later."""

    def references(*given):
        return References(make_references(*given).all[:1])

    monkeypatch.setattr("tests.support.fakes.make_references", references)
    monkeypatch.setattr(StudySource, "_searched", lambda *_: None)


class Workers:
    """Trains runs of references epoch by epoch, in any order of their reports.

    Args:
        source: Gives the runs.
        metric: Of a learning rate after an epoch; None if the run fails there.
        number: How many run at once.
        order: Chooses which of them reports next; the first one by default.

    Attributes:
        trained: Learning rate and epoch of each epoch that was trained.
    """

    def __init__(self, source, metric, *, number=1, order=None):
        self.trained = []
        self._source, self._metric = source, metric
        self._number, self._order = number, order
        self._running = []

    def run(self, steps=1000):
        """Train until all is done, or for a number of epochs."""
        for _ in range(steps):
            while len(self._running) < self._number:
                found = self._source.next()
                if not isinstance(found, Assignment):
                    break
                self._running.append((found, iter((1, 2, 3))))
            if not self._running:
                return
            self._step()

    def _step(self):
        index = self._order.randrange(len(self._running)) if self._order else 0
        assignment, epochs = self._running[index]
        rate, epoch = assignment.run.training.learning_rate, next(epochs)
        # What is stored is reported, too, but not trained.
        if (rate, epoch) not in self.trained:
            self.trained.append((rate, epoch))
        reached = self._metric(rate, epoch)
        if reached is None:
            end = failed("the loss is not finite")
        elif epoch == 3:
            end = finished(reached)
        elif self._source.report(assignment, progress(epoch, reached)) is Decision.STOP:
            end = Stopped()
        else:
            return
        self._source.ended(assignment, end)
        del self._running[index]


def peak_at(best, *, failing=()):
    """Metrics that fall with the distance from the best of RATES; some rates fail at an epoch."""
    failing = dict(failing)

    def metric(rate, epoch):
        if failing.get(rate) == epoch:
            return None
        steps = abs(RATES.index(rate) - best) if rate in RATES else 4
        return 0.7 - 0.05 * steps + 0.02 * epoch + rate

    return metric


def tune(tmp_path, metric, *, number=1, order=None, **changes):
    """Tune full fine-tuning; returns the study and the epochs that were trained."""
    folder, source = start(tmp_path, "progtuning", **changes)
    workers = Workers(source, metric, number=number, order=order)
    workers.run()
    return folder, workers.trained


def of_epoch(trained, epoch):
    return sorted(rate for rate, trained_epoch in trained if trained_epoch == epoch)


def best_rate(folder):
    return full_of(folder.trials()).run.training.learning_rate


# -- halving ---------------------------------------------------------------------------------


@pytest.mark.parametrize("best", [1, 2])
def test_the_worse_half_is_dropped_after_each_rung(tmp_path, best):
    folder, trained = tune(tmp_path, peak_at(best))
    assert of_epoch(trained, 1) == list(RATES)
    assert len(of_epoch(trained, 2)) == 2 and RATES[best] in of_epoch(trained, 2)
    assert of_epoch(trained, 3) == [RATES[best]]
    assert best_rate(folder) == RATES[best]
    assert len(trained) == 4 + 2 + 1


def test_a_paused_run_is_continued_by_a_new_trial(tmp_path):
    folder, _ = tune(tmp_path, peak_at(1))
    trials = [trial for trial in folder.trials() if trial.is_baseline]
    assert {trial.name for trial in trials} == {"full"}
    continued = [trial for trial in trials if trial.continues is not None]
    assert continued
    for trial in continued:
        before = folder.trial(trial.continues)
        assert before.is_stopped and before.run == trial.run and before.key == trial.key
    assert len({trial.continues for trial in continued}) == len(continued), "each once"


def test_it_is_the_later_metric_that_decides(tmp_path):
    """A rate that begins best and ends worst is dropped at the next rung."""

    def metric(rate, epoch):
        return 0.9 if (rate, epoch) == (2e-4, 1) else peak_at(1)(rate, epoch)

    folder, trained = tune(tmp_path, metric)
    assert of_epoch(trained, 2) == [5e-5, 2e-4]
    assert of_epoch(trained, 3) == [5e-5]
    assert best_rate(folder) == 5e-5


@pytest.mark.parametrize("failing", [{}, {5e-5: 2}, {1e-4: 1}, {5e-5: 3, 1e-4: 2}])
@pytest.mark.parametrize("number", [2, 3])
def test_the_order_in_which_parallel_runs_end_changes_nothing(tmp_path, number, failing):
    metric = peak_at(1, failing=failing)
    folder, expected = tune(tmp_path, metric, study="alone")
    for seed in range(6):
        other, trained = tune(
            tmp_path, metric, study=f"s{seed}", number=number, order=random.Random(seed)
        )
        assert sorted(trained) == sorted(expected)
        assert best_rate(other) == best_rate(folder)


def test_of_equal_rates_the_lower_ones_stay(tmp_path):
    folder, trained = tune(tmp_path, lambda rate, epoch: 0.7)
    assert [rate for rate in of_epoch(trained, 2) if rate in RATES] == [2.5e-5, 5e-5]
    assert best_rate(folder) in of_epoch(trained, 3)


def test_without_reuse_every_rate_is_trained_whole(tmp_path):
    folder, trained = tune(tmp_path, peak_at(2), reuse=False)
    for epoch in (1, 2, 3):
        assert of_epoch(trained, epoch) == list(RATES)
    assert not any(trial.is_stopped for trial in folder.trials())
    assert best_rate(folder) == 1e-4


# -- failures --------------------------------------------------------------------------------


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_a_failed_run_is_replaced_by_the_next_best(tmp_path, epoch):
    folder, trained = tune(tmp_path, peak_at(1, failing={5e-5: epoch}))
    # The next one is 2.5e-5 or 1e-4, which is the better by a little.
    assert best_rate(folder) == 1e-4
    assert (1e-4, 3) in trained
    (lost,) = (trial for trial in folder.trials() if trial.is_failed)
    assert lost.run.training.learning_rate == 5e-5


def test_if_all_rates_fail_far_lower_ones_are_tried(tmp_path):
    def metric(rate, epoch):
        return None if rate > 1e-6 else 0.7 + epoch / 100

    folder, trained = tune(tmp_path, metric)
    further = [rate for rate in of_epoch(trained, 1) if rate not in RATES]
    assert further == [1.2e-7, 2.5e-7, 2.5e-6], "the lower two learn"
    assert best_rate(folder) in further


def test_if_all_rates_only_reach_the_constant_answer_far_lower_ones_are_tried(tmp_path):
    """The made-up task's constant answer has an accuracy of 0.5."""

    def metric(rate, epoch):
        return 0.5 if rate > 1e-5 else 0.7 - rate + epoch / 100

    folder, trained = tune(tmp_path, metric)
    further = [rate for rate in of_epoch(trained, 1) if rate not in RATES]
    assert max(further) == 2.5e-6
    assert 1 <= len(further) <= 3
    assert best_rate(folder) in further


def test_a_collapsed_run_is_not_the_best_one(tmp_path):
    """The rate above it learns less than a constant answer, but something."""

    def metric(rate, epoch):
        return 0.5 if rate == 2e-4 else 0.4 + 100 * rate + epoch / 1000

    _, trained = tune(tmp_path, metric, reuse=False)
    assert not any(rate > 2e-4 for rate, _ in trained)


def test_if_nothing_can_be_trained_the_tuning_ends(tmp_path):
    folder, trained = tune(tmp_path, lambda rate, epoch: None)
    assert of_epoch(trained, 1) == pytest.approx([2.5e-8, 2.5e-7, 2.5e-6, *RATES])
    assert full_of(folder.trials()) is None


# -- further rates ---------------------------------------------------------------------------


def test_a_best_rate_inside_the_list_leads_to_no_other(tmp_path):
    _, trained = tune(tmp_path, peak_at(2))
    assert {rate for rate, _ in trained} == set(RATES)


def test_the_best_at_the_upper_end_leads_further_up_at_most_3_times(tmp_path):
    def metric(rate, epoch):
        return 0.5 + 100 * rate + epoch / 100

    folder, trained = tune(tmp_path, metric)
    further = [rate for rate in of_epoch(trained, 3) if rate not in RATES]
    assert further == [4e-4, 8e-4, 1.6e-3]
    assert of_epoch(trained, 1)[4:] == further
    assert best_rate(folder) == 1.6e-3


@pytest.mark.parametrize(("worse_from", "expected"), [(1, 1), (2, 2), (3, 3)])
def test_a_further_rate_is_trained_as_long_as_it_is_ahead(tmp_path, worse_from, expected):
    """Of the rungs, the ends of epochs 1 and 2."""

    def metric(rate, epoch):
        return 0.5 + 100 * rate - (0.2 if rate > 2e-4 and epoch >= worse_from else 0.0)

    folder, trained = tune(tmp_path, metric)
    assert sorted(epoch for rate, epoch in trained if rate == 4e-4) == [*range(1, expected + 1)]
    assert {rate for rate, _ in trained} == {*RATES, 4e-4}
    assert best_rate(folder) == 2e-4


@pytest.mark.parametrize(("limit", "expected"), [(0.0, 3), (1e-5, 2)])
def test_the_best_at_the_lower_end_leads_further_down(tmp_path, limit, expected):
    def metric(rate, epoch):
        return 0.9 - abs(rate - limit) * 1000 + epoch / 100

    folder, trained = tune(tmp_path, metric)
    further = sorted((r for r in of_epoch(trained, 1) if r not in RATES), reverse=True)
    assert further == [1.3e-5, 6.5e-6, 3.2e-6][:expected]
    assert best_rate(folder) == (3.2e-6 if expected == 3 else 1.3e-5)


def test_a_further_rate_that_fails_ends_it(tmp_path):
    def metric(rate, epoch):
        return None if rate > 2e-4 else 0.5 + 100 * rate + epoch / 100

    folder, trained = tune(tmp_path, metric)
    assert [rate for rate in of_epoch(trained, 1) if rate not in RATES] == [4e-4]
    assert best_rate(folder) == 2e-4


# -- resumed searches ------------------------------------------------------------------------


@pytest.mark.parametrize("done", range(1, 8))
def test_a_search_goes_on_where_it_was_interrupted(tmp_path, done):
    """In the middle of any rung, with the last of the epochs lost or paused."""
    folder, expected = tune(tmp_path, peak_at(1), study="whole")
    broken, source = start(tmp_path, "progtuning", study="broken")
    first = Workers(source, peak_at(1), number=2)
    first.run(done)
    source.close()
    assert not any(trial.is_running for trial in broken.trials())
    again = open_study("broken", tmp_path)
    second = Workers(source_of(again, space_of(again.recipe)), peak_at(1), number=2)
    second.run()
    assert set(first.trained) | set(second.trained) == set(expected)
    assert best_rate(again) == best_rate(folder)


def test_if_the_winner_collapses_at_the_end_the_next_best_goes_on(tmp_path):
    def metric(rate, epoch):
        if rate == 2e-4 and epoch == 3:
            return 0.5
        return {2.5e-5: 0.52, 5e-5: 0.55, 1e-4: 0.60, 2e-4: 0.61}[rate] + 0.02 * epoch

    folder, source = start(tmp_path, "progtuning", budget=1)
    workers = Workers(source, metric)
    workers.run()
    assert full_of(folder.trials()).run.training.learning_rate == 1e-4
    assert {rate for rate, _ in workers.trained} == set(RATES)


def test_a_rate_that_answers_with_a_constant_loses_to_one_that_is_still_below_it(tmp_path):
    learning = {2.5e-5: (0.45, 0.56, 0.66), 5e-5: (0.47, 0.60, 0.70)}

    def metric(rate, epoch):
        return learning[rate][epoch - 1] if rate in learning else 0.5

    folder, source = start(tmp_path, "progtuning", budget=1)
    workers = Workers(source, metric)
    workers.run()
    assert full_of(folder.trials()).run.training.learning_rate == 5e-5
    assert {rate for rate, epoch in workers.trained if epoch > 1} == {2.5e-5, 5e-5}
