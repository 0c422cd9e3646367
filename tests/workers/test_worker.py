import subprocess
import sys

import pytest

from progsearch.config import ContributionConfig, RunConfig, plain, with_seed
from progsearch.schedule import ScheduleSpec
from progsearch.strategy.source import Assignment, Failed, Finished, Progress
from progsearch.workers.worker import TrialWorker, WorkerSettings
from tests.support.tiny_task import tiny_recipe


def messages_of(run, seeds=1):
    """What a worker sends of a run, without Ray around it."""
    worker = object.__new__(TrialWorker)
    settings = WorkerSettings("", reuse=False, reuse_budget=None, prefix_cache=True)
    worker.reset_config({"assignment": Assignment(0, run, seeds=seeds), "settings": settings})
    steps = [worker.step()]
    while not steps[-1]["done"]:
        steps.append(worker.step())
    return [step["message"] for step in steps]


def config(folder, **contribution):
    recipe = tiny_recipe(folder)
    spec = ScheduleSpec(n_stages=3, mode="any_order", metric="taylor")
    return RunConfig(
        progsearch_version="0",
        model=recipe.model,
        task=recipe.task,
        training=recipe.training,
        contribution=ContributionConfig(metric="taylor", scores=(1, 2, 3), **contribution),
        stages=spec.schedule(3, (1, 2, 3)).to_dicts(),
    )


def test_a_run_of_fixed_stages_adds_nothing_to_what_is_known_of_it(tmp_path):
    *others, last = messages_of(config(tmp_path))
    # Three stages over two epochs.
    epochs = [message.record.epoch for message in (*others, last)]
    assert epochs == pytest.approx([2 / 3, 1, 4 / 3, 2], abs=0.2) and epochs[1::2] == [1, 2]
    assert all(isinstance(message, Progress) for message in others)
    assert [message.spent.steps_trained for message in others] == [
        message.record.step for message in others
    ]
    assert isinstance(last, Finished)
    outcome = last.outcome
    assert (outcome.seeds, outcome.test_metrics, outcome.chosen) == (None, None, None)
    assert outcome.metrics == last.record.metrics
    assert outcome.spent.steps_trained == last.record.step
    assert outcome.spent.timings.train > 0


def test_a_run_that_chose_its_blocks_tells_which_and_what_they_cost(tmp_path):
    run = config(tmp_path, rescore=True)
    outcome = messages_of(run)[-1].outcome
    chosen = outcome.chosen
    trained = RunConfig.model_validate(chosen.run)
    assert len(trained.contribution.rescored) == 2
    assert chosen.schedule == plain(trained)["stages"]
    assert [len(stage["trainable_blocks"]) for stage in chosen.schedule] == [3, 2, 1]
    assert messages_of(trained)[-1].outcome.metrics == outcome.metrics
    assert chosen.costs["n_blocks"] == 3


def test_several_seeds_are_told_with_their_mean(tmp_path):
    run = config(tmp_path)
    first, *_, last = messages_of(run, seeds=2)
    assert isinstance(first, Progress)
    metrics = [
        messages_of(with_seed(run, seed))[-1].outcome.metrics
        for seed in (run.training.seed, run.training.seed + 1)
    ]
    outcome = last.outcome
    assert list(outcome.seeds) == metrics
    mean = sum(m["accuracy"] for m in metrics) / 2
    assert outcome.metrics["accuracy"] == last.record.metrics["accuracy"] == mean
    assert outcome.spent.steps_trained == 2 * last.record.step
    assert outcome.chosen is None


def test_what_a_run_cannot_go_on_for_is_its_failure(tmp_path):
    run = config(tmp_path)
    training = run.training.model_copy(update={"weight_decay": 1e38})
    last = messages_of(run.model_copy(update={"training": training}))[-1]
    assert isinstance(last, Failed) and "not finite" in last.reason
    broken = run.model_copy(update={"stages": run.stages[:1]})
    (last,) = messages_of(broken)
    assert isinstance(last, Failed) and last.reason.startswith("ScheduleError: ")


def test_a_worker_loads_only_what_every_trial_needs():
    program = """
import sys
import progsearch.workers.preload
print([name for name in ("peft", "sklearn", "scipy.stats", "datasets") if name in sys.modules])
print("transformers.modeling_utils" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == ["[]", "True"], done.stderr
