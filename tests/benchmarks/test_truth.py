"""`benchmarks/truth.py`: what a search prints, judged by seeds that it did not see."""

import functools
import itertools
import zlib
from collections import Counter

import pytest

from progsearch.config import with_seed
from progsearch.errors import StudyError
from progsearch.report.data import study_report
from progsearch.strategy.source import (
    WAIT,
    Assignment,
    Decision,
    Failed,
    Finished,
    TrialSource,
)
from tests.benchmarks.conftest import made_table, made_up, run_of

TUNED = 5e-5


@pytest.fixture(scope="module")
def part(every_point):
    """Five seeds of a part of the points: its references, and every twentieth of the others.

    A seed adds its number in hundredths to each metric, and full fine-tuning is much better at
    another rate than the default.
    """
    problem, task, every = every_point

    def curve(point, seed):
        rate = point.candidate.run.training.learning_rate
        tuned = 0.1 if (point.baseline, rate) == ("full", TUNED) else 0.0
        last = 0.6 + 0.2 * point.candidate.costs.updated_parameters + tuned + seed / 100
        return [last - 0.1, last - 0.05, last]

    some = [point for n, point in enumerate(every) if point.baseline or n % 20 == 0]
    return made_table((problem, task, some), range(5), curve)


def reference(table, name, rate):
    return next(e for e in table.entries if (e.baseline, e.learning_rate) == (name, rate))


def judge_of(table, seen, unseen):
    from tabular.judge import Judge, noise_of

    return Judge(table, seen, unseen, noise_of(table))


def test_each_part_of_the_seeds_is_seen_in_each_order(part):
    from tabular.judge import judges

    found = judges(part)
    assert len(found) == len({(judge.seen, judge.unseen) for judge in found}) == 30
    assert all(len(judge.seen) == 3 and len(judge.unseen) == 2 for judge in found)
    assert all({*judge.seen, *judge.unseen} == set(range(5)) for judge in found)
    assert Counter(judge.seen[0] for judge in found) == dict.fromkeys(range(5), 6)


def test_one_seed_is_too_few(every_point):
    from tabular.judge import judges

    problem, task, every = every_point
    with pytest.raises(StudyError, match="one seed"):
        judges(made_table((problem, task, every[:3]), [0]))


def test_a_verdict_compares_with_the_mean_over_unseen_seeds(part):
    from tabular.answer import Answer, Printed

    judge = judge_of(part, (0, 1, 2), (3, 4))
    last, full = reference(part, "last-quarter", 2e-4), reference(part, "full", 2e-4)
    best = reference(part, "full", TUNED)
    # The unseen seeds are in the mean 0.035 above seed 0.
    printed = [Printed(e, e.values(0)[0]) for e in (best, full, last)]
    answer = Answer((printed[0], printed[2]), printed[0], printed[2], printed[1])
    verdict = judge.of(answer)
    assert verdict.optimism_front == pytest.approx(-3.5)
    assert verdict.optimism_best == verdict.optimism_knee == pytest.approx(-3.5)
    # Printed against a full fine-tuning that is 10 points worse than it can be.
    assert verdict.to_full == verdict.to_full_off == verdict.to_full_most == pytest.approx(10)
    assert verdict.to_full_best == pytest.approx(10)
    assert verdict.coverage is None
    assert verdict.volume == pytest.approx(judge.volume([best, last]))
    assert judge.volume(part.entries) == judge.volume_if_all_are_trained == pytest.approx(1.0)
    assert judge.of(Answer(())).volume == 0.0
    assert judge.of(Answer(())).optimism_best is None


def test_an_interval_covers_up_to_the_error_of_both_sides(part):
    from tabular.answer import Answer, Printed

    judge = judge_of(part, (0, 1, 2), (3, 4))
    entry = reference(part, "last-quarter", 2e-4)
    # Seeds 0 to 4 in hundredths have a variance of 2.5, so the mean of two has 1.25.
    assert judge.noise[2e-4] == pytest.approx(2.5e-4)
    true = judge.true(entry)
    for error, off, covered in ((0.0, 0.0218, 1), (0.0, 0.0222, 0), (0.02, 0.044, 1)):
        answer = Answer((Printed(entry, true + off, error),))
        assert judge.of(answer).coverage == covered
    both = Answer((Printed(entry, true, 0.0), Printed(entry, true + 0.1, 0.0)))
    assert judge.of(both).coverage == 0.5


def test_a_search_is_followed_to_its_budget_and_to_the_target(part):
    from tabular.answer import Answer, Printed
    from tabular.judge import Target, follow
    from tabular.strategies import Event

    judge = judge_of(part, (0, 1, 2), (3, 4))
    # Each is better than the one before, and so adds to the volume.
    distinct = {entry.updated_parameters: entry for entry in part.default if not entry.baseline}
    entries = [distinct[share] for share in sorted(distinct)[:4]]

    def search(table, seen, seed):
        assert (table, seen, seed) == (part, (0, 1, 2), 7)
        for number, entry in enumerate(itertools.cycle(entries), 1):
            front = tuple(Printed(e, e.values(0)[0]) for e in entries[:number])
            answer = functools.partial(Answer, front)
            yield Event(10 * number, number, number, entry, answer, number == 3)

    three, most = judge.volume(entries[:3]), judge.volume(entries)
    found = follow(search, judge, 7, Target(three, 1000.0, 0.0))
    assert (found.end.steps, found.reached.steps) == (30, 30)
    assert found.verdict.volume == pytest.approx(three)
    later = follow(search, judge, 7, Target(most, 1000.0, 0.0))
    assert (later.end.steps, later.reached.steps) == (30, 40)
    assert later.verdict == found.verdict
    never = follow(search, judge, 7, Target(most + 0.1, 60.0, 0.0))
    assert (never.end.steps, never.reached) == (30, None)
    assert follow(search, judge, 7, None).end.steps == 30


def test_a_user_keeps_the_best_by_one_seed(part):
    from tabular.strategies import Event, as_a_user

    cheap = min(part.entries, key=lambda entry: entry.updated_parameters)
    best = max(part.entries, key=lambda entry: entry.values(2)[0])

    def search(table, seen, seed):
        for number, entry in enumerate((cheap, best), 1):
            yield Event(number, number, number, entry)

    events = list(as_a_user(search, 1)(part, (2, 0, 1), 0))
    assert [event.ended for event in events] == [False] * 4 + [True] * 2
    answer = events[-1].answer()
    assert answer.best == answer.front[0]
    assert (answer.best.entry, answer.best.metric) == (best, best.values(2)[0])
    assert answer.front[-1].entry.updated_parameters == cheap.updated_parameters
    assert answer.full.entry is reference(part, "full", part.problem.learning_rate)
    assert best not in [printed.entry for printed in events[-2].answer().front]


def test_a_search_of_ours_answers_as_its_report_and_is_resumed(table, monkeypatch):
    from tabular import own

    reports = []

    def kept(study):
        reports.append(study_report(study))
        return reports[-1]

    monkeypatch.setattr(own, "study_report", kept)
    events = []
    for event in own.Progsearch(candidates=1, scheduler="none", budget=5)(table, (1, 0), 3):
        events.append(event)
        if event.ended:
            end, answer = event, event.answer()
        if sum(e.ended for e in events) and event.trials >= end.trials + 3:
            break
    ended = [n for n, event in enumerate(events) if event.ended]
    assert len(ended) == 1
    before = {e.entry for e in events[: ended[0]] if e.entry and not e.entry.baseline}
    after = {e.entry for e in events[ended[0] :] if e.entry and not e.entry.baseline}
    assert len(before) == 5, "five trials beside the references, and then it is resumed"
    assert len(after) == 3
    assert not before & after
    (report,) = reports
    assert [printed.metric for printed in answer.front] == [t.values[0] for t in report.front]
    assert [printed.error for printed in answer.front] == [t.estimate.error for t in report.front]
    assert [p.entry for p in answer.front] == [table.of_run(t.run) for t in report.front]
    assert answer.front[0] == answer.best
    assert answer.knee in answer.front
    assert answer.full.entry.baseline == "full"
    assert answer.full.metric == report.full.values[0]
    # Drawn together by what is known of all, but no further than the spread of the seeds.
    assert all(p.metric == pytest.approx(p.entry.values(0, 1)[0], abs=0.02) for p in answer.front)
    full = [e.entry for e in events[: ended[0]] if e.entry and e.entry.baseline == "full"]
    assert full.count(answer.full.entry) == 2, "it was trained with both seeds"
    # An epoch of full fine-tuning is the first.
    assert events[-1].flops > events[0].flops == answer.full.entry.segment_flops[0]


def test_a_run_with_another_seed_is_another_of_the_seeds_seen(part, every_point):
    from tabular.own import _Replay

    run = next(p.candidate.run for p in every_point[2] if p.baseline == "full")
    entry, told = part.of_run(run), []

    class Source(TrialSource):
        def next(self):
            return WAIT

        def report(self, assignment, progress):
            return Decision.CONTINUE

        def ended(self, assignment, how):
            told.append(how)

    replay = _Replay(part, (4, 2), reuse=True)
    for number in (0, 1, 2, 0):
        replay.train(Assignment(number, with_seed(run, number)), Source())
    metrics = [how.record.metrics for how in told if isinstance(how, Finished)]
    assert metrics == [{"accuracy": entry.curve[seed][-1]} for seed in (4, 2, 4)]
    assert isinstance(told[2], Failed), "the search may see no third seed"
    assert replay.missing == 1
    assert replay.steps == 2 * entry.steps, "a repeat is trained, the same run is not"
    assert replay.flops == pytest.approx(2 * entry.flops)


def test_what_the_table_does_not_hold_fails(every_point):
    from tabular.make import row_of
    from tabular.own import Progsearch
    from tabular.points import space_of
    from tabular.table import Table

    problem, task, every = every_point
    rows = []
    for point in every:
        if point.baseline == "last-quarter":
            continue
        run = run_of(point, 0, made_up(point, 0))
        if point.baseline == "full":
            run = run_of(point, 0, [0.5], reason="the loss is not finite at step 20")
        rows.append(row_of(point, run))
    found = Table(rows, problem, task, space_of())
    events = []
    for event in Progsearch(candidates=1, scheduler="none", budget=2)(found, (0,), 0):
        events.append(event)
        if event.ended:
            break
    # At one rate; full fine-tuning failed at all rates, and so at three far lower ones, too.
    assert events[-1].missing == 1 + 3
    finished = {event.entry.baseline for event in events if event.entry}
    assert finished == {"head-only", "progtuning-3", None}
    answer = events[-1].answer()
    assert answer.full is None
    assert len(answer.front) >= 1
    # Nothing is trained of what is not there.
    steps = [0, *(event.steps for event in events)]
    silent = [n for n, event in enumerate(events[1:], 1) if event.missing > events[n - 1].missing]
    assert all(steps[n] == steps[n + 1] for n in silent)
    assert len(silent) == 4


def test_rows_with_intervals_and_what_is_not_in_the_table(every_point, monkeypatch):
    from tabular.judge import judges
    from truth import Truth, markdown, of_table

    problem, task, every = every_point

    def by_chance(point, seed):
        chance = zlib.crc32(f"{point.candidate.key} {seed}".encode()) / 2**32
        return [0.6, 0.7, 0.7 + 0.1 * chance]

    default = [point for point in every if point.family == "default"]
    table = made_table((problem, task, default), (0, 1), by_chance)
    monkeypatch.setattr("truth._RANDOM_REPEATS", 4)
    truth = Truth(judges(table), repeats=3, budget=2, parallel=1)
    found = of_table("bbc-headlines", table, ["random", "with rotate"], truth)
    assert found["rows"]["with rotate"] is None
    assert found["random"]["cost_steps"] == 54
    assert 0 < found["if_all_are_trained"] <= 1
    row = found["rows"]["random"]
    assert row["cost_steps"] == {"mean": 6.0, "low": 6.0, "high": 6.0}
    assert row["cost_flops"]["mean"] < 6.0
    assert row["coverage"] is None
    assert row["missing_runs"] == 0
    assert row["volume"]["low"] <= row["volume"]["mean"] <= row["volume"]["high"] <= 1
    assert row["to_full_most"] >= row["to_full_off"]["mean"] >= abs(row["to_full"]["mean"])
    lines = markdown({"tasks": {"bbc-headlines": found}}).splitlines()
    assert len(lines) == 4
    assert lines[-1] == "| bbc-headlines | with rotate | not in the table |"
