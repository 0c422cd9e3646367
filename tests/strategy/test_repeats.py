"""Trials that are run again with other seeds, through the source of trials."""

import hashlib
import json
import math

import numpy as np
import pytest

from progsearch.config import with_seed
from progsearch.strategy.prospects import Prospects
from progsearch.strategy.repeats import FIRST_OF_CONFIRMATIONS
from progsearch.strategy.source import WAIT, Assignment, Ended
from progsearch.study.folder import open_study
from progsearch.study.front import front_of, full_of
from progsearch.study.progress import left, spent
from tests.support.fakes import accuracy_of, failed, finish, finished, source_of, space_of, start

NOISE = 0.01


def soon_flat(run):
    """A made-up metric of which a few trained blocks reach nearly all."""
    trained = sum(len(s.trainable_blocks) * (s.end - s.start) for s in run.stages)
    return 0.6 + 0.2 * math.tanh(trained)


def noisy(run):
    """The made-up metric of a run with its seed's noise, the same each time."""
    # Without settings that a later version adds and this run leaves as they are.
    data = with_seed(run, 0).model_dump(mode="json")
    data["training"] = with_seed(run, 0).training.decisive()
    text = f"{json.dumps(data, default=str)} {run.training.seed}"
    digest = hashlib.sha256(text.encode()).digest()
    return accuracy_of(run) + NOISE * np.random.default_rng(list(digest[:8])).standard_normal()


def search(tmp_path, *, budget=12, end=None, limit=300, **changes):
    """A search with its end; ``end`` says how a run ends, from the trial and its config."""
    changes = {"front_seeds": 3, "scheduler": "none"} | changes
    folder, source = start(tmp_path, budget=budget, **changes)
    train(folder, source, end, limit)
    return folder


def train(folder, source, end=None, limit=300):
    for _ in range(limit):
        found = source.next()
        if isinstance(found, Ended):
            return found
        how = end(folder.trial(found.number), found.run) if end else None
        source.ended(found, how or finished(noisy(found.run)))
    raise AssertionError(f"the search did not end within {limit} trials")


def repeats_of(folder, number):
    return [trial for trial in folder.trials() if trial.repeats == number]


def new_schedules(folder):
    return [trial for trial in folder.trials() if trial.is_searched]


def repeated_search(folder):
    """The repeats that cost budget."""
    return [t for t in folder.trials() if t.repeats is not None and not t.is_baseline]


# -- which ones, and what they cost ----------------------------------------------------------


def test_full_fine_tuning_is_repeated_first_and_for_free(tmp_path):
    folder, source = start(tmp_path, budget=12, front_seeds=3)
    for _ in range(4):
        finish(source, source.next())
    full = full_of(folder.trials())
    for seed in (1, 2):
        found = source.next()
        trial = folder.trial(found.number)
        assert (trial.repeats, trial.name, trial.params) == (full.number, "full", {})
        assert found.run == with_seed(full.run, seed)
        assert found.seeds == 1
        assert spent(folder.trials()) == 0
        finish(source, found)
    assert folder.trial(source.next().number).repeats is None
    assert spent(folder.trials()) == 1
    assert full_of(folder.trials()).n_seeds == 3


def test_the_repeats_of_full_fine_tuning_are_those_of_its_best_rate(tmp_path):
    folder = search(tmp_path, space="progtuning", budget=1)
    full = full_of(folder.trials())
    repeated = {t.repeats for t in folder.trials() if t.name == "full" and t.repeats is not None}
    assert full.number in repeated
    assert full.n_seeds == 3


def test_places_on_the_front_end_with_enough_seeds(tmp_path, monkeypatch):
    """All but the last that came up, if the budget allows; here few schedules are that good."""
    monkeypatch.setattr("tests.strategy.test_repeats.accuracy_of", soon_flat)
    too_few = []
    for seed in range(4):
        folder = search(tmp_path / str(seed), budget=20, training={"seed": seed})
        trials = folder.trials()
        front = front_of(trials)
        too_few.append(sum(trial.n_seeds < 3 for trial in front))
        assert spent(trials) <= 20
        assert len(new_schedules(folder)) >= 20 / 3
        assert all(trial.repeats is None for trial in front)
    # Of a single search, two may have come up last.
    assert sum(too_few) <= len(too_few)
    assert max(too_few) <= 2


@pytest.mark.parametrize("budget", [1, 2, 3])
def test_a_small_budget_still_searches(tmp_path, budget):
    folder = search(tmp_path, budget=budget)
    assert len(new_schedules(folder)) >= max(1, budget / 3)
    assert spent(folder.trials()) == budget


def test_a_repeat_of_a_searched_trial_costs_as_much_as_a_new_one(tmp_path):
    folder = search(tmp_path)
    assert repeated_search(folder)
    assert spent(folder.trials()) == len(new_schedules(folder)) + len(repeated_search(folder))


def test_one_seed_repeats_nothing(tmp_path):
    folder = search(tmp_path, front_seeds=1)
    assert len(new_schedules(folder)) == 12
    assert not any(trial.repeats is not None for trial in folder.trials())


def test_a_repeat_is_its_trial_with_another_seed(tmp_path):
    folder = search(tmp_path)
    for trial in folder.trials():
        if trial.repeats is not None:
            original = folder.trial(trial.repeats)
            assert original.repeats is None
            assert trial.run == with_seed(original.run, trial.run.training.seed)
            assert (trial.name, trial.params) == (original.name, original.params)
            assert trial.costs == original.costs
            assert trial.key != original.key


@pytest.mark.parametrize("first", [0, 7])
def test_seeds_are_consecutive_after_the_studys(tmp_path, first):
    folder = search(tmp_path, training={"seed": first})
    for trial in folder.trials():
        seeds = [repeat.run.training.seed for repeat in repeats_of(folder, trial.number)]
        assert seeds == list(range(first + 1, first + 1 + len(seeds)))


def test_seeds_of_repeats_come_after_those_of_every_trial(tmp_path):
    folder = search(tmp_path, seeds=2)
    full = full_of(folder.trials())
    assert [repeat.run.training.seed for repeat in repeats_of(folder, full.number)] == [2]


@pytest.mark.slow
def test_repeats_never_reach_the_seeds_of_confirmations(tmp_path, monkeypatch):
    """Not even if repeats always promise more than anything new."""
    monkeypatch.setattr(Prospects, "repeats", lambda _, trials, seconds: [1.0] * len(trials))
    monkeypatch.setattr(Prospects, "waiting", lambda *_: 0.0)
    folder = search(tmp_path, budget=40)
    seeds = [t.run.training.seed for t in folder.trials() if t.repeats is not None]
    assert 0 < max(seeds) <= 3 + 2 < FIRST_OF_CONFIRMATIONS
    # A third of the budget, without what is kept for repeats at the end.
    assert len(new_schedules(folder)) >= 40 / 3 - 3


# -- racing ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("gain", "repeated"), [(2.0, True), (0.5, False)])
def test_a_repeat_goes_before_a_candidate_if_it_gains_more(tmp_path, monkeypatch, gain, repeated):
    folder, source = start(tmp_path, budget=20, front_seeds=3)
    for _ in range(4 + 2 + 3):
        finish(source, source.next())
    chosen = new_schedules(folder)[1]

    def repeats(_, trials, seconds):
        return [gain if trial.number == chosen.number else 0.0 for trial in trials]

    monkeypatch.setattr(Prospects, "repeats", repeats)
    monkeypatch.setattr(Prospects, "waiting", lambda *_: 1.0)
    trial = folder.trial(source.next().number)
    assert trial.repeats == (chosen.number if repeated else None)


def test_what_repeats_show_moves_the_mean(tmp_path):
    """A lucky first run: its repeats push it from the front."""
    lucky = []

    def end(trial, run):
        if trial.is_searched and not lucky:
            lucky.append(trial.number)
            return finished(0.99)
        return None

    folder = search(tmp_path, budget=20, end=end)
    (number,) = lucky
    trial = folder.trials()[number]
    assert trial.n_seeds >= 3
    assert trial.measured == 0.99 > trial.values[0] + 0.03
    assert trial.estimate.error < 0.1


# -- repeats that end otherwise --------------------------------------------------------------


def test_a_failing_repeat_is_not_repeated_for_ever(tmp_path):
    def end(trial, run):
        return failed("the loss is not finite") if trial.repeats is not None else None

    folder = search(tmp_path, end=end)
    for trial in front_of(folder.trials()):
        tried = repeats_of(folder, trial.number)
        assert len({repeat.run.training.seed for repeat in tried}) == len(tried) <= 2
    assert len(repeats_of(folder, full_of(folder.trials()).number)) == 2
    assert spent(folder.trials()) <= 12


def test_an_interrupted_repeat_is_run_again_with_its_seed(tmp_path):
    folder, source = start(tmp_path, budget=12, front_seeds=3)
    for _ in range(5):
        finish(source, source.next())
    lost = folder.trial(source.next().number)
    assert lost.run.training.seed == 2
    source.close()
    again = open_study(folder.name, tmp_path)
    source = source_of(again, space_of(again.recipe))
    assignment = source.next()
    retried = again.trial(assignment.number)
    assert (retried.retry_of, retried.repeats) == (lost.number, lost.repeats)
    assert retried.run == lost.run
    finish(source, assignment)
    full = full_of(again.trials())
    assert full.n_seeds == 3
    assert sorted(run.run.training.seed for run in full.repeated) == [1, 2]
    assert spent(again.trials()) == 0


def test_two_workers_repeat_with_different_seeds(tmp_path):
    folder, source = start(tmp_path, budget=12, front_seeds=3)
    for _ in range(4):
        finish(source, source.next())
    both = [source.next(), source.next()]
    assert all(isinstance(found, Assignment) for found in both)
    assert [found.run.training.seed for found in both] == [1, 2]
    assert {folder.trial(found.number).repeats for found in both} == {0}


def test_running_schedules_hold_back_the_budget_of_their_repeats(tmp_path):
    """With many workers all schedules may be running before the first one ends."""
    folder, source = start(tmp_path, budget=12, front_seeds=3)
    for _ in range(4 + 2):
        finish(source, source.next())
    running = list(iter(source.next, WAIT))
    # Six of twelve are left for the repeats of half of them; those of references are free.
    assert len(new_schedules(folder)) == 6
    assert all(trial.is_baseline for trial in folder.trials() if trial.repeats is not None)
    for found in running:
        source.ended(found, finished(noisy(found.run)))
    train(folder, source)
    short = [trial for trial in front_of(folder.trials()) if trial.n_seeds < 3]
    assert len(short) <= 1


def test_the_last_repeats_run_at_once(tmp_path):
    folder, source = start(tmp_path, budget=12, front_seeds=3, scheduler="none")
    for _ in range(4 + 2 + 6):
        finish(source, source.next())
    repeats = list(iter(source.next, WAIT))
    assert len(repeats) > 1
    assert all(folder.trial(found.number).repeats is not None for found in repeats)


def test_no_second_repeat_is_weighed_while_one_runs(tmp_path, monkeypatch):
    folder, source = start(tmp_path, budget=20, front_seeds=5)
    for _ in range(4 + 4 + 3):
        finish(source, source.next())
    chosen = new_schedules(folder)[1]

    def repeats(_, trials, seconds):
        return [2.0 if trial.number == chosen.number else 0.0 for trial in trials]

    monkeypatch.setattr(Prospects, "repeats", repeats)
    monkeypatch.setattr(Prospects, "waiting", lambda *_: 1.0)
    two = [folder.trial(source.next().number).repeats for _ in range(2)]
    assert two == [chosen.number, None]


def test_a_resumed_search_knows_its_repeats(tmp_path):
    folder = search(tmp_path)
    again = open_study(folder.name, tmp_path)
    source = source_of(again, space_of(again.recipe))
    before = len(again.trials())
    assert source.next() == Ended("budget")
    assert len(again.trials()) == before


def test_repeats_of_baselines_that_were_not_begun_are_left_to_do(tmp_path):
    """A search was stopped when its budget was spent and full fine-tuning had one seed."""
    folder, source = start(tmp_path, budget=1, front_seeds=3)
    for _ in range(4):
        finish(source, source.next())
    held_back = [source.next(), source.next()]
    # The baselines' repeats are lost, and the only searched trial ends.
    finish(source, source.next(), accuracy=0.1)
    source.close()
    lost = {found.number for found in held_back}
    assert {t.repeats for t in folder.trials() if t.number in lost} == {0}

    again = open_study(folder.name, tmp_path)
    assert spent(again.trials()) == 1
    missing = left(again).n_repeats
    lacking = [t for t in front_of(again.trials()) if t.is_baseline]
    assert missing == 2 * len(lacking) > 2
    assert not left(again).is_nothing
    train(again, source_of(again, space_of(again.recipe)))
    assert {t.n_seeds for t in front_of(again.trials()) if t.is_baseline} == {3}
    assert left(again).is_nothing
