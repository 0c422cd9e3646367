"""Trials that a judge stops: what becomes of them in a study."""

import pytest
from optuna.trial import TrialState

from progsearch.report.front import front_of
from progsearch.search.progress import STOPPED, n_searched
from progsearch.search.trainable import Report
from tests.search.fakes import accuracy_of, finished, record, start
from tests.search.test_searcher import reopen


def spent(steps):
    timings = {"setup": 1.0, "train": steps / 10, "evaluate": 0.0, "saved": 0.0}
    return {"timings": timings, "steps_trained": steps, "peak_memory": 1000}


def accuracy_at(run, epoch):
    """Rises with the epochs, and is the better the more is trained; dear rates spoil all."""
    good = accuracy_of(run) - (0.5 if run.training.learning_rate > 2e-4 else 0.0)
    return good - 0.1 + epoch / 30


def train(searcher, limit=300, from_index=0):
    """Train every trial epoch by epoch, as Tune would; how many epochs there were."""
    epochs = 0
    for index in range(from_index, from_index + limit):
        trial_id = f"t{index}"
        config = searcher.suggest(trial_id)
        if config == searcher.FINISHED:
            return epochs
        for epoch in (1, 2, 3):
            epochs += 1
            seen = accuracy_at(config["run"], epoch)
            report = Report(record=record(epoch, seen), spent=spent(10 * epoch))
            if epoch == 3:
                searcher.on_trial_complete(trial_id, finished(seen))
            elif searcher.stops(trial_id, report):
                searcher.on_trial_complete(trial_id, {"report": report, "done": True})
                break
            else:
                searcher.on_trial_result(trial_id, {"report": report})
    raise AssertionError(f"the search did not end within {limit} trials")


def search(tmp_path, **changes):
    settings = {"space": "progtuning", "budget": 30, "sampler": "random"} | changes
    folder, searcher = start(tmp_path, **settings)
    return folder, train(searcher)


@pytest.mark.parametrize("scheduler", ["dominance", "mo-asha"])
def test_stopped_trials_are_pruned_and_keep_what_they_came_to(tmp_path, scheduler):
    folder, epochs = search(tmp_path, scheduler=scheduler)
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
    assert n_searched(trials) == 30, "stopped ones count for the budget"
    assert epochs < 3 * len(trials)


@pytest.mark.parametrize("scheduler, judged", [("dominance", True), ("mo-asha", False)])
def test_within_an_epoch_only_one_judge_decides(tmp_path, scheduler, judged):
    """Successive halving compares trials at its rungs, the ends of epochs."""
    _, searcher = start(tmp_path, "progtuning", budget=30, sampler="random", scheduler=scheduler)
    for index in range(12):
        searcher.suggest(f"t{index}")
        for epoch in (1, 2):
            report = Report(record=record(epoch, 0.7 + index / 100), spent=spent(10 * epoch))
            searcher.on_trial_result(f"t{index}", {"report": report})
        searcher.on_trial_complete(f"t{index}", finished(0.8 + index / 100))
    searcher.suggest("new")
    hopeless = Report(record=record(1.5, 0.1), spent=spent(15))
    assert searcher.stops("new", hopeless) == judged


def test_no_baseline_is_stopped(tmp_path):
    folder, _ = search(tmp_path, scheduler="mo-asha")
    named = [trial for trial in folder.study.trials if "name" in trial.user_attrs]
    assert [trial.state for trial in named] == [TrialState.COMPLETE] * 4


def test_the_front_is_that_of_a_search_that_stops_nothing(tmp_path):
    fronts = []
    for scheduler in ("none", "dominance"):
        folder, _ = search(tmp_path, scheduler=scheduler, study=scheduler)
        fronts.append([trial.values for trial in front_of(folder.study.trials)])
    assert fronts[0] == fronts[1]


def test_successive_halving_takes_stopped_trials_up_again(tmp_path):
    folder, _ = search(tmp_path, scheduler="mo-asha")
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
