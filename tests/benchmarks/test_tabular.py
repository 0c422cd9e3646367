"""The replays of `benchmarks/search.py`, on a table of made-up accuracies."""

import itertools
import random
from collections import Counter

import numpy as np
import optuna
import pytest

from progsearch.strategy.references import make_references
from progsearch.study.dominance import directions, hypervolume, non_dominated
from tests.benchmarks.conftest import made_table


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


@pytest.fixture
def asked(monkeypatch):
    """The trainings that searches of progsearch ask for, one for each event."""
    from tabular.own import _Replay

    found, train = [], _Replay.train

    def watched(replay, assignment, source):
        found.append(replay.table.of_run(assignment.run))
        return train(replay, assignment, source)

    monkeypatch.setattr(_Replay, "train", watched)
    return found


def searched(entries):
    """Those that are no references; all of them are other trainings."""
    return [entry for entry in entries if entry is not None and entry.baseline is None]


@pytest.mark.slow
def test_progsearch_trains_each_epoch_once(table, asked):
    from tabular.own import Progsearch

    events = take(Progsearch(scheduler="none", candidates=1)(table, (0,), 3), 60)
    reached = Counter()
    for entry, before, event in zip(asked, [0, *(e.trials for e in events)], events, strict=False):
        reached[entry] += round(3 * (event.trials - before))
        assert event.entry is (entry if reached[entry] == 3 else None)
    keys = {key for entry, n in reached.items() for _, key in entry.segments[:n]}
    assert events[-1].steps == len(keys) * table.steps // 3
    assert 3 * events[-1].trials == pytest.approx(sum(reached.values()))
    assert sum(reached.values()) > len(keys) + 10, "some epochs are shared"

    whole = take(Progsearch(False, scheduler="none", candidates=1)(table, (0,), 3), 60)
    # References that would begin again are not stopped, so each rate is trained whole.
    assert [event.steps for event in whole] == [table.steps * n for n in range(1, 61)]
    assert [event.trials for event in whole] == [*range(1, 61)]
    ours, theirs = searched(e.entry for e in events), searched(e.entry for e in whole)
    assert ours[:20] == theirs[:20], "neither choice nor result depends on reuse"
    for trained in (events, whole):
        entries = [event.entry for event in trained if event.entry]
        assert len(entries) == len({id(entry) for entry in entries})
        assert {e.baseline for e in entries if e.baseline} == {e.baseline for e in table.baselines}


@pytest.mark.slow
def test_progsearch_trains_no_more_of_what_it_stops(table, asked):
    from tabular.own import Progsearch

    events = take(Progsearch()(table, (0,), 3), 60)
    stopped = [index for index, event in enumerate(events) if event.entry is None]
    epoch = table.steps // 3
    assert all(events[i].steps - events[i - 1].steps <= 2 * epoch for i in stopped if i)
    assert events[0].steps == epoch, "all rates are compared after an epoch"
    # By the judge, and by their tuning those of references.
    names = {entry.baseline for entry in table.baselines}
    assert {asked[index].baseline for index in stopped} == {None} | names
    finished = Counter(event.entry.baseline for event in events if event.entry)
    assert set(finished) == {None} | names
    rates = Counter(entry.baseline for entry in set(asked[: len(events)]))
    assert all(1 <= finished[name] < 4 <= rates[name] for name in names)


@pytest.mark.slow
def test_references_are_tuned_at_the_rates_of_the_table(table, every_point):
    from tabular.own import Progsearch, _as_held
    from tabular.points import RATES, recipe_of, space_of

    problem, task, every = every_point
    default = [point for point in every if point.family == "default"]
    references = make_references(space_of(), recipe_of(1e-4, task), problem).all
    held = [_as_held(reference, table) for reference in references]
    assert {(r.rates, r.is_tuned) for r in held} == {(RATES, True)}

    def within(low, high):
        def is_held(point):
            rate = point.candidate.run.training.learning_rate
            return not point.baseline or low <= rate <= high

        return made_table((problem, task, [p for p in default if is_held(p)]), (0, 1))

    for low, high, rates in ((1e-4, 1e-4, (1e-4,)), (5e-5, 4e-4, RATES), (2e-4, 8e-4, None)):
        found = within(low, high)
        held = [_as_held(reference, found) for reference in references]
        assert {(r.rates, r.is_tuned) for r in held} == {(rates or RATES[2:], rates is None)}
        if rates is not None:
            events = take(Progsearch(candidates=1)(found, (0,), 3), 60)
            assert events[-1].missing == 0, "no rate is tried that the table does not hold"


@pytest.mark.slow
def test_without_contributions_no_score_chooses_a_block(table, asked):
    from tabular.own import Progsearch

    take(Progsearch(scheduler="none", candidates=4, contributions=False)(table, (0,), 3), 90)
    prefix_only = {
        id(table.of_values(values))
        for point in table.space.points()
        if (values := table.space.suggest(optuna.trial.FixedTrial(point)))
        and values["mode"] == "prefix"
        and values.get("ratio_of", "blocks") == "blocks"
    }
    chosen = [id(entry) for entry in searched(asked)]
    assert {*chosen} <= prefix_only
    assert len(chosen) == len({*chosen}) > 50


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
