import pytest
from optuna.trial import TrialState, create_trial

from progsearch.config import method_of, plain
from progsearch.schedule import Schedule, ScheduleSpec
from progsearch.space.settings import Choice
from progsearch.space.space import Space
from progsearch.strategy.candidates import candidate
from progsearch.study.folder import open_study
from progsearch.study.progress import interrupt_running, latest, left
from progsearch.study.trial import INTERRUPTED
from progsearch.workers.worker import Report
from tests.support.fakes import (
    Watcher,
    accuracy_of,
    failed,
    finished,
    freezing,
    new_folder,
    recipe,
    record,
    run_all,
    searcher_of,
    start,
)


def names(folder):
    return [trial.user_attrs.get("name") for trial in folder.study.trials]


def states(folder):
    return [trial.state for trial in folder.study.trials]


def given(recipe, subject, learning_rate, *depths):
    training = recipe.training.model_copy(update={"learning_rate": learning_rate})
    choice = Choice(ScheduleSpec(), method_of(), training)
    return candidate(choice, recipe, subject, freezing(*depths))


@pytest.mark.parametrize(("epochs", "expected"), [(0, "steady"), (1, "other")])
def test_what_frozen_blocks_compute_is_not_computed_twice_at_once(
    tmp_path, monkeypatch, epochs, expected
):
    def baselines(_, recipe, subject):
        return {
            "full": given(recipe, subject, 1e-4, None, None, None),
            "throughout": given(recipe, subject, 1e-4, 4, 4, 4),
            "other": given(recipe, subject, 2e-4, 4, 4, 4),
            "steady": given(recipe, subject, 1e-4, None, 4, 6),
        }, []

    monkeypatch.setattr("tests.support.fakes.baselines", baselines)
    folder, searcher = start(tmp_path, parallel=2)
    searcher.suggest("a")
    searcher.suggest("b")
    assert names(folder) == ["full", "throughout"]
    for epoch in range(epochs):
        searcher.on_trial_result("b", {"report": Report(record=record(epoch + 1))})
    searcher.on_trial_complete("a", finished())
    searcher.suggest("c")
    assert names(folder)[2] == expected


def test_baselines_come_first_and_are_not_part_of_the_budget(tmp_path):
    folder, searcher = start(tmp_path, budget=3, training={"epochs": 4})
    run_all(searcher)
    baselines = ["full", "progtuning-3", "progtuning-4", "last-quarter", "head-only"]
    assert set(names(folder)[:5]) == set(baselines)
    assert names(folder)[0] == "full", "the longest is trained first"
    assert names(folder)[5:] == [None, None, None]
    assert searcher.ending == "budget"
    first = folder.study.trials[0].user_attrs
    assert first["schedule"] == Schedule.full(6).to_dicts()
    assert first["costs"]["updated_parameters"] == 1
    assert first["run"]["training"]["learning_rate"] == 1e-4
    third = folder.study.trials[names(folder).index("progtuning-3")]
    assert third.user_attrs["schedule"] == Schedule.progtuning(6, 3).to_dicts()


def test_a_trial_is_whole_in_the_study_while_it_runs(tmp_path):
    folder, searcher = start(tmp_path, space="progtuning")
    run_all_but_running(searcher, 5)
    trial = folder.study.trials[5 - 1]
    assert trial.state == TrialState.RUNNING
    assert set(trial.user_attrs) == {
        *("schedule", "key", "run", "costs", "segments", "segment_flops")
    }
    assert set(trial.params) >= {"learning_rate", "n_stages", "curve", "mode"}
    assert trial.user_attrs["run"]["training"]["learning_rate"] == trial.params["learning_rate"]


def run_all_but_running(searcher, number):
    for index in range(number):
        searcher.suggest(f"t{index}")
        if index < number - 1:
            searcher.on_trial_complete(f"t{index}", finished())


def test_a_finished_trial_has_its_values_in_the_order_of_the_objectives(tmp_path):
    objectives = ("metric", "seconds", "updated_parameters")
    folder, searcher = start(tmp_path, objectives=objectives)
    searcher.suggest("a")
    searcher.on_trial_result("a", {"report": Report(record=record(1))})
    searcher.on_trial_complete("a", finished(0.75))
    trial = folder.study.trials[0]
    assert trial.values == [0.75, 7.0, 1.0]
    assert [kept["epoch"] for kept in trial.user_attrs["records"]] == [1, 3]
    assert trial.user_attrs["metrics"] == {"accuracy": 0.75, "f1": 0.8}
    assert trial.user_attrs["peak_memory"] == 1000
    assert folder.study.metric_names == ["accuracy", "seconds", "updated_parameters"]


def test_a_finished_trial_holds_what_was_trained_and_its_cost(tmp_path):
    objectives = ("metric", "updated_parameters", "flops")
    folder, searcher = start(tmp_path, "wide", objectives=objectives, max_updated=0.9)
    config = searcher.suggest("a")
    trained = plain(config["run"]) | {"stages": Schedule.last_blocks(6, 1).to_dicts()}
    costs = folder.study.trials[0].user_attrs["costs"] | {"updated_parameters": 0.95, "flops": 7}
    report = finished()
    chosen = {"schedule": trained["stages"], "run": trained, "costs": costs}
    report["report"].result.update(chosen)
    searcher.on_trial_complete("a", report)
    trial = folder.study.trials[0]
    assert trial.values == [0.7, 0.95, 7.0]
    assert trial.constraints == {"max_updated": pytest.approx(0.05)}
    assert {name: trial.user_attrs[name] for name in chosen} == chosen


def test_no_more_trials_are_handed_out_than_run_at_once(tmp_path):
    folder, searcher = start(tmp_path, parallel=2)
    assert searcher.suggest("a") is not None
    assert searcher.suggest("b") is not None
    assert searcher.suggest("c") is None
    searcher.on_trial_complete("a", finished())
    assert searcher.suggest("c")["number"] == 2
    assert states(folder) == [TrialState.COMPLETE, TrialState.RUNNING, TrialState.RUNNING]


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (failed("the loss is not finite at step 3 of 30"), "the loss is not finite"),
        (failed("out of GPU memory at step 1: ..."), "out of GPU memory"),
        (finished(float("nan")), "a result is not a number"),
        (finished(float("inf")), "a result is not a number"),
    ],
)
def test_a_failure_is_told_with_its_reason_and_the_search_goes_on(tmp_path, result, reason):
    folder, searcher = start(tmp_path, budget=2)
    searcher.suggest("a")
    searcher.on_trial_complete("a", result)
    assert folder.study.trials[0].state == TrialState.FAIL
    assert reason in folder.study.trials[0].user_attrs["reason"]
    run_all(searcher)
    assert states(folder) == [TrialState.FAIL, *[TrialState.COMPLETE] * 5]


def test_a_dead_worker_fails_its_trial(tmp_path):
    folder, searcher = start(tmp_path)
    searcher.suggest("a")
    searcher.on_trial_complete("a", error=True)
    searcher.worker_died("a", "the worker process died: no memory")
    trial = folder.study.trials[0]
    assert (trial.state, trial.user_attrs["reason"]) == (
        TrialState.FAIL,
        "the worker process died: no memory",
    )
    assert searcher.suggest("b")["number"] == 1


def test_a_trial_that_a_scheduler_stops_is_pruned_and_keeps_its_records(tmp_path):
    folder, searcher = start(tmp_path)
    searcher.suggest("a")
    stopped = {"report": Report(record=record(1))}
    searcher.on_trial_result("a", stopped)
    searcher.on_trial_complete("a", stopped)
    trial = folder.study.trials[0]
    assert (trial.state, trial.values) == (TrialState.PRUNED, None)
    assert [kept["epoch"] for kept in trial.user_attrs["records"]] == [1]
    assert folder.study.best_trials == []


def test_no_training_is_done_twice(tmp_path):
    folder, searcher = start(tmp_path, space="progtuning", budget=40)
    runs = run_all(searcher)
    keys = [trial.user_attrs["key"] for trial in folder.study.trials]
    assert len(runs) == len(keys) == 44
    assert len(set(keys)) == 44


def test_a_small_space_ends_when_it_is_exhausted(tmp_path):
    # Of T = 1..6, 1 is full fine-tuning and 3 the paper's baseline.
    folder, searcher = start(tmp_path, space="paper", budget=50)
    run_all(searcher)
    assert searcher.ending == "exhausted"
    drawn = [t.params["n_stages"] for t in folder.study.trials if t.params]
    assert sorted(drawn) == [2, 4, 5, 6]


def test_what_does_not_fit_the_model_is_left_out(tmp_path):
    view = Watcher()
    space = Space.load("paper")
    folder = new_folder(tmp_path, recipe(space="paper", budget=50), space, n_blocks=2)
    searcher = searcher_of(folder, space, n_blocks=2, view=view)
    run_all(searcher)
    assert names(folder) == ["full", "last-quarter", "head-only", None]
    assert folder.study.trials[-1].params == {"n_stages": 2}


def test_the_view_is_told_what_happens(tmp_path):
    view = Watcher()
    space = Space.load("quick")
    folder = new_folder(tmp_path, recipe(), space)
    searcher = searcher_of(folder, space, view=view)
    searcher.suggest("a")
    searcher.on_trial_complete("a", finished())
    searcher.suggest("b")
    searcher.on_trial_complete("b", failed("no"))
    assert view.told == [
        ("trial_started", 0),
        ("record", 0, 3),
        ("trial_finished", 0, "COMPLETE"),
        ("trial_started", 1),
        ("trial_finished", 1, "FAIL"),
    ]


def test_methods_are_combined_with_schedules(tmp_path):
    folder, searcher = start(tmp_path, space="peft", budget=40, sampler="random")
    run_all(searcher)
    runs = [t.user_attrs["run"] for t in folder.study.trials if t.params]
    assert {run["method"]["name"] for run in runs} == {"full", "lora", "bitfit", "adapter"}
    for run in runs:
        large = run["training"]["learning_rate"] > 2e-4
        assert not large or run["method"]["name"] != "full"
    assert {t.user_attrs["run"]["method"]["name"] for t in folder.study.trials[:4]} == {"full"}


def test_baselines_use_the_only_method_there_is(tmp_path):
    folder, searcher = start(tmp_path, methods=["lora"], budget=1)
    run_all(searcher)
    methods = {t.user_attrs["run"]["method"]["name"] for t in folder.study.trials}
    assert methods == {"lora"}


@pytest.mark.parametrize("sampler", ["ehvi", "tpe", "nsga2", "random", "grid"])
def test_the_same_seed_gives_the_same_search(tmp_path, sampler):
    found = []
    for name in ("a", "b", "c"):
        seed = 1 if name == "c" else 0
        folder, searcher = start(
            tmp_path, "progtuning", study=name, sampler=sampler, budget=20, training={"seed": seed}
        )
        run_all(searcher)
        found.append([trial.params for trial in folder.study.trials])
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_the_gaussian_process_sampler_searches_too(tmp_path):
    folder, searcher = start(tmp_path, sampler="gp", budget=12)
    run_all(searcher)
    assert states(folder) == [TrialState.COMPLETE] * 16


def reopen(tmp_path, folder, **kwargs):
    again = open_study(folder.name, tmp_path)
    return again, searcher_of(again, Space.load(again.recipe.space), **kwargs)


def test_trials_that_were_running_when_the_search_died_are_run_again(tmp_path):
    folder, searcher = start(tmp_path, budget=3, parallel=2)
    for index in range(6):
        searcher.suggest(f"t{index}")
        if index < 4:
            searcher.on_trial_complete(f"t{index}", finished())
    lost = folder.study.trials[4:]
    assert [trial.state for trial in lost] == [TrialState.RUNNING] * 2

    folder, searcher = reopen(tmp_path, folder)
    assert interrupt_running(folder) == 2
    assert left(folder) == (0, 3)
    run_all(searcher)
    trials = folder.study.trials
    assert [trial.state.name for trial in trials] == [
        *["COMPLETE"] * 4,
        *["FAIL"] * 2,
        *["COMPLETE"] * 3,
    ]
    for old, new in zip(lost, trials[6:8], strict=True):
        assert new.user_attrs["retry_of"] == old.number
        assert new.user_attrs["run"] == old.user_attrs["run"]
        assert new.params == old.params
        assert "reason" not in new.user_attrs
    assert [trial.user_attrs["reason"] for trial in trials[4:6]] == [INTERRUPTED] * 2
    assert left(folder) == (0, 0)


def test_a_baseline_that_was_interrupted_twice_is_still_run(tmp_path):
    folder, searcher = start(tmp_path, budget=1)
    for _ in range(2):
        searcher.suggest("a")
        interrupt_running(folder)
        assert left(folder) == (4, 1)
        folder, searcher = reopen(tmp_path, folder)
    run_all(searcher)
    done = [t for t in folder.study.trials if t.state == TrialState.COMPLETE]
    assert [t.user_attrs.get("name") for t in done] == [
        "full", "progtuning-3", "last-quarter", "head-only", None
    ]  # fmt: skip
    assert done[0].user_attrs["retry_of"] == 1


def test_a_resumed_search_draws_other_points(tmp_path):
    folder, searcher = start(tmp_path, "progtuning", budget=10, sampler="random")
    run_all(searcher)
    folder, searcher = reopen(tmp_path, folder)
    folder.set_budget(20)
    run_all(searcher)
    params = [trial.params for trial in folder.study.trials if trial.params]
    assert len(params) == 20
    assert not any(later in params[:10] for later in params[10:])
    assert open_study(folder.name, tmp_path).recipe.budget == 20


def test_a_halted_search_hands_nothing_out(tmp_path):
    class Halted:
        ending = "time limit"

    space = Space.load("quick")
    folder = new_folder(tmp_path, recipe(), space)
    searcher = searcher_of(folder, space, halt=Halted())
    assert searcher.suggest("a") == searcher.FINISHED
    assert searcher.ending == "time limit"
    assert folder.study.trials == []


def test_sessions_are_kept(tmp_path):
    folder, searcher = start(tmp_path, budget=1)
    run_all(searcher)
    folder, searcher = reopen(tmp_path, folder)
    folder.set_budget(2)
    run_all(searcher)
    sessions = folder.study.user_attrs["sessions"]
    assert [session["trials"] for session in sessions] == [5, 1]
    assert all(session["seconds"] >= 0 for session in sessions)


def test_a_trial_does_not_wait_for_steps_that_another_is_making(tmp_path):
    folder, searcher = start(tmp_path, parallel=2)
    searcher.suggest("a")
    searcher.suggest("b")
    # progtuning-3 begins as full fine-tuning does, so the baseline behind it goes first.
    assert names(folder) == ["full", "last-quarter"]
    searcher.on_trial_result("a", {"report": Report(record=record(1))})
    searcher.on_trial_complete("b", finished())
    searcher.suggest("c")
    assert names(folder) == ["full", "last-quarter", "progtuning-3"]


def test_points_are_kept_back_while_their_first_steps_are_being_made(tmp_path):
    folder, searcher = start(tmp_path, parallel=3, budget=6)
    runs = {}
    for index in range(40):
        config = searcher.suggest(f"t{index}")
        if config == searcher.FINISHED:
            break
        if config is None:
            done = next(iter(runs))
            searcher.on_trial_complete(done, finished(accuracy_of(runs.pop(done))))
        else:
            runs[f"t{index}"] = config["run"]
    assert config == searcher.FINISHED or not runs
    for name, run in runs.items():
        searcher.on_trial_complete(name, finished(accuracy_of(run)))
    keys = [trial.user_attrs["key"] for trial in folder.study.trials]
    assert len(keys) == len(set(keys)) == 4 + 6


def test_without_reuse_nothing_is_kept_back(tmp_path):
    folder, searcher = start(tmp_path, parallel=2, reuse=False)
    searcher.suggest("a")
    searcher.suggest("b")
    assert names(folder) == ["full", "progtuning-3"]


def test_schedules_over_the_limit_are_never_trained(tmp_path):
    folder, searcher = start(tmp_path, space="progtuning", budget=12, max_updated=0.5)
    run_all(searcher)
    searched = [t for t in folder.study.trials if "name" not in t.user_attrs]
    updated = [t.user_attrs["costs"]["updated_parameters"] for t in searched]
    assert len(updated) == 12
    assert max(updated) <= 0.5


def test_the_sampler_and_the_study_learn_how_far_a_limit_is_missed(tmp_path):
    folder, searcher = start(tmp_path, budget=2, min_metric=0.99)
    run_all(searcher)
    for trial in folder.study.trials:
        assert trial.constraints == {"min_metric": pytest.approx(0.99 - trial.values[0])}
    learnt = [t.constraints for t in searcher._draws._study.trials if t.values]
    assert [set(constraints) for constraints in learnt] == [{"min_metric"}] * 2


def test_patience_ends_a_search_that_finds_nothing_better(tmp_path):
    folder, searcher = start(tmp_path, space="progtuning", budget=50, patience=4)
    for index in range(100):
        config = searcher.suggest(f"t{index}")
        if config == searcher.FINISHED:
            break
        searched = "name" not in folder.study.trials[config["number"]].user_attrs
        # Nothing that is drawn beats always giving the same answer.
        accuracy = 0.4 if searched else accuracy_of(config["run"])
        searcher.on_trial_complete(f"t{index}", finished(accuracy))
    assert searcher.ending == "plateau"
    assert names(folder).count(None) == 4


def test_patience_counts_whole_trials_and_what_goes_on_with_another(tmp_path):
    folder, _ = start(tmp_path)
    study = folder.study

    def add(state=TrialState.COMPLETE, fraction=1.0, **attributes):
        records = [{"fraction": fraction}]
        values = [0.5, 0.5] if state == TrialState.COMPLETE else None
        attributes = {"records": records, **attributes}
        study.add_trial(create_trial(state=state, values=values, user_attrs=attributes))

    add(name="full")
    add()
    for _ in range(4):
        add(TrialState.PRUNED, 1 / 3)
    add(TrialState.FAIL, 1 / 3, reason="interrupted")
    add(continues=5)
    add(TrialState.RUNNING)
    trials = study.get_trials()

    def numbers(first, number):
        found = latest(trials, first, number)
        return None if found is None else [trial.number for trial in found]

    # Two thirds of a run that was taken up and one of another.
    assert numbers(0, 1) == [5, 7]
    assert numbers(0, 2) == [2, 3, 4, 5, 7]
    assert numbers(0, 3) == [1, 2, 3, 4, 5, 7]
    assert numbers(0, 4) is None
    assert numbers(3, 2) is None


def test_patience_begins_anew_when_a_search_goes_on(tmp_path):
    folder, searcher = start(tmp_path, budget=4, patience=3)
    run_all(searcher)
    again = searcher_of(folder, Space.load("quick"))
    assert not again._is_plateau(folder.study.get_trials())
