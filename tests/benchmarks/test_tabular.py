"""The replays of `benchmarks/search.py`, on a table of made-up accuracies."""

import itertools
import random

import numpy as np
import optuna
import pytest

from progsearch.study.dominance import directions, hypervolume, non_dominated


def take(events, count):
    return list(itertools.islice(events, count))


def test_only_points_of_the_table_are_trained(table):
    from tabular.strategies import ask

    # Not the seed that the table's own points were drawn with.
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(200):
        trial, entry = ask(table, study)
        assert table.of_values(table.space.suggest(trial)) is entry
    drawn = len(study.trials)
    assert 200 < drawn < 400, "a table holds most of what a search draws"
    assert {entry.baseline for entry in table.baselines} == {
        "full",
        "progtuning-3",
        "last-quarter",
        "head-only",
    }
    assert {entry.learning_rate for entry in table.baselines} == {table.problem.learning_rate}


def test_trainings_with_the_same_beginning_follow_one_another(table):
    firsts = [entry.segments[0][1] for entry in table.entries]
    runs = [key for key, _ in itertools.groupby(firsts)]
    assert len(runs) == len(set(runs))
    assert len(runs) < len(firsts) / 4


def test_progsearch_trains_each_epoch_once(table):
    from tabular.own import Progsearch

    events = take(Progsearch(scheduler="none", candidates=1)(table, (0,), 3), 12)
    whole = take(Progsearch(False, scheduler="none", candidates=1)(table, (0,), 3), 12)
    assert [event.entry for event in events] == [event.entry for event in whole]
    assert [event.steps for event in whole] == [table.steps * n for n in range(1, 13)]
    trained = [event.entry for event in events]
    keys = {key for entry in trained for _, key in entry.segments}
    assert events[-1].steps == len(keys) * table.steps // 3 < whole[-1].steps
    assert len({id(entry) for entry in trained}) == 12
    assert {entry.baseline for entry in trained[:4]} == {e.baseline for e in table.baselines}


def test_progsearch_trains_no_more_of_what_it_stops(table):
    from tabular.own import Progsearch

    events = take(Progsearch()(table, (0,), 3), 30)
    stopped = [index for index, event in enumerate(events) if event.entry is None]
    assert stopped
    epoch = table.steps // 3
    assert all(events[i].steps - events[i - 1].steps <= 2 * epoch for i in stopped)
    assert all(event.entry is not None for event in events[:4]), "no baseline is stopped"


def test_without_contributions_no_score_chooses_a_block(table):
    from tabular.own import Progsearch

    events = take(
        Progsearch(scheduler="none", candidates=4, contributions=False)(table, (0,), 3), 60
    )
    prefix_only = {
        id(table.of_values(values))
        for point in table.space.points()
        if (values := table.space.suggest(optuna.trial.FixedTrial(point)))
        and values["mode"] == "prefix"
        and values.get("ratio_of", "blocks") == "blocks"
    }
    assert {id(event.entry) for event in events[4:]} <= prefix_only
    assert len({id(event.entry) for event in events}) == 60


def test_mo_asha_trains_on_where_it_stopped(table):
    from tabular.mo_asha import MoAsha

    events = take(MoAsha(factor=2)(table, (1,), 0), 200)
    # Each event is one epoch, so no epoch was trained again for a trial that went on.
    assert [event.steps for event in events] == [table.steps // 3 * n for n in range(1, 201)]
    assert [event.trials for event in events] == [n / 3 for n in range(1, 201)]
    # At least the best half of a rung went on; more where others were the best before.
    finished = sum(event.entry is not None for event in events)
    assert 200 * 0.24 / 1.74 < finished < 200 * 0.49 / 2.19


def test_the_others_train_the_baselines_whole(table):
    from tabular.strategies import after_baselines, random_sampler, whole_trials

    plain = take(whole_trials(random_sampler)(table, (0,), 5), 3)
    events = take(after_baselines(whole_trials(random_sampler))(table, (0,), 5), 7)
    assert [event.steps for event in events] == [table.steps * n for n in range(1, 8)]
    assert [event.entry for event in events[:4]] == table.baselines
    assert [event.entry for event in events[4:]] == [event.entry for event in plain]


def test_a_trace_knows_the_hypervolume_of_all_points_so_far(table):
    from tabular.race import Trace, corner_of
    from tabular.strategies import Event

    draw, trace, seen = random.Random(1), Trace(table, 0, unseen=[1]), []
    corner, sides = corner_of(table), directions(2)
    for number in range(1, 30):
        entry = draw.choice(table.entries) if number % 3 else None
        trace.add(Event(10 * number, 1.0, number, entry))
        seen += [entry] if entry else []
        values = [entry.values(0) for entry in seen]
        expected = hypervolume(values, corner, sides)
        assert trace.volumes[-1] == pytest.approx(expected)
    chosen = [seen[index].values(1) for index in non_dominated(values, sides)]
    expected = hypervolume(chosen, corner, sides)
    assert trace.volume_after(29, true=True) == pytest.approx(expected)
    assert trace.volume_at(9) == trace.volume_after(0) == 0.0
    assert trace.volume_at(105) == trace.volume_after(10) == trace.volumes[9]
    first = trace.volumes.index(trace.volumes[-1])
    assert trace.steps_to(trace.volumes[-1]) == trace.steps[first]
    assert trace.steps_to(trace.volumes[-1] + 0.01) is None


def test_intervals_are_those_of_a_normal_mean():
    from tabular.race import interval

    values = np.random.default_rng(0).normal(3.0, 2.0, 200)
    found = interval([*values], np.mean)
    error = 1.96 * values.std() / np.sqrt(len(values))
    assert found["mean"] == pytest.approx(values.mean())
    assert found["low"] == pytest.approx(values.mean() - error, abs=0.02)
    assert found["high"] == pytest.approx(values.mean() + error, abs=0.02)


def test_the_summary_says_who_needs_fewer_steps_than_random(table):
    import search
    from tabular.contenders import OTHERS
    from tabular.strategies import Event

    def quick(table, seen, seed):
        best = sorted(table.entries, key=lambda entry: -entry.values(*seen)[0])
        cheap = sorted(table.entries, key=lambda entry: entry.updated_parameters)
        mixed = [entry for pair in zip(best, cheap, strict=True) for entry in pair]
        for number, entry in enumerate(mixed, 1):
            yield Event(number * entry.steps // 2, 1.0, number, entry)

    def never(table, seen, seed):
        for number in itertools.count(1):
            yield Event(number * table.steps, 1.0, number, None)

    strategies = {"random": OTHERS["random"], "progsearch": quick, "never": never}
    result = search.summary(*search.Replay(table, strategies, 4).all(), table)
    found = result["strategies"]
    assert found["progsearch"]["steps_ratio_to_random"]["reached"] == 4
    assert found["never"]["steps_ratio_to_random"] == {
        "median": 3.0,
        "low": 3.0,
        "high": 3.0,
        "reached": 0,
    }
    ratio = found["progsearch"]["steps_ratio_to_random"]["median"]
    assert found["never"]["progsearch_over_this"]["median"] == pytest.approx(ratio / 3)
    assert found["progsearch"]["hypervolume_at"]["0.5"]["mean"] <= max(
        result["hypervolume_of_all"]
    )
    reached = f"hypervolume_after_{search.TRIALS}_trials"
    assert found["never"][reached]["mean"] == 0.0
    more = found["never"][reached]["progsearch_has_more"]["mean"]
    assert more == pytest.approx(found["progsearch"][reached]["mean"])
    assert "progsearch_has_more" not in found["progsearch"][reached]
    assert found["random"]["the_same_on_other_seeds"]["mean"] > 0
    assert len(search.markdown(result).splitlines()) == 5
