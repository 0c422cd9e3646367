import subprocess
import sys

import pytest

from progsearch.config import ContributionConfig, RunConfig, plain, with_seed
from progsearch.schedule import ScheduleSpec
from progsearch.workers.worker import TrialWorker
from tests.support.tiny_task import tiny_recipe


def reports_of(run, seeds=1):
    """What a worker tells of a run, without Ray around it."""
    worker = object.__new__(TrialWorker)
    settings = {"reuse": False, "prefix_cache": True, "seeds": seeds, "test": False}
    worker.reset_config({"run": run, **settings})
    steps = [worker.step()]
    while not steps[-1]["done"]:
        steps.append(worker.step())
    return [step["report"] for step in steps]


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
    *others, last = reports_of(config(tmp_path))
    # Three stages over two epochs.
    epochs = [report.record["epoch"] for report in (*others, last)]
    assert epochs == pytest.approx([2 / 3, 1, 4 / 3, 2], abs=0.2) and epochs[1::2] == [1, 2]
    first = others[0]
    assert first.result is None
    assert set(last.result) == {"metrics", "timings", "steps_trained", "peak_memory"}


def test_a_run_that_chose_its_blocks_tells_which_and_what_they_cost(tmp_path):
    run = config(tmp_path, rescore=True)
    result = reports_of(run)[-1].result
    trained = RunConfig.model_validate(result["run"])
    assert len(trained.contribution.rescored) == 2
    assert result["schedule"] == plain(trained)["stages"]
    assert [len(stage["trainable_blocks"]) for stage in result["schedule"]] == [3, 2, 1]
    assert reports_of(trained)[-1].result["metrics"] == result["metrics"]
    assert result["costs"]["n_blocks"] == 3


def test_several_seeds_are_told_with_their_mean(tmp_path):
    run = config(tmp_path)
    first, *_, last = reports_of(run, seeds=2)
    assert first.result is None
    metrics = [
        reports_of(with_seed(run, seed))[-1].result["metrics"]
        for seed in (run.training.seed, run.training.seed + 1)
    ]
    assert last.result["seeds"] == metrics
    mean = sum(m["accuracy"] for m in metrics) / 2
    assert last.result["metrics"]["accuracy"] == last.record["metrics"]["accuracy"] == mean
    assert last.result["steps_trained"] == 2 * last.record["step"]
    assert "run" not in last.result


def test_a_worker_loads_only_what_every_trial_needs():
    program = """
import sys
import progsearch.workers.preload
print([name for name in ("peft", "sklearn", "scipy.stats", "datasets") if name in sys.modules])
print("transformers.modeling_utils" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["[]", "True"], done.stderr
