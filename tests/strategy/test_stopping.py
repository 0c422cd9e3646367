"""Trials that a judge stops: what becomes of them in a study."""

import pytest
from optuna.trial import TrialState
from pydantic import ValidationError

from progsearch.study.front import front_of
from progsearch.study.progress import spent
from progsearch.study.trial import STOPPED
from progsearch.workers.worker import Report
from tests.strategy.test_searcher import reopen
from tests.support.fakes import accuracy_of, finished, recipe, record, start


def costs(steps):
    timings = {"setup": 1.0, "train": steps / 10, "evaluate": 0.0, "saved": 0.0}
    return {"timings": timings, "steps_trained": steps, "peak_memory": 1000}


def accuracy_at(run, epoch):
    """Rises with the epochs, and is the better the more is trained; dear rates spoil all."""
    good = accuracy_of(run) - (0.5 if run.training.learning_rate > 2e-4 else 0.0)
    return good - 0.1 + epoch / 30


def train(searcher, limit=300, from_index=0, only=None):
    """Train every trial epoch by epoch, as Tune would; how many epochs there were."""
    epochs = 0
    if only is not None:
        limit = only
    for index in range(from_index, from_index + limit):
        trial_id = f"t{index}"
        config = searcher.suggest(trial_id)
        if config == searcher.FINISHED:
            return epochs
        for epoch in (1, 2, 3):
            epochs += 1
            seen = accuracy_at(config["run"], epoch)
            report = Report(record=record(epoch, seen), spent=costs(10 * epoch))
            if epoch == 3:
                searcher.on_trial_complete(trial_id, finished(seen))
            elif searcher.stops(trial_id, report):
                searcher.on_trial_complete(trial_id, {"report": report, "done": True})
                break
            else:
                searcher.on_trial_result(trial_id, {"report": report})
    assert only, f"the search did not end within {limit} trials"
    return epochs


def search(tmp_path, **changes):
    settings = {"space": "progtuning", "budget": 30, "sampler": "random"} | changes
    folder, searcher = start(tmp_path, **settings)
    return folder, train(searcher)


SCHEDULERS = {"freeze-thaw": "ehvi", "dominance": "random", "mo-asha": "random"}


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_stopped_trials_are_pruned_and_keep_what_they_came_to(tmp_path, scheduler):
    folder, epochs = search(tmp_path, scheduler=scheduler, sampler=SCHEDULERS[scheduler])
    trials = folder.study.trials
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
    assert pruned
    for trial in pruned:
        assert trial.values is None
        assert trial.user_attrs["reason"] == STOPPED
        last = trial.user_attrs["records"][-1]
        assert last["metrics"]["accuracy"] > 0
        assert trial.user_attrs["steps_trained"] == last["step"] < 30
    assert not {trial.number for trial in pruned} & {t.number for t in front_of(trials)}
    assert 30 <= spent(trials) < 31
    searched = [trial for trial in trials if "name" not in trial.user_attrs]
    assert len(searched) > 30, "what stopping saves is spent on other trials"
    assert epochs < 3 * len(trials)


@pytest.mark.parametrize("scheduler, judged", [("dominance", True), ("mo-asha", False)])
def test_within_an_epoch_only_one_judge_decides(tmp_path, scheduler, judged):
    """Successive halving compares trials at its rungs, the ends of epochs."""
    _, searcher = start(tmp_path, "progtuning", budget=30, sampler="random", scheduler=scheduler)
    for index in range(12):
        searcher.suggest(f"t{index}")
        for epoch in (1, 2):
            report = Report(record=record(epoch, 0.7 + index / 100), spent=costs(10 * epoch))
            searcher.on_trial_result(f"t{index}", {"report": report})
        searcher.on_trial_complete(f"t{index}", finished(0.8 + index / 100))
    searcher.suggest("new")
    hopeless = Report(record=record(1.5, 0.1), spent=costs(15))
    assert searcher.stops("new", hopeless) == judged


def test_no_baseline_is_stopped(tmp_path):
    folder, _ = search(tmp_path, scheduler="mo-asha")
    named = [trial for trial in folder.study.trials if "name" in trial.user_attrs]
    assert [trial.state for trial in named] == [TrialState.COMPLETE] * 4


def test_the_front_is_that_of_a_search_that_stops_nothing(tmp_path):
    trials = {}
    for scheduler in ("none", "dominance"):
        folder, _ = search(tmp_path, scheduler=scheduler, study=scheduler)
        trials[scheduler] = folder.study.trials
    fronts = {
        name: [trial.values for trial in front_of(found[: len(trials["none"])])]
        for name, found in trials.items()
    }
    assert fronts["none"] == fronts["dominance"], "of the same points"
    assert len(trials["dominance"]) > len(trials["none"])


@pytest.mark.parametrize("scheduler", ["freeze-thaw", "mo-asha"])
def test_stopped_trials_are_taken_up_again(tmp_path, scheduler):
    folder, _ = search(tmp_path, scheduler=scheduler, sampler=SCHEDULERS[scheduler])
    trials = folder.study.trials
    continued = [trial for trial in trials if "continues" in trial.user_attrs]
    assert continued
    for trial in continued:
        before = trials[trial.user_attrs["continues"]]
        assert before.state == TrialState.PRUNED
        assert trial.user_attrs["run"] == before.user_attrs["run"]
        assert trial.params == before.params
    taken_up = [trial.user_attrs["continues"] for trial in continued]
    assert len(taken_up) == len(set(taken_up)), "each once"


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_trial_that_was_taken_up_costs_its_rest(tmp_path, scheduler):
    folder, _ = search(tmp_path, scheduler=scheduler, sampler=SCHEDULERS[scheduler])
    reached = {}
    for trial in folder.study.trials:
        if "name" not in trial.user_attrs:
            last = trial.user_attrs["records"][-1]["fraction"]
            reached[trial.user_attrs["key"]] = max(last, reached.get(trial.user_attrs["key"], 0))
    assert spent(folder.study.trials) == pytest.approx(sum(reached.values()))


def test_the_last_of_the_budget_is_not_given_away_while_a_trial_may_give_it_back(tmp_path):
    folder, searcher = start(tmp_path, "progtuning", parallel=2, budget=1)
    for index in range(4):
        searcher.suggest(f"b{index}")
        searcher.on_trial_complete(f"b{index}", finished(0.8))
    assert isinstance(searcher.suggest("a"), dict)
    assert searcher.suggest("b") is None and searcher.ending is None, "it waits"
    report = Report(record=record(1, 0.7), spent=costs(10))
    searcher.on_trial_complete("a", {"report": report, "done": True})
    assert isinstance(searcher.suggest("b"), dict), "two thirds are left"
    searcher.on_trial_complete("b", finished(0.8))
    assert searcher.suggest("c") == searcher.FINISHED and searcher.ending == "budget"


def test_a_search_that_stops_nothing_ends_at_once(tmp_path):
    folder, searcher = start(tmp_path, "progtuning", parallel=2, budget=1, scheduler="none")
    for index in range(4):
        searcher.suggest(f"b{index}")
        searcher.on_trial_complete(f"b{index}", finished(0.8))
    searcher.suggest("a")
    assert searcher.suggest("b") == searcher.FINISHED


def test_freeze_thaw_gives_a_trial_up_for_a_better_point(tmp_path):
    """What is known to be hopeless promises nothing; what is on its way to the front does."""
    _, searcher = start(tmp_path, "progtuning", budget=30)
    train(searcher, only=12)
    config = searcher.suggest("new")
    best = max(accuracy_at(config["run"], 1), 0.9)
    hopeless = Report(record=record(1, 0.1), spent=costs(10))
    assert searcher.stops("new", hopeless)
    assert not searcher.stops("new", Report(record=record(1, best), spent=costs(10)))


@pytest.mark.parametrize(
    "settings", [{"sampler": "tpe"}, {"candidates": 1}, {"sampler": "random"}]
)
def test_freeze_thaw_needs_points_that_wait(settings):
    with pytest.raises(ValidationError, match="freeze-thaw weighs trials against candidates"):
        recipe(scheduler="freeze-thaw", **settings)
    assert recipe(**settings).judged_by == "dominance"
    assert recipe().judged_by == "freeze-thaw"


def test_a_resumed_search_judges_by_what_it_knew(tmp_path):
    folder, _ = search(tmp_path, budget=20)
    folder, searcher = reopen(tmp_path, folder)
    folder.set_budget(30)
    train(searcher, from_index=500)
    later = folder.study.trials[24:]
    assert any(trial.state == TrialState.PRUNED for trial in later[:5])


def test_with_one_worker_a_search_in_its_defaults_is_repeatable(tmp_path):
    found = []
    for name in ("a", "b"):
        folder, searcher = start(tmp_path, "progtuning", study=name, budget=15)
        train(searcher)
        found.append([(t.params, t.values, t.state) for t in folder.study.trials])
    assert found[0] == found[1]
