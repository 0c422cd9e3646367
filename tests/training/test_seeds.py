import pytest
import torch

from progsearch.config import with_seed
from progsearch.errors import TrialFailed
from progsearch.training import SeedMean, Store, TrainingRun
from progsearch.training.evaluator import Validated
from progsearch.training.seeds import _means
from tests.support.runs import DEVICE, changed, config_of, finish, weights

# Slow enough that epochs and seeds differ.
SETTINGS = {"learning_rate": 5e-3, "epochs": 2}


def runs_of(files, seeds, store=None, **training):
    return [
        TrainingRun.from_config(with_seed(config_of(files, **SETTINGS | training), s), store=store)
        for s in seeds
    ]


def test_runs_in_turn_are_the_runs_alone_and_their_mean_is_told(files):
    alone = runs_of(files, (3, 4))
    expected = [finish(run) for run in alone]
    together = runs_of(files, (3, 4))
    mean = SeedMean(together)
    records, result = finish(mean)
    for one, other in zip(together, alone, strict=True):
        assert not changed(weights(one.model), weights(other.model))

    assert changed(*[weights(run.model) for run in alone])
    finals = [single.metrics for _, single in expected]
    # On a GPU, with other random numbers, these two end with the same metrics.
    assert DEVICE.type == "cuda" or finals[0] != finals[1]
    assert list(result.seeds) == finals
    assert result.metrics["accuracy"] == pytest.approx(sum(m["accuracy"] for m in finals) / 2)
    for epoch, record in enumerate(records):
        both = [theirs[epoch].metrics["f1"] for theirs, _ in expected]
        assert record.metrics["f1"] == pytest.approx(sum(both) / 2)
    assert [record.fraction for record in records if record.epoch in (1, 2)] == [0.5, 1.0]
    assert records[-1].step == mean.total_steps == alone[0].total_steps


def test_equal_metrics_have_exactly_that_mean():
    """So that ties between trials stay ties."""
    thirds = [{"accuracy": 0.7}] * 3
    assert _means(thirds) == {"accuracy": 0.7}


def test_work_is_summed_and_cost_is_that_of_one_run(files, tmp_path):
    store = Store(tmp_path, budget=10**9)
    finish(runs_of(files, (3,), store=store)[0])
    together = runs_of(files, (3, 4), store=store)
    mean = SeedMean(together)
    records, result = finish(mean)
    # Seed 3 was there already, and what it once took counts all the same.
    assert result.spent.steps_trained == mean.total_steps
    parts = [run.spent() for run in together]
    for kind in ("setup", "train", "evaluate", "saved"):
        total = sum(getattr(part.timings, kind) for part in parts)
        assert getattr(result.spent.timings, kind) == pytest.approx(total)
    assert 0 < result.spent.timings.saved < result.spent.timings.run
    assert result.spent.peak_memory == max(part.peak_memory for part in parts)
    assert records[-1].seconds == pytest.approx(
        result.spent.timings.train + result.spent.timings.evaluate
    )
    assert mean.cost == together[0].cost
    assert mean.config == together[0].config
    assert mean.schedule == together[0].schedule


def test_a_seed_that_diverges_is_named(files):
    together = runs_of(files, (3, 4))
    with torch.no_grad():
        next(together[1].model.parameters()).fill_(float("nan"))
    with pytest.raises(TrialFailed, match=r"with seed 4: .*not finite at step"):
        finish(SeedMean(together))


def test_a_mean_is_constant_if_the_predictions_of_a_run_are(files):
    def last(*runs):
        return list(SeedMean(runs).records())[-1]

    good, other, collapsed = runs_of(files, (3, 3, 3), learning_rate=1e-2)
    collapsed._evaluator.validation = lambda: Validated({"accuracy": 0.5, "f1": 0.0}, True)
    assert not last(good).constant
    assert last(other, collapsed).constant
