import copy

import pytest
import torch

from progsearch import contribution
from progsearch.config import ContributionConfig
from progsearch.contribution import ContributionMetric, get_metric
from progsearch.errors import MetricError, TrialFailed
from progsearch.schedule import Schedule, Stage
from progsearch.schedule.files import read_config
from progsearch.schedule.rescoring import RescoringPlan
from progsearch.store import Store
from progsearch.training import TrainingRun
from progsearch.training.rescoring import Rescoring
from progsearch.training.save import save_run
from tests.support.probes import assert_same_state, state_of
from tests.support.runs import (
    changed,
    config_of,
    finish,
    four_block_bert,
    tiny_engine,
    tiny_split,
    weights,
)

# Of 3 epochs of 6 steps: a stage that begins in the middle of one, and one with one.
ENDS = (0.25, 2 / 3, 1.0)


def plan(*blocks):
    starts = (0.0, *ENDS[:-1])
    stages = zip(starts, ENDS, blocks, strict=True)
    return Schedule(3, tuple(Stage(s, e, b, embeddings=False) for s, e, b in stages))


PLAN = plan((0, 1, 2), (1, 2), (2,))


def config(files, schedule=PLAN, metric="taylor", rescore=True, method="full"):
    contribution = ContributionConfig(metric=metric, scores=(1.0, 2.0, 3.0), rescore=rescore)
    return config_of(files, schedule, method).model_copy(update={"contribution": contribution})


@pytest.fixture
def says(monkeypatch):
    """Makes the metric ``oracle`` look at the probe by another one and say what it is told."""

    def make(*answers, looks_by="grad_norm"):
        left = list(answers)

        class Oracle(ContributionMetric):
            name = "oracle"
            description = "says what it is told"

            def scores(self, probe):
                get_metric(looks_by).scores(probe)
                return left.pop(0)

        monkeypatch.setattr(
            contribution.METRICS, "_built_in", dict(contribution.METRICS._built_in)
        )
        contribution.METRICS.add(Oracle)
        return left

    return make


# -- what is chosen --------------------------------------------------------------------------


def test_the_blocks_follow_the_scores(files, says):
    left = says([9, 1, 5], [1, 8, 7])
    run = TrainingRun.from_config(config(files, metric="oracle"))
    planned = run.cost
    start = weights(run.model)
    _, result = finish(run)
    assert [stage.trainable_blocks for stage in run.schedule.stages] == [(0, 1, 2), (0, 2), (1,)]
    assert not left
    assert run.config.contribution == ContributionConfig(
        metric="oracle", scores=(1, 2, 3), rescored=((9, 1, 5), (1, 8, 7))
    )
    assert run.config.stages == config(files, run.schedule).stages
    assert run.cost.updated_parameters == planned.updated_parameters
    fixed = TrainingRun.from_config(run.config)
    _, expected = finish(fixed)
    assert result.metrics == expected.metrics
    assert run.cost == fixed.cost
    torch.testing.assert_close(weights(run.model), weights(fixed.model), rtol=0, atol=1e-6)
    assert changed(start, weights(run.model))


def test_the_cost_is_that_of_what_was_trained(files, says):
    # The lowest trained block decides how far down the backward pass runs.
    says([3, 1, 2], [3, 1, 2])
    run = TrainingRun.from_config(config(files, metric="oracle"))
    planned = run.cost
    finish(run)
    assert run.schedule == plan((0, 1, 2), (0, 2), (0,))
    assert run.cost == TrainingRun.from_config(run.config).cost
    assert run.cost.flops > planned.flops
    assert run.cost.updated_parameters == planned.updated_parameters


def test_real_scores_are_those_of_the_model_at_the_time(files):
    run = TrainingRun.from_config(config(files))
    finish(run)
    first, second = run.config.contribution.rescored
    assert first != second
    again = TrainingRun.from_config(config(files))
    finish(again)
    assert again.config == run.config
    assert not changed(weights(again.model), weights(run.model))


def test_a_model_that_was_saved_says_which_blocks_were_trained(files, says, tmp_path):
    says([9, 1, 5], [1, 8, 7])
    run = TrainingRun.from_config(config(files, metric="oracle"))
    finish(run)
    save_run(run, tmp_path / "out")
    saved = read_config(tmp_path / "out" / "schedule.yaml")
    assert saved.stages == run.config.stages
    assert saved.contribution == run.config.contribution
    assert saved.costs == run.cost.to_dict()


def test_an_unknown_metric_is_refused_before_anything_is_trained(files):
    with pytest.raises(MetricError, match="no contribution metric 'tailor'; did you mean taylor"):
        TrainingRun.from_config(config(files, metric="tailor"))


def test_memory_that_runs_out_while_scoring_fails_the_run(files, monkeypatch):
    def scores(self, probe):
        raise MemoryError

    monkeypatch.setattr(type(get_metric("taylor")), "scores", scores)
    with pytest.raises(TrialFailed, match="out of memory at step 4"):
        finish(TrainingRun.from_config(config(files)))


# -- scoring leaves no trace -----------------------------------------------------------------


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("metric", ["taylor", "block_influence", "leave_one_out", "solo"])
def test_a_run_whose_scores_change_nothing_gives_the_bits_of_the_fixed_one(
    files, says, metric, method
):
    says([1, 2, 3], [1, 2, 3], looks_by=metric)
    run = TrainingRun.from_config(
        config(files, metric="oracle", method=method), prefix_cache=False
    )
    records, _ = finish(run)
    assert run.schedule == PLAN
    fixed = TrainingRun.from_config(
        config(files, rescore=False, method=method), prefix_cache=False
    )
    expected, _ = finish(fixed)
    assert [record.metrics for record in records] == [record.metrics for record in expected]
    assert not changed(weights(run.model), weights(fixed.model))


def rescoring_of(engine, model, metric):
    anatomy = engine._freezer._anatomy
    return Rescoring(
        RescoringPlan(Schedule.full(anatomy.n_blocks), 3, 3, metric),
        metric,
        model,
        anatomy,
        tiny_split(),
        seed=0,
        recent_gradients=engine.optimizer.recent_gradients,
        store=None,
    )


def passes(model):
    """Counts the forward passes of ``model`` from here on."""
    calls = []
    model.register_forward_pre_hook(lambda *_: calls.append(1))
    return calls


@pytest.mark.parametrize("metric", ["grad_norm", "relative_grad_norm"])
def test_gradients_that_training_had_anyway_are_the_scores(metric, monkeypatch, by_hand):
    """Against the mean of what the optimizer was given, in Adam's weights, made by hand."""
    engine, model = tiny_engine(Schedule.full(4), four_block_bert(), prefix_cache=False)
    anatomy = engine._freezer._anatomy
    blocks = [[p for _, p in anatomy.parameters(model, block)] for block in range(4)]
    clip, given = engine.optimizer.clip, []

    def keep():
        clip()
        # The optimizer divides by it.
        scale = getattr(engine.optimizer.adamw, "grad_scale", None)
        factor = 1 if scale is None else 1 / scale
        given.append([[p.grad * factor for p in block] for block in blocks])

    monkeypatch.setattr(engine.optimizer, "clip", keep)
    engine.advance(5)
    shares = [0.9 ** (len(given) - 1 - step) for step in range(len(given))]
    expected = []
    for block, parameters in enumerate(blocks):
        means = [
            sum(s * step[block][i] for s, step in zip(shares, given, strict=True)) / sum(shares)
            for i in range(len(parameters))
        ]
        norm = torch.cat([mean.flatten() for mean in means]).norm()
        weight = torch.cat([p.detach().flatten() for p in parameters]).norm()
        expected.append(float(norm / weight if metric == "relative_grad_norm" else norm))
    calls, rescoring = passes(model), rescoring_of(engine, model, metric)
    before = state_of(model)
    rescoring.score("here")
    assert rescoring.scores[0] == pytest.approx(expected, rel=1e-4)
    assert not calls, "no pass was made for it"
    assert_same_state(model, before)


@pytest.mark.parametrize(
    "metric, schedule, method",
    [
        ("taylor", Schedule.full(4), "full"),
        ("grad_norm", Schedule(4, (Stage(0.0, 1.0, (1, 2, 3), embeddings=True),)), "full"),
        ("grad_norm", Schedule.full(4), "lora"),
    ],
)
def test_what_training_has_no_gradients_of_takes_a_pass(metric, schedule, method):
    """Squares of single examples; a frozen block; weights beside which LoRA trains others."""
    engine, model = tiny_engine(schedule, four_block_bert(), prefix_cache=False, method=method)
    engine.advance(2)
    calls, rescoring = passes(model), rescoring_of(engine, model, metric)
    rescoring.score("here")
    assert calls
    assert all(score > 0 for score in rescoring.scores[0])


@pytest.mark.parametrize("metric", ["taylor", "leave_one_out", "solo"])
def test_modes_flags_gradients_optimizer_and_random_numbers_stay(metric):
    schedule = Schedule(4, (Stage(0.0, 1.0, (1, 3), embeddings=False),))
    engine, model = tiny_engine(schedule, four_block_bert(), prefix_cache=False)
    engine.advance(2)
    before = state_of(model)
    optimizer = copy.deepcopy(engine.optimizer.adamw.state_dict())
    generator = torch.get_rng_state()
    rescoring = rescoring_of(engine, model, metric)
    rescoring.score("here")
    assert len(set(rescoring.scores[0])) > 2
    assert_same_state(model, before)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), generator)
    torch.testing.assert_close(engine.optimizer.adamw.state_dict(), optimizer, rtol=0, atol=0)


# -- reuse -----------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store", budget=10**9)


def train(files, store=None, **changes):
    run = TrainingRun.from_config(config(files, **changes), store=store, prefix_cache=False)
    records, result = finish(run)
    return run, [record.metrics for record in records if record.epoch % 1 == 0], result


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("metric", ["taylor", "relative_grad_norm"])
def test_reuse_changes_no_number(files, store, method, metric):
    same = {"method": method, "metric": metric}
    train(files, store, **same)
    branch = plan((0, 1, 2), (1, 2), (1, 2))
    shared, records, result = train(files, store, schedule=branch, **same)
    alone, expected, _ = train(files, schedule=branch, **same)
    assert result.spent.steps_trained == alone.total_steps - round(alone.total_steps * 2 / 3)
    assert records == expected
    assert shared.config == alone.config
    assert not changed(weights(shared.model), weights(alone.model))


def test_a_run_that_is_known_whole_is_neither_trained_nor_scored(files, store, monkeypatch):
    first, records, result = train(files, store)
    monkeypatch.setattr(type(get_metric("taylor")), "scores", None)
    again, repeated, known = train(files, store)
    assert known.spent.steps_trained == 0
    assert repeated == records
    assert again.config == first.config
    assert again.cost == first.cost
    assert known.spent.timings.train == result.spent.timings.train
    spent = result.spent.timings.train + result.spent.timings.evaluate
    assert known.spent.timings.saved == pytest.approx(spent)


def test_runs_with_the_same_steps_share_them_however_they_came_to_them(files, store):
    chosen, records, _ = train(files, store)
    _, repeated, result = train(files, store, schedule=chosen.schedule, rescore=False)
    assert result.spent.steps_trained == 0
    assert repeated == records


@pytest.mark.parametrize("metric", ["taylor", "grad_norm"])
def test_a_run_scores_the_steps_of_a_fixed_one(files, store, metric):
    expected, records, _ = train(files, metric=metric)
    train(files, store, schedule=expected.schedule, rescore=False)
    chosen, repeated, result = train(files, store, metric=metric)
    assert result.spent.steps_trained == 0
    assert repeated == records
    assert chosen.config == expected.config


@pytest.mark.parametrize("chosen_first", [True, False])
def test_a_stage_that_goes_on_as_before_takes_no_more_time(files, store, says, chosen_first):
    """The one that chooses is cut in the middle of an epoch, where the other is not."""
    says([1, 2, 3], [1, 2, 3])
    same = plan((1, 2), (1, 2), (1, 2))
    choosing = {"schedule": same, "metric": "oracle"}
    fixed = {"schedule": same, "rescore": False}
    order = (choosing, fixed) if chosen_first else (fixed, choosing)
    (one, records, first), (other, repeated, second) = [train(files, store, **c) for c in order]
    assert repeated == records
    assert one.schedule == other.schedule == same
    # Where nothing was stored at the cut, the way to it is trained to be scored.
    assert second.spent.steps_trained == (0 if chosen_first else 4)
    seconds = [first.spent.timings.train, second.spent.timings.train]
    seconds[0 if chosen_first else 1] -= (one if chosen_first else other)._blocks.seconds
    assert seconds[0] == pytest.approx(seconds[1])
    assert first.spent.timings.evaluate == second.spent.timings.evaluate


def test_a_state_that_cannot_be_loaded_is_trained_again(files, store):
    alone, records, _ = train(files)
    train(files, store, schedule=alone.schedule, rescore=False)
    for path in store.folder.glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    shared, repeated, result = train(files, store)
    assert repeated == records
    assert shared.config == alone.config
    # Trained up to the last choice, behind which only metrics are needed.
    assert result.spent.steps_trained == 12
