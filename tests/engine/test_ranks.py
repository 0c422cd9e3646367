"""Several processes train the weights that one does, and none waits for one that is gone."""

import os
import signal
import time
from datetime import timedelta

import numpy as np
import psutil
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from progsearch.engine.batches import Batch, part_of_step, shares
from progsearch.engine.meeting import Meeting
from progsearch.engine.ranks import Ranks
from progsearch.errors import MachineFailed, OutOfMemory, RankLost, TrialFailed
from progsearch.tasks.split import IGNORED
from tests.support.ranks import crew
from tests.support.runs import three_stages, tiny_engine, weights
from tests.support.schedules import schedules
from tests.support.types import CASES, model_of, split_of, that_matter


@pytest.fixture(scope="module")
def pair():
    with crew(2) as processes:
        yield processes


# Numbers whose rounding Adam would enlarge: it divides by the size of the gradient.
SETTINGS = {"epochs": 2, "learning_rate": 1e-3}


def engine_of(ranks, kind, name, schedule, **settings):
    split = split_of(kind, settings.pop("rows", 22))
    return tiny_engine(
        schedule,
        model_of(kind, name),
        split=split,
        rows=kind != "causal-lm",
        ranks=ranks,
        **SETTINGS | settings,
    )


def train(ranks, kind, name, schedule, settings):
    engine, model = engine_of(ranks, kind, name, schedule, **settings)
    engine.advance(engine.total_steps)
    engine.finish()
    return that_matter(kind, weights(model))


def difference(ours, theirs):
    return max(float((ours[name] - theirs[name]).abs().max()) for name in theirs)


def assert_as_alone(pair, kind, name, schedule, **settings):
    found = pair(train, kind, name, schedule, settings)
    alone = train(None, kind, name, schedule, settings)
    assert difference(found[0], found[1]) == 0
    assert difference(found[0], alone) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), CASES)
@pytest.mark.parametrize("method", ["full", "lora"])
def test_two_ranks_train_the_weights_of_one(pair, kind, name, method):
    # The last batch has 2 rows in two micro-batches.
    settings = {"method": method, "batch_size": 4, "gradient_accumulation": 2}
    assert_as_alone(pair, kind, name, three_stages(3), **settings)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sequence", "tokens", "causal-lm"])
def test_ranks_without_rows_add_nothing(kind):
    # Steps of two rows and, at the end of an epoch, of one.
    settings = {"batch_size": 2, "rows": 7}
    with crew(3) as processes:
        name = "llama" if kind == "causal-lm" else "bert"
        assert_as_alone(processes, kind, name, three_stages(3), **settings)


@pytest.mark.slow
@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    schedules(6),
    st.sampled_from(CASES),
    st.sampled_from(["full", "lora", "adapter"]),
    st.integers(1, 5),
    st.integers(1, 3),
    st.booleans(),
)
def test_any_schedule_gives_the_weights_of_one(pair, schedule, case, method, size, steps, cache):
    kind, name = case
    assert_as_alone(
        pair,
        kind,
        name,
        schedule,
        method=method,
        batch_size=size,
        gradient_accumulation=steps,
        prefix_cache=cache,
    )


def train_with_dropout(ranks):
    """The weights, and a random number after each step."""
    engine, model = tiny_engine(three_stages(4), ranks=ranks)
    drawn = []
    engine.on_step = lambda step: drawn.append(float(torch.rand(())))
    engine.advance(engine.total_steps)
    return weights(model), drawn


@pytest.mark.slow
def test_ranks_have_other_dropout_and_repeat_it(pair):
    (first, of_leader), (second, of_follower) = pair(train_with_dropout)
    assert difference(first, second) == 0
    # The rows of all batches are equally many, so it is the seeds that differ.
    assert not set(of_leader) & set(of_follower)
    (again, drawn), _ = pair(train_with_dropout)
    assert difference(first, again) == 0
    assert drawn == of_leader


# -- the rows of a process ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sequence", "tokens"])
@pytest.mark.parametrize("size", [2, 3, 5])
def test_processes_share_the_rows_of_a_step(kind, size):
    split = split_of(kind)
    step = [Batch.of(split, np.arange(4)), Batch.of(split, np.arange(4, 9))]
    parts = [part_of_step(step, rank, size) for rank in range(size)]
    for place, batch in enumerate(step):
        own = [part[place] for part in parts if part[place].share]
        rows = np.concatenate([part.indices for part in own])
        assert sorted(rows) == sorted(batch.indices)
        assert {part.width for part in own} == {batch.width}
    shares_of_all = [batch.share for part in parts for batch in part]
    assert sum(shares_of_all) == pytest.approx(1)
    units = sum(batch.units for batch in step)
    assert all(b.share in (0, b.units / units) for part in parts for b in part)


def test_a_process_without_targets_computes_a_row_that_has_some():
    split = split_of("tokens")
    first = split.lengths[0]
    split.targets["labels"][:first] = IGNORED
    split.units[0] = 0
    (batch,) = part_of_step([Batch.of(split, np.array([0, 1]))], 0, 2)
    assert batch.indices.tolist() == [1]
    assert batch.share == 0
    (batch,) = part_of_step([Batch.of(split, np.array([0, 1]))], 1, 2)
    assert shares([batch], [torch.tensor([1])]) == [1.0]


# -- failures ----------------------------------------------------------------------------------


@pytest.fixture
def group():
    ranks = Ranks.join(0, 1, Meeting(), device="cpu")
    yield ranks
    ranks.close()


def test_a_meeting_is_held_in_no_other_network():
    meeting = Meeting()
    port = int(meeting.address.rpartition(":")[2])
    found = psutil.Process().net_connections("tcp")
    assert {place.laddr for place in found if place.laddr.port == port and not place.raddr} == {
        ("127.0.0.1", port)
    }


def test_a_rank_that_never_joins_is_lost(monkeypatch):
    monkeypatch.setattr("progsearch.engine.meeting._JOIN", timedelta(seconds=0.2))
    with pytest.raises(RankLost, match="a process that trains the same trial is gone"):
        Ranks.join(0, 2, Meeting(), device="cpu")


def fail(error):
    raise error


def test_what_fails_is_raised_where_all_meet(group):
    parameter = torch.nn.Parameter(torch.zeros(3))
    parameter.grad = torch.ones(3)
    error = ValueError("no")
    with pytest.raises(ValueError) as raised, group.lockstep():
        group.attempt(fail, error)
        group.attempt(fail, ValueError("later"))
        group.sum_gradients([parameter])
        group.meet()
    assert raised.value is error
    assert group.is_open
    # The next work begins without it.
    assert group.attempt(len, "abc") == 3
    assert group.meet(7) == 7


def test_one_that_leaves_midway_ends_the_group(group):
    with pytest.raises(KeyboardInterrupt), group.lockstep():
        raise KeyboardInterrupt
    assert not group.is_open
    group.dismiss()
    with pytest.raises(RankLost, match="ended"):
        group.send("a command")


def train_and_fail(ranks, fault):
    """Rank 1 fails as ``fault`` says in step 9; returns what each rank raised."""
    engine, model = engine_of(ranks, "sequence", "bert", three_stages(3), batch_size=4)

    def hook(*args):
        if ranks.rank == 1 and engine.step == 9:
            if fault == "nan":
                return torch.full((), torch.nan)
            raise {"memory": torch.OutOfMemoryError, "bug": KeyError}[fault]("fault")
        return None

    model.register_forward_pre_hook(hook) if fault != "nan" else poison(model, engine, ranks)
    try:
        engine.advance(engine.total_steps)
    except Exception as error:
        spoilt = any(bool(p.isnan().any()) for p in model.parameters())
        return type(error), str(error), ranks.is_open, spoilt
    return None


def poison(model, engine, ranks):
    """The loss of the rows of rank 1 in step 9 is not a number."""

    def hook(module, args, output):
        if ranks.rank == 1 and engine.step == 9:
            output["loss"] = output["loss"] * torch.nan
        return output

    model.register_forward_hook(hook)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "kind", "text"),
    [
        ("memory", OutOfMemory, "out of memory: OutOfMemoryError in process 1: fault"),
        ("bug", RuntimeError, "KeyError in process 1: 'fault'"),
        ("nan", TrialFailed, "the loss is not finite at step"),
    ],
)
def test_what_fails_in_one_rank_is_raised_in_all(pair, fault, kind, text):
    leader, follower = pair(train_and_fail, fault)
    assert issubclass(leader[0], kind)
    assert text in leader[1]
    assert follower is not None
    # What was left of the step is no weight that anything could go on with.
    assert leader[3]
    # The group trains the next run.
    assert leader[2] and follower[2]
    assert_as_alone(pair, "sequence", "bert", three_stages(3))


def disagree(ranks):
    with ranks.lockstep():
        try:
            ranks.agree(f"{ranks.rank}")
        except MachineFailed as error:
            return str(error)


@pytest.mark.slow
def test_machines_that_differ_are_refused(pair):
    found = pair(disagree)
    assert all("other files, versions of packages or processors" in text for text in found)


# -- processes that die ------------------------------------------------------------------------


def train_until_killed(ranks, victim, step):
    engine, _ = engine_of(ranks, "sequence", "bert", three_stages(3), batch_size=4, epochs=20)

    def kill(made):
        if made == step and ranks.rank == victim:
            os.kill(os.getpid(), signal.SIGKILL)

    engine.on_step = kill
    try:
        engine.advance(engine.total_steps)
    except RankLost as error:
        return time.time(), str(error), ranks.is_open
    return None


@pytest.mark.slow
@pytest.mark.parametrize(("size", "victim"), [(2, 1), (2, 0), (4, 2)])
def test_a_killed_rank_ends_the_others(size, victim):
    with crew(size) as processes:
        processes.begin(train_until_killed, victim, 5)
        killed = time.time()
        processes.processes[victim].join(30)
        for rank in range(size):
            found = processes.result(rank)
            if rank == victim:
                assert found is None
            else:
                ended, text, is_open = found
                assert ended - killed < 10
                assert "a process that trains the same trial is gone" in text
                assert not is_open


def wait_for_command(ranks):
    if ranks.rank == 0:
        time.sleep(1)
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        ranks.receive()
    except RankLost:
        return "lost"


@pytest.mark.slow
def test_a_rank_that_waits_for_commands_ends_with_the_leader():
    with crew(2) as processes:
        assert processes(wait_for_command) == [None, "lost"]
