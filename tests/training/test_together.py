"""Runs that several processes train: results, stored steps, and what fails."""

import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest
import torch

from progsearch.config import ContributionConfig, with_seed
from progsearch.errors import ModelError, RankLost
from progsearch.schedule import Schedule, Stage
from progsearch.store import Store
from progsearch.training import SeedMean, TrainingRun, follow
from tests.support.ranks import crew
from tests.support.runs import config_of, finish, weights
from tests.support.tiny import save_tiny
from tests.support.types import that_matter

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pair():
    with crew(2) as processes:
        yield processes


@pytest.fixture(scope="module")
def still(files):
    """A model without dropout, and the task."""
    model, task = files
    folder = Path(model).parent / "still"
    save_tiny(folder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    return str(folder), task


def config(files, method="full", schedule=None, **training):
    """Seven rows in a micro-batch, so that the last step of an epoch has fewer."""
    settings = {"batch_size": 7, "gradient_accumulation": 2, "learning_rate": 1e-3}
    return config_of(files, schedule, method, **settings | training)


def run_of(given, **settings):
    """The records, the result and the weights of a run, and the steps that it trained."""
    with TrainingRun.from_config(given, **settings) as run:
        records, result = finish(run)
        run.catch_up() if result.spent.steps_trained else None
    found = that_matter("sequence", weights(run.model))
    return [record.metrics for record in records], result, found


def together(ranks, given, folder=None):
    """What rank 0 finds; each process ends with an open group."""
    if ranks.rank:
        follow(ranks)
        return ranks.is_open
    try:
        return run_of(given, ranks=ranks, store=folder and Store(folder))
    finally:
        ranks.dismiss()


def difference(ours, theirs):
    return max(float((ours[name] - theirs[name]).abs().max()) for name in theirs)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_two_processes_have_the_results_of_one(pair, still, method):
    given = config(still, method)
    (metrics, result, found), follower = pair(together, given)
    alone, expected, model = run_of(given)
    assert follower is True
    assert metrics == [pytest.approx(m, abs=1e-5) for m in alone]
    assert result.metrics == pytest.approx(expected.metrics, abs=1e-5)
    assert result.spent.steps_trained == expected.spent.steps_trained
    assert result.spent.peak_memory > 2**20
    assert difference(found, model) < 1e-5


def test_the_same_group_gives_the_same_bits_again(pair, files):
    # With dropout.
    (_, _, first), _ = pair(together, config(files))
    (_, _, again), _ = pair(together, config(files))
    assert difference(first, again) == 0


# -- stored steps ------------------------------------------------------------------------------


def interrupted(ranks, given, folder, records):
    """Train up to a number of records, with the store; then leave."""
    if ranks is not None and ranks.rank:
        return follow(ranks)
    run = TrainingRun.from_config(given, ranks=ranks, store=Store(folder))
    made = run.records()
    for _ in range(records):
        next(made)
    spent = run.spent()
    if ranks is not None:
        ranks.dismiss()
    return spent.steps_trained


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("first", [1, 2])
def test_a_run_goes_on_with_another_number_of_processes(pair, still, tmp_path, method, first):
    given = config(still, method)
    if first == 1:
        steps = interrupted(None, given, tmp_path, 2)
        again = pair(together, given, tmp_path), pair(together, given, tmp_path)
        (metrics, result, found), (_, known, _) = again[0][0], again[1][0]
    else:
        steps, _ = pair(interrupted, given, tmp_path, 2)
        metrics, result, found = run_of(given, store=Store(tmp_path))
        _, known, _ = run_of(given, store=Store(tmp_path))
    alone, _, model = run_of(given)
    assert steps > 0
    total = TrainingRun.from_config(given).total_steps
    assert result.spent.steps_trained == total - steps
    assert metrics == [pytest.approx(m, abs=1e-5) for m in alone]
    assert difference(found, model) < 1e-5
    # What it made itself is stored after what the others made.
    assert known.spent.steps_trained == 0


def test_steps_of_two_processes_have_keys_of_their_own(pair, still, tmp_path):
    given = config(still)
    ends = TrainingRun.from_config(given)._plan.ends()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    pair(together, given, tmp_path / "two")
    run_of(given, store=Store(tmp_path / "one"))
    two, one = ({path.name for path in (tmp_path / n).rglob("*.json")} for n in ("two", "one"))
    assert not one & two
    assert len(two) >= len(ends)


def test_a_lost_step_of_others_is_not_stored_as_theirs(pair, still, tmp_path):
    given = config(still)
    interrupted(None, given, tmp_path, 2)
    lineage = TrainingRun.from_config(given)._chain._lineage
    ends = lineage.plan.ends()
    key = lineage.key(ends[1])
    before = Store(tmp_path).load(key)

    (steps, metrics), _ = pair(lose_and_train, given, tmp_path, key)
    assert steps == lineage.plan.total_steps - ends[0]
    assert metrics == [pytest.approx(m, abs=1e-5) for m in run_of(given)[0]]
    assert before is not None
    assert Store(tmp_path).get(key) is None


def lose_and_train(ranks, given, folder, key):
    """The store loses a segment of others after the run has found that it had it."""
    if ranks.rank:
        return follow(ranks)
    run = TrainingRun.from_config(given, ranks=ranks, store=Store(folder))
    Store(folder).remove(key)
    metrics = [record.metrics for record in run.records()]
    ranks.dismiss()
    return run.spent().steps_trained, metrics


# -- several runs, blocks that are chosen ------------------------------------------------------


def mean_of_seeds(ranks, given):
    if ranks is not None and ranks.rank:
        return follow(ranks)
    runs = [TrainingRun.from_config(with_seed(given, seed), ranks=ranks) for seed in (0, 1)]
    run = SeedMean(runs)
    metrics = [record.metrics for record in run.records()]
    run.finish()
    if ranks is not None:
        ranks.dismiss()
    return metrics


def test_runs_of_several_seeds_take_turns(pair, still):
    given = config(still)
    found, _ = pair(mean_of_seeds, given)
    assert found == [pytest.approx(m, abs=1e-5) for m in mean_of_seeds(None, given)]


def test_blocks_are_chosen_by_the_first_process(pair, still):
    contribution = ContributionConfig(metric="taylor", scores=(1.0, 2.0, 3.0), rescore=True)
    planned = Schedule(
        3, (Stage(0.0, 0.5, (0, 1, 2), embeddings=True), Stage(0.5, 1.0, (0,), embeddings=False))
    )
    given = config(still, schedule=planned).model_copy(update={"contribution": contribution})
    (_, result, found), _ = pair(together, given)
    _, expected, model = run_of(given)
    assert result.chosen.schedule == expected.chosen.schedule
    assert result.chosen.schedule != planned.to_dicts()
    assert difference(found, model) < 1e-5


# -- failures ----------------------------------------------------------------------------------


def refused(ranks, given):
    if ranks.rank:
        follow(ranks)
        return ranks.is_open
    try:
        TrainingRun.from_config(given, ranks=ranks)
    except Exception as error:
        return error
    finally:
        ranks.dismiss()


def test_what_cannot_be_loaded_is_refused_as_in_one_process(pair, still, tmp_path):
    _, task = still
    missing = str(tmp_path / "none")
    error, follower = pair(refused, config((missing, task)))
    with pytest.raises(ModelError) as alone:
        TrainingRun.from_config(config((missing, task)))
    assert (type(error), str(error)) == (ModelError, str(alone.value))
    assert follower is True


def diverge(ranks, given):
    if ranks.rank:
        follow(ranks)
        return ranks.is_open
    run = TrainingRun.from_config(given, ranks=ranks)
    with torch.no_grad():
        next(run.model.parameters()).fill_(float("nan"))
    try:
        finish(run)
    except Exception as error:
        return str(error), ranks.is_open
    finally:
        ranks.dismiss()


def test_a_run_that_diverges_leaves_the_group_whole(pair, still):
    (text, is_open), follower = pair(diverge, config(still))
    assert "the loss is not finite at step" in text
    assert is_open
    assert follower is True
    assert pair(together, config(still))[1] is True


def lead_until_killed(ranks, given, victim):
    if ranks.rank:
        if victim == ranks.rank:
            kill_later(ranks)
        try:
            follow(ranks)
        except RankLost as error:
            return time.time(), str(error)
        return None
    run = TrainingRun.from_config(given, ranks=ranks)
    if victim == 0:
        run.watch(partial(kill_after, 5))
    try:
        for _ in run.records():
            pass
    except RankLost as error:
        return time.time(), str(error)


def kill_after(last, step):
    if step == last:
        os.kill(os.getpid(), signal.SIGKILL)


def kill_later(ranks):
    """Kill this process in its fifth sum of gradients."""
    sums, own = [], ranks.sum_gradients

    def counted(parameters):
        sums.append(0)
        if len(sums) == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        own(parameters)

    ranks.sum_gradients = counted


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_process_ends_the_run_of_the_other(still, victim):
    with crew(2) as processes:
        processes.begin(lead_until_killed, config(still, epochs=9), victim)
        processes.processes[victim].join(60)
        killed = time.time()
        ended, text = processes.result(1 - victim)
        assert ended - killed < 5
        assert "a process that trains the same trial is gone" in text


def stop_midway(ranks, given):
    """Rank 0 is interrupted in a step, as by Ctrl-C."""
    if ranks.rank:
        try:
            follow(ranks)
        except RankLost as error:
            return str(error)
        return None

    def stop(step):
        if step == 3:
            raise KeyboardInterrupt

    try:
        with TrainingRun.from_config(given, ranks=ranks) as run:
            run.watch(stop)
            finish(run)
    except KeyboardInterrupt:
        return ranks.is_open


def test_an_interrupted_leader_ends_its_followers(still):
    with crew(2) as processes:
        is_open, text = processes(stop_midway, config(still))
        assert is_open is False
        assert "a process that trains the same trial is gone" in text


def stop_between(ranks, given):
    """A trial that is stopped is dropped between two records, and the next one begins."""
    if ranks.rank:
        follow(ranks)
        return torch.get_num_threads()
    run = TrainingRun.from_config(given, ranks=ranks)
    next(run.records())
    ranks.dismiss()


def test_a_stopped_trial_frees_the_group_for_the_next(pair, still):
    pair(stop_between, config(still))
    assert pair(together, config(still))[1] is True
