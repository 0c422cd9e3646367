"""The making of `benchmarks/tabular`'s tables, without training."""

import itertools
import math
import time

import pytest

from progsearch.errors import StudyError, TrialFailed
from tests.benchmarks.conftest import made_up, run_of


@pytest.fixture
def runs(tmp_path, every_point):
    """A file of runs that was begun, with none in it."""
    from tabular.runs import RunsFile

    problem, task, _ = every_point
    found = RunsFile(tmp_path / "runs.jsonl")
    found.begin(task, lambda _: problem)
    return found


def test_every_schedule_is_trained_at_every_rate(every_point):
    from tabular.points import RATES, REFERENCE_RATES, SCHEDULES

    _, _, every = every_point
    rates = {}
    for point in every:
        made = point.candidate
        key = (point.family, made.schedule.key(), point.rescored_by)
        rates.setdefault(key, []).append(made.run.training.learning_rate)
    assert len(every) == len({point.candidate.key for point in every})
    names = {(p.baseline, p.candidate.run.training.learning_rate) for p in every if p.baseline}
    references = ("full", "progtuning-3", "last-quarter", "head-only")
    assert names == {(name, rate) for name in references for rate in REFERENCE_RATES}
    for family, count in SCHEDULES.items():
        of_family = [sorted(found) for key, found in rates.items() if key[0] == family]
        known = [found for found in of_family if set(RATES) <= set(found)]
        assert count <= len(of_family) == len(known) <= count + len(references)


def test_what_the_default_leaves_out_is_another_training(every_point):
    _, _, every = every_point
    rescored = [point for point in every if point.family == "rescore"]
    assert all(point.rescored_by for point in rescored)
    assert not any(point.rescored_by for point in every if point.family != "rescore")
    # A block that was frozen thaws again, which no schedule of the default does.
    thaws = {point.family for point in every if _thaws(point.candidate.schedule)}
    assert thaws == {"rotate"}


def _thaws(schedule):
    stages = [set(stage.trainable_blocks) for stage in schedule.stages]
    return any(not set(later) <= set(stage) for stage, later in itertools.pairwise(stages))


def test_each_point_is_found_by_its_run(every_point, table):
    _, _, every = every_point
    found = [table.of_run(point.candidate.run) for point in every]
    assert len({id(entry) for entry in found}) == len(every) == len(table.entries)
    for point, entry in zip(every, found, strict=True):
        assert entry.segments == point.candidate.segments
        assert entry.segment_flops == pytest.approx(point.candidate.segment_flops)


def test_groups_share_the_first_epoch_and_the_largest_comes_first(every_point):
    from tabular.points import groups

    found = groups(every_point[2])
    sizes = [len(group) for group in found]
    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) == len(every_point[2])
    firsts = [{point.candidate.segments[0][1] for point in group} for group in found]
    assert all(len(first) == 1 for first in firsts)
    assert len(set().union(*firsts)) == len(found)


def test_finished_runs_are_not_trained_again(runs, every_point, tmp_path):
    from tabular.make import jobs

    every = every_point[2][:40]
    runs.add(run_of(every[0], 0, made_up(every[0], 0)))
    with runs.path.open("a") as file:
        file.write('\n{"key": "torn')
    runs.add(run_of(every[1], 1, made_up(every[1], 1)))
    todo = list(jobs(every, (0, 1), runs, tmp_path, math.inf))
    seeds = [job.seed for job in todo]
    assert seeds == sorted(seeds), "all points with one seed before the next"
    left = {(point.candidate.key, job.seed) for job in todo for point in job.points}
    every_run = {(point.candidate.key, seed) for point in every for seed in (0, 1)}
    assert left == every_run - {(every[0].candidate.key, 0), (every[1].candidate.key, 1)}


def test_no_run_starts_after_the_deadline(runs, every_point, tmp_path, monkeypatch, capsys):
    from tabular import make

    def trained(made, seed, folder):
        assert folder.is_dir()
        time.sleep(0.02)
        point = next(p for p in every_point[2] if p.candidate is made)
        return run_of(point, seed, made_up(point, seed))

    def finished_by(deadline):
        todo = list(make.jobs(every_point[2][:20], (0, 1), runs, tmp_path, deadline))
        make.run_jobs(todo, 1)
        return len(runs.read())

    monkeypatch.setattr(make, "train", trained)
    assert finished_by(0.0) == 0
    assert 0 < finished_by(time.time() + 0.2) < 20
    assert finished_by(math.inf) == 40
    assert "40 runs to train" in capsys.readouterr().out


def test_a_run_that_fails_is_kept_with_its_reason(every_point, monkeypatch, tmp_path):
    from tabular import make

    class Run:
        def __init__(self, config):
            self.task = type("Task", (), {"metric": "pearson"})
            assert config.training.seed == 3

        @classmethod
        def from_config(cls, config, *, store):
            return cls(config)

        def records(self):
            metrics = {"pearson": 0.5, "spearman": 0.4}
            yield type("Record", (), {"metrics": metrics, "seconds": 2.0, "constant": True})
            raise TrialFailed("the loss is not finite at step 99")

    monkeypatch.setattr("progsearch.training.TrainingRun", Run)
    point = every_point[2][0]
    run = make.train(point.candidate, 3, tmp_path)
    assert run == {
        "key": point.candidate.key,
        "seed": 3,
        "curve": [0.5],
        "constant": [True],
        "seconds": [2.0],
        "metrics": {"pearson": 0.5, "spearman": 0.4},
        "reason": "the loss is not finite at step 99",
    }


def test_a_table_holds_the_seeds_that_are_whole(runs, every_point, tmp_path, monkeypatch):
    from tabular import make, table

    problem, task, _ = every_point
    every = every_point[2][:5]
    assert make.write_table(every, runs, tmp_path) == []
    assert not (tmp_path / "bbc-headlines.parquet").exists()
    for point in every[:4]:
        for seed in (0, 1):
            runs.add(run_of(point, seed, made_up(point, seed)))
    runs.add(run_of(every[4], 1, [0.6], reason="the loss is not finite at step 50"))
    assert make.write_table(every, runs, tmp_path) == [1]
    monkeypatch.setattr(table, "FOLDER", tmp_path)
    found = table.Table.load("bbc-headlines")
    assert found.seeds == [1]
    assert found.problem == problem
    assert found.task == task
    assert {"engine", "commit", "libraries"} <= found.about.keys()
    entry = found.of_run(every[0].candidate.run)
    assert entry.curve == {1: tuple(made_up(every[0], 1))}
    assert entry.metrics == {1: {"accuracy": entry.curve[1][-1]}}
    assert not entry.failures
    failed = found.of_run(every[4].candidate.run)
    assert failed.curve == {1: (0.6, problem.majority, problem.majority)}
    assert failed.failures == {1: table.Failure(1, "the loss is not finite at step 50")}


def test_runs_of_two_engines_do_not_meet(runs, every_point, monkeypatch):
    problem, task, _ = every_point
    runs.begin(task.model_copy(update={"data_dir": "elsewhere"}), None)
    assert runs.problem == problem
    with pytest.raises(StudyError, match=r"begun with task .*: give another file with --runs"):
        runs.begin(task.model_copy(update={"name": "mrpc"}), None)
    monkeypatch.setattr("tabular.runs.ENGINE_VERSION", 1_000)
    with pytest.raises(StudyError, match="begun with engine .* and this is 1000"):
        runs.begin(task, None)


def test_without_a_run_there_is_no_table(tmp_path):
    from tabular.runs import RunsFile

    with pytest.raises(StudyError, match="train first, without --write"):
        RunsFile(tmp_path / "runs.jsonl").about()


def test_the_older_tables_are_read():
    from tabular.table import Table

    found = Table.load("bbc-headlines")
    assert found.seeds == [0, 1]
    assert len(found.entries) == len(found.default) == 666
    assert len(found.baselines) == 4
    # Named at one rate in the file, and trained at others as points of the space.
    rates = [entry.learning_rate for entry in found.entries if entry.baseline == "full"]
    assert sorted(rates) == [1e-4, 2e-4, 4e-4]
    full = next(entry for entry in found.baselines if entry.baseline == "full")
    assert full.flops == pytest.approx(max(entry.flops for entry in found.entries))
    assert full.segment_flops == pytest.approx([full.flops / 3] * 3)
    assert Table.load("sst2").seeds == [0]
