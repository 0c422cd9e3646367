"""Trials that a judge stops: what becomes of them in a study."""

import pytest
from optuna.trial import TrialState
from pydantic import ValidationError

from progsearch.strategy.source import WAIT, Assignment, Decision, Ended, Stopped
from progsearch.study.front import front_of
from progsearch.study.progress import spent
from progsearch.study.trial import STOPPED, Trial
from tests.strategy.test_study_source import reopen
from tests.support.fakes import (
    accuracy_of,
    finish,
    finished,
    progress,
    recipe,
    searched,
    start,
    train_references,
)


def accuracy_at(run, epoch):
    """Rises with the epochs, and is the better the more is trained; dear rates spoil all."""
    good = accuracy_of(run) - (0.5 if run.training.learning_rate > 2e-4 else 0.0)
    return good - 0.1 + epoch / 30


def train(source, limit=300, only=None):
    """Train every trial epoch by epoch; how many epochs there were."""
    epochs = 0
    for _ in range(only or limit):
        found = source.next()
        if isinstance(found, Ended):
            return epochs
        for epoch in (1, 2, 3):
            epochs += 1
            seen = accuracy_at(found.run, epoch)
            if epoch == 3:
                source.ended(found, finished(seen))
            elif source.report(found, progress(epoch, seen)) is Decision.STOP:
                source.ended(found, Stopped())
                break
    assert only, f"the search did not end within {limit} trials"
    return epochs


def search(tmp_path, **changes):
    settings = {"space": "progtuning", "budget": 30, "sampler": "random"} | changes
    folder, source = start(tmp_path, **settings)
    return folder, train(source)


SCHEDULERS = {"freeze-thaw": "ehvi", "dominance": "random", "mo-asha": "random"}
# Fits a process after each of many measurements.
FREEZE_THAW = pytest.param("freeze-thaw", marks=pytest.mark.slow)


@pytest.mark.parametrize("scheduler", [FREEZE_THAW, "dominance", "mo-asha"])
def test_stopped_trials_are_pruned_and_keep_what_they_came_to(tmp_path, scheduler):
    folder, epochs = search(tmp_path, scheduler=scheduler, sampler=SCHEDULERS[scheduler])
    trials = folder.trials()
    stopped = [trial for trial in trials if trial.is_stopped and not trial.is_baseline]
    assert stopped
    for trial in stopped:
        assert trial.frozen.values is None
        assert trial.reason == STOPPED
        last = trial.records[-1]
        assert last.metrics["accuracy"] > 0
        assert trial.steps_trained == last.step < 30
    assert not {trial.number for trial in stopped} & {t.number for t in front_of(trials)}
    assert 30 <= spent(trials) < 31
    assert len(searched(folder)) > 30, "what stopping saves is spent on other trials"
    assert epochs < 3 * len(trials)


@pytest.mark.parametrize("scheduler, judged", [("dominance", True), ("mo-asha", False)])
def test_within_an_epoch_only_one_judge_decides(tmp_path, scheduler, judged):
    """Successive halving compares trials at its rungs, the ends of epochs."""
    settings = {"budget": 30, "sampler": "random", "scheduler": scheduler}
    folder, source = start(tmp_path, "progtuning", **settings)
    found = train_references(folder, source)
    for index in range(12):
        for epoch in (1, 2):
            source.report(found, progress(epoch, 0.7 + index / 100))
        source.ended(found, finished(0.8 + index / 100))
        found = source.next()
    hopeless = source.report(found, progress(1.5, 0.1))
    assert (hopeless is Decision.STOP) == judged


def test_no_judge_stops_a_reference(tmp_path):
    folder, _ = search(tmp_path, space="quick", scheduler="mo-asha")
    named = [trial for trial in folder.trials() if trial.is_baseline]
    assert [trial.state for trial in named] == [TrialState.COMPLETE] * 4
    # Their tuning does, whatever the judge.
    folder, _ = search(tmp_path, study="tuned", scheduler="none", budget=1)
    names = {trial.name for trial in folder.trials() if trial.is_stopped}
    assert names == {"full", "progtuning-3", "last-quarter", "head-only"}


def bare(trial):
    """A trial without the estimate, which stopped trials inform, too."""
    return Trial(trial.frozen)


@pytest.mark.slow
def test_the_front_is_that_of_a_search_that_stops_nothing(tmp_path):
    trials = {}
    for scheduler in ("none", "dominance"):
        folder, _ = search(tmp_path, scheduler=scheduler, study=scheduler)
        trials[scheduler] = folder.trials()
    fronts = {
        name: [trial.values for trial in front_of(list(map(bare, found[: len(trials["none"])])))]
        for name, found in trials.items()
    }
    assert fronts["none"] == fronts["dominance"], "of the same points"
    assert len(trials["dominance"]) > len(trials["none"])


@pytest.mark.parametrize("scheduler", [FREEZE_THAW, "mo-asha"])
def test_stopped_trials_are_resumed(tmp_path, scheduler):
    folder, _ = search(tmp_path, scheduler=scheduler, sampler=SCHEDULERS[scheduler])
    trials = folder.trials()
    continued = [trial for trial in trials if trial.continues is not None]
    assert continued
    for trial in continued:
        before = trials[trial.continues]
        assert before.state == TrialState.PRUNED
        assert trial.run == before.run
        assert trial.params == before.params
    resumed = [trial.continues for trial in continued]
    assert len(resumed) == len(set(resumed)), "each once"


@pytest.mark.parametrize("scheduler", [FREEZE_THAW, "dominance", "mo-asha"])
def test_a_trial_that_was_resumed_costs_its_rest(tmp_path, scheduler):
    folder, _ = search(tmp_path, scheduler=scheduler, sampler=SCHEDULERS[scheduler])
    reached = {}
    for trial in folder.trials():
        if not trial.is_baseline:
            last = trial.records[-1].fraction
            reached[trial.key] = max(last, reached.get(trial.key, 0))
    assert spent(folder.trials()) == pytest.approx(sum(reached.values()))


def test_the_last_of_the_budget_is_not_given_away_while_a_trial_may_give_it_back(tmp_path):
    folder, source = start(tmp_path, "progtuning", budget=1)
    running = train_references(folder, source)
    assert isinstance(running, Assignment)
    assert source.next() is WAIT
    source.report(running, progress(1, 0.7))
    source.ended(running, Stopped())
    rest = source.next()
    assert isinstance(rest, Assignment), "two thirds are left"
    finish(source, rest, 0.8)
    assert source.next() == Ended("budget")


def test_a_search_ends_after_the_last_of_its_runs(tmp_path):
    folder, source = start(tmp_path, "progtuning", budget=1, scheduler="none")
    running = train_references(folder, source)
    assert source.next() is WAIT, "its result may call for a repeat"
    finish(source, running)
    assert source.next() == Ended("budget")


def test_freeze_thaw_stops_a_trial_for_a_better_candidate(tmp_path):
    """What is known to be hopeless gains nothing; what is on its way to the front does."""
    folder, source = start(tmp_path, "progtuning", budget=30)
    finish(source, train_references(folder, source))
    train(source, only=8)
    found = source.next()
    best = max(accuracy_at(found.run, 1), 0.9)
    judgement, trial = source._judgement, source._folder.trial(found.number)
    waiting = source._pool.waiting
    assert judgement.stops(trial, [progress(1, 0.1).record], waiting)
    assert not judgement.stops(trial, [progress(1, best).record], waiting)


@pytest.mark.parametrize(
    "settings", [{"sampler": "tpe"}, {"candidates": 1}, {"sampler": "random"}]
)
def test_freeze_thaw_needs_candidates_that_wait(settings):
    with pytest.raises(
        ValidationError, match="freeze-thaw compares trials with waiting candidates"
    ):
        recipe(scheduler="freeze-thaw", **settings)
    assert recipe(**settings).judged_by == "dominance"
    assert recipe().judged_by == "freeze-thaw"


def test_a_resumed_search_judges_by_what_it_knew(tmp_path):
    folder, _ = search(tmp_path, budget=20)
    before = len(folder.trials())
    folder, source = reopen(tmp_path, folder)
    folder.set_budget(30)
    train(source)
    later = folder.trials()[before:]
    assert any(trial.is_stopped for trial in later[:5])


def test_with_one_worker_a_search_in_its_defaults_is_repeatable(tmp_path):
    found = []
    for name in ("a", "b"):
        folder, source = start(tmp_path, "progtuning", study=name, budget=15)
        train(source)
        found.append([(t.params, t.frozen.values, t.state) for t in folder.trials()])
    assert found[0] == found[1]
