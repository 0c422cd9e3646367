"""Which trial of a search is next."""

from dataclasses import replace

import pytest
from optuna.trial import TrialState

from progsearch.config import method_of
from progsearch.driver.search import check_memory
from progsearch.errors import StudyError
from progsearch.schedule import Schedule, ScheduleSpec
from progsearch.space.settings import Choice
from progsearch.space.space import Space
from progsearch.strategy.candidates import candidate
from progsearch.strategy.references import Reference, References
from progsearch.strategy.source import WAIT, Ended
from progsearch.study.folder import open_study
from progsearch.study.metadata import sessions_of
from progsearch.study.progress import interrupt_running, left
from progsearch.study.trial import INTERRUPTED, Trial
from tests.support.fakes import (
    accuracy_of,
    finish,
    finished,
    freezing,
    new_folder,
    progress,
    recipe,
    run_all,
    searched,
    source_of,
    space_of,
    start,
    train_references,
)


def names(folder):
    return [trial.name for trial in folder.trials()]


def states(folder):
    return [trial.state for trial in folder.trials()]


def reopen(tmp_path, folder):
    again = open_study(folder.name, tmp_path)
    return again, source_of(again, space_of(again.recipe))


def given(recipe, problem, learning_rate, *depths):
    training = recipe.training.model_copy(update={"learning_rate": learning_rate})
    choice = Choice(ScheduleSpec(), method_of(), training)
    return candidate(choice, recipe, problem, freezing(*depths))


# -- references ------------------------------------------------------------------------------


@pytest.mark.parametrize(("epochs", "expected"), [(0, "steady"), (1, "other")])
def test_what_frozen_blocks_compute_is_not_computed_twice_at_once(
    tmp_path, monkeypatch, epochs, expected
):
    def references(_, recipe, problem):
        plans = {
            "full": (1e-4, (None, None, None)),
            "throughout": (1e-4, (4, 4, 4)),
            "other": (2e-4, (4, 4, 4)),
            "steady": (1e-4, (None, 4, 6)),
        }

        def reference(name, rate, depths):
            return Reference(
                name, (rate,), False, lambda rate: given(recipe, problem, rate, *depths)
            )

        return References(tuple(reference(name, *plan) for name, plan in plans.items()))

    monkeypatch.setattr("tests.support.fakes.make_references", references)
    folder, source = start(tmp_path)
    full, throughout = source.next(), source.next()
    assert names(folder) == ["full", "throughout"]
    for epoch in range(epochs):
        source.report(throughout, progress(epoch + 1))
    source.ended(full, finished())
    source.next()
    assert names(folder)[2] == expected


def test_references_come_first_and_are_not_part_of_the_budget(tmp_path):
    folder, source = start(tmp_path, budget=3, training={"epochs": 4})
    _, ending = run_all(source)
    references = ["full", "progtuning-3", "progtuning-4", "last-quarter", "head-only"]
    assert set(names(folder)[:5]) == set(references)
    assert names(folder)[0] == "full", "the longest is trained first"
    assert names(folder)[5:] == [None, None, None]
    assert ending == "budget"
    first = folder.trial(0)
    assert first.stages == Schedule.full(6).to_dicts()
    assert first.updated_parameters == 1
    assert first.run.training.learning_rate == 1e-4
    third = folder.trial(names(folder).index("progtuning-3"))
    assert third.stages == Schedule.progtuning(6, 3).to_dicts()


def test_references_use_the_only_method_there_is(tmp_path):
    folder, source = start(tmp_path, methods=["lora"], budget=1)
    run_all(source)
    assert {trial.run.method.name for trial in folder.trials()} == {"lora"}


def test_what_does_not_fit_the_model_is_left_out(tmp_path):
    space = Space.load("paper")
    folder = new_folder(tmp_path, recipe(space="paper", budget=50), space, n_blocks=2)
    run_all(source_of(folder, space, n_blocks=2))
    assert names(folder) == ["full", "last-quarter", "head-only", None]
    assert folder.trials()[-1].params == {"n_stages": 2}


def test_a_trial_does_not_wait_for_steps_that_another_is_making(tmp_path):
    folder, source = start(tmp_path)
    full, quarter = source.next(), source.next()
    # progtuning-3 begins as full fine-tuning does, so the reference after it goes first.
    assert names(folder) == ["full", "last-quarter"]
    source.report(full, progress(1))
    source.ended(quarter, finished())
    source.next()
    assert names(folder) == ["full", "last-quarter", "progtuning-3"]


def test_without_reuse_nothing_is_held_back(tmp_path):
    folder, source = start(tmp_path, reuse=False)
    source.next()
    source.next()
    assert names(folder) == ["full", "progtuning-3"]


# -- sampled trials --------------------------------------------------------------------------


def test_an_assignment_is_the_trial_that_is_running(tmp_path):
    folder, source = start(tmp_path, space="progtuning", seeds=2)
    assignment = train_references(folder, source)
    trial = folder.trial(assignment.number)
    # Four references at four rates.
    assert (trial.number, trial.state) == (16, TrialState.RUNNING)
    assert assignment.run == trial.run
    assert (assignment.seeds, assignment.test) == (2, False)
    assert set(trial.frozen.user_attrs) == {
        *("schedule", "key", "run", "costs", "segments", "segment_flops")
    }
    assert set(trial.params) >= {"learning_rate", "n_stages", "curve", "mode"}
    assert trial.run.training.learning_rate == trial.params["learning_rate"]


def test_no_training_is_done_twice(tmp_path):
    folder, source = start(tmp_path, space="progtuning", budget=40)
    runs, _ = run_all(source)
    keys = [trial.key for trial in folder.trials()]
    assert len(runs) == len(keys) == len(set(keys)) == 16 + 40


def test_points_are_held_back_while_their_first_steps_are_being_made(tmp_path):
    folder, source = start(tmp_path, budget=6)
    running = []
    for _ in range(40):
        found = WAIT if len(running) == 3 else source.next()
        if isinstance(found, Ended):
            break
        if found is WAIT:
            finish(source, running.pop(0))
        else:
            running.append(found)
    assert isinstance(found, Ended)
    for assignment in running:
        finish(source, assignment)
    keys = [trial.key for trial in folder.trials()]
    assert len(keys) == len(set(keys)) == 4 + 6


def test_methods_are_combined_with_schedules(tmp_path):
    folder, source = start(tmp_path, space="peft", budget=40, sampler="random")
    run_all(source)
    runs = [trial.run for trial in folder.trials() if trial.params]
    assert {run.method.name for run in runs} == {"full", "lora", "bitfit", "adapter"}
    for run in runs:
        large = run.training.learning_rate > 2e-4
        assert large == (run.method.name != "full")
    references = [trial for trial in folder.trials() if trial.is_baseline]
    assert {trial.run.method.name for trial in references} == {"full"}


@pytest.mark.parametrize("sampler", ["ehvi", "tpe", "nsga2", "random", "grid"])
def test_the_same_seed_gives_the_same_search(tmp_path, sampler):
    found = []
    for name in ("a", "b", "c"):
        seed = 1 if name == "c" else 0
        folder, source = start(
            tmp_path, "progtuning", study=name, sampler=sampler, budget=20, training={"seed": seed}
        )
        run_all(source)
        found.append([trial.params for trial in folder.trials()])
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_the_gaussian_process_sampler_searches_too(tmp_path):
    folder, source = start(tmp_path, sampler="gp", budget=12)
    run_all(source)
    assert states(folder) == [TrialState.COMPLETE] * 16


def test_schedules_over_the_limit_are_never_trained(tmp_path):
    folder, source = start(tmp_path, space="progtuning", budget=12, max_updated=0.5)
    run_all(source)
    updated = [trial.updated_parameters for trial in searched(folder)]
    assert len(updated) == 12
    assert max(updated) <= 0.5


def test_schedules_above_the_memory_are_never_trained(tmp_path):
    most = 400 + 4 * 350
    folder, source = start(tmp_path, space="progtuning", budget=12, max_memory=most)
    run_all(source)
    memory = [trial.costs.peak_memory for trial in folder.trials()]
    assert len(searched(folder)) == 12
    assert max(memory) <= most
    assert "full" not in names(folder)


def test_the_memory_is_an_objective_that_is_known_before(tmp_path):
    objectives = ("metric", "peak_memory")
    folder, source = start(tmp_path, space="progtuning", budget=4, objectives=objectives)
    run_all(source)
    for trial in folder.trials():
        assert trial.values[1] == trial.costs.peak_memory > 400
        # What was measured is kept, too.
        assert trial.peak_memory == 1000


def test_memory_that_was_measured_is_not_compared_with_what_is_predicted(tmp_path, monkeypatch):
    objectives = ("metric", "peak_memory")
    folder, source = start(tmp_path / "new", budget=1, objectives=objectives)
    run_all(source)
    check_memory(folder)
    # As an earlier version left it.
    unknown = replace(folder.trial(0).costs, peak_memory=None)
    monkeypatch.setattr(Trial, "costs", unknown)
    with pytest.raises(StudyError, match="begin a new study"):
        check_memory(folder)


# -- sessions --------------------------------------------------------------------------------


def test_trials_that_were_running_when_the_search_died_are_run_again(tmp_path):
    folder, source = start(tmp_path, budget=3)
    for index in range(6):
        assignment = source.next()
        if index < 4:
            source.ended(assignment, finished())
    lost = folder.trials()[4:]
    assert [trial.state for trial in lost] == [TrialState.RUNNING] * 2

    folder, source = reopen(tmp_path, folder)
    assert interrupt_running(folder) == 2
    assert left(folder) == (0, 0, 3, 0)
    run_all(source)
    trials = folder.trials()
    assert [trial.state.name for trial in trials] == [
        *["COMPLETE"] * 4,
        *["FAIL"] * 2,
        *["COMPLETE"] * 3,
    ]
    for old, new in zip(lost, trials[6:8], strict=True):
        assert new.retry_of == old.number
        assert new.run == old.run
        assert new.params == old.params
        assert new.reason is None
    assert [trial.reason for trial in trials[4:6]] == [INTERRUPTED] * 2
    assert left(folder) == (0, 0, 0, 0)


def test_what_a_session_breaks_off_is_interrupted_when_the_source_is_closed(tmp_path):
    folder, source = start(tmp_path)
    source.ended(source.next(), finished())
    source.report(source.next(), progress(1))
    source.close()
    done, broken_off = folder.trials()
    assert done.is_complete
    assert broken_off.is_interrupted and broken_off.frozen.values is None


def test_a_reference_that_was_interrupted_twice_is_still_run(tmp_path):
    folder, source = start(tmp_path, budget=1)
    for _ in range(2):
        source.next()
        interrupt_running(folder)
        assert left(folder) == (4, 4, 1, 0)
        folder, source = reopen(tmp_path, folder)
    run_all(source)
    done = [trial for trial in folder.trials() if trial.is_complete]
    assert [trial.name for trial in done] == [
        "full", "progtuning-3", "last-quarter", "head-only", None
    ]  # fmt: skip
    assert done[0].retry_of == 1


def test_a_resumed_search_samples_other_points(tmp_path):
    folder, source = start(tmp_path, "progtuning", budget=10, sampler="random")
    run_all(source)
    folder, source = reopen(tmp_path, folder)
    folder.set_budget(20)
    run_all(source)
    params = [trial.params for trial in folder.trials() if trial.params]
    assert len(params) == 20
    assert not any(later in params[:10] for later in params[10:])
    assert open_study(folder.name, tmp_path).recipe.budget == 20


def test_sessions_are_kept(tmp_path):
    folder, source = start(tmp_path, budget=1)
    run_all(source)
    folder, source = reopen(tmp_path, folder)
    folder.set_budget(2)
    run_all(source)
    sessions = sessions_of(folder.study)
    assert [session.trials for session in sessions] == [5, 1]
    assert all(session.seconds >= 0 for session in sessions)


@pytest.mark.parametrize(
    "objectives", [("metric",), ("metric", "updated_parameters", "flops"), ("metric", "seconds")]
)
def test_a_search_with_any_objectives_repeats_its_front_and_ends(tmp_path, objectives):
    folder, source = start(tmp_path, "progtuning", budget=10, objectives=objectives, front_seeds=3)
    _, ending = run_all(source)
    assert ending == "budget"
    assert any(trial.repeats is not None for trial in folder.trials())


# -- the end ---------------------------------------------------------------------------------


def test_a_small_space_ends_when_it_is_exhausted(tmp_path):
    # Of T = 1..6, 1 is full fine-tuning and 3 the paper's reference.
    folder, source = start(tmp_path, space="paper", budget=50)
    _, ending = run_all(source)
    assert ending == "exhausted"
    sampled = [trial.params["n_stages"] for trial in folder.trials() if trial.params]
    assert sorted(sampled) == [2, 4, 5, 6]


def test_patience_ends_a_search_that_finds_nothing_better(tmp_path):
    folder, source = start(tmp_path, space="progtuning", budget=50, patience=4)
    for _ in range(100):
        found = source.next()
        if isinstance(found, Ended):
            break
        # Nothing that is sampled beats always giving the same answer.
        reference = folder.trial(found.number).is_baseline
        finish(source, found, accuracy_of(found.run) if reference else 0.4)
    assert found == Ended("plateau")
    assert names(folder).count(None) == 4


def test_patience_begins_anew_when_a_search_goes_on(tmp_path):
    folder, source = start(tmp_path, budget=3, patience=3)
    for _ in range(4):
        finish(source, source.next())
    for _ in range(3):
        finish(source, source.next(), 0.4)
    folder.set_budget(10)
    assert source.next() == Ended("plateau")
    again = source_of(folder, Space.load("quick"))
    assert not isinstance(again.next(), Ended)
