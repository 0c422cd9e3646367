"""Searches whose trials are trained by two processes each, with gloo on processors."""

import random
import time

import psutil
import pytest
import ray

from progsearch import load_study, search
from progsearch.api import confirm, resume
from progsearch.config import TaskConfig, with_seed
from progsearch.errors import ConfigError
from progsearch.study.confirmed_runs import read_confirmed
from progsearch.training import SeedMean, TrainingRun
from tests.support.fakes import Watcher
from tests.support.tiny import save_tiny
from tests.support.tiny_task import tiny_recipe

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("shared_ray")]


@pytest.fixture(scope="module")
def lengths(tmp_path_factory):
    """A recipe whose metrics show small differences of the weights."""
    folder = tmp_path_factory.mktemp("lengths")
    save_tiny(
        folder / "model",
        n_labels=1,
        # With smaller weights its outputs hardly differ, and correlations are noise.
        initializer_range=0.2,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    draw = random.Random(0)
    # The last batch of an epoch has one row.
    for name, number in (("train", 49), ("validation", 24)):
        lines = ["text,label"]
        for _ in range(number):
            words = [draw.choice(["bad", "good"]) for _ in range(draw.randint(2, 6))]
            lines.append(f"{' '.join(words)},{words.count('good') + draw.random():.3f}")
        (folder / f"{name}-lengths.csv").write_text("\n".join(lines) + "\n")
    files = {
        f"{name}_file": str(folder / f"{name}-lengths.csv") for name in ("train", "validation")
    }
    return tiny_recipe(
        folder,
        model=str(folder / "model"),
        task=TaskConfig(name="lengths", type="regression", **files),
        training={"learning_rate": 1e-3},
        parallel=1,
        # Else a trial would find the steps of the same trial with another number of processes.
        reuse=False,
    )


def with_two(recipe, **changes):
    return recipe.model_copy(update={"processes_per_trial": 2} | changes)


def metrics_of(study):
    trials = study.folder.trials()
    assert {trial.state.name for trial in trials} == {"COMPLETE"}, [t.reason for t in trials]
    return {(t.name, t.key): [record.metrics for record in t.records] for t in trials}


def close(metrics):
    return pytest.approx(metrics, abs=1e-5, rel=1e-5)


def test_two_processes_give_the_metrics_of_one(lengths, tmp_path):
    one = metrics_of(search(lengths, studies_dir=tmp_path / "one"))
    two = metrics_of(search(with_two(lengths), studies_dir=tmp_path / "two"))
    assert len(one) == 7
    assert two == {trial: list(map(close, records)) for trial, records in one.items()}
    assert processors_are_free()


def processors_are_free(seconds=20):
    """Whether both processors come to be free."""
    end = time.monotonic() + seconds
    while ray.available_resources().get("CPU") != 2 and time.monotonic() < end:
        time.sleep(0.1)
    return ray.available_resources().get("CPU") == 2


def test_a_stopped_trial_gives_its_processors_to_the_next(lengths, tmp_path):
    given = with_two(lengths, scheduler="mo-asha", budget=4)
    folder = search(given, studies_dir=tmp_path).folder
    stopped = [trial.number for trial in folder.trials() if trial.is_stopped]
    done = [trial.number for trial in folder.trials() if trial.is_complete]
    assert stopped and min(stopped) < max(done)
    assert processors_are_free()


class Killer(Watcher):
    """Kills one of the processes that train the first trial."""

    def __init__(self, name):
        super().__init__()
        self.name, self.processes = name, {}

    def record(self, run, record):
        if not self.processes:
            for process in psutil.Process().children(recursive=True):
                for name in ("TrialWorker", "Follower"):
                    if name in " ".join(process.cmdline()):
                        self.processes[name] = process
            self.processes[self.name].kill()


@pytest.mark.parametrize(
    ("name", "reason"), [("Follower", "that trains the same trial is gone: "), ("TrialWorker", "")]
)
def test_a_trial_that_lost_one_of_its_processes_is_trained_again(tmp_path, name, reason):
    view = Killer(name)
    training = {"epochs": 4}
    given = tiny_recipe(tmp_path, rows=1_000, parallel=1, budget=1, training=training)
    folder = search(with_two(given), studies_dir=tmp_path, view=view).folder
    lost, *trials = folder.trials()
    assert lost.is_lost and reason in lost.reason
    assert [trial.name for trial in trials if trial.retry_of == 0] == [lost.name]
    assert {trial.state.name for trial in trials} == {"COMPLETE"} and len(trials) == 5
    assert not any(process.is_running() for process in view.processes.values())
    assert processors_are_free()


def test_seeds_of_a_trial_are_trained_in_turn_and_confirmed(lengths, tmp_path):
    given = with_two(lengths, seeds=2, budget=1)
    trials = search(given, studies_dir=tmp_path).folder.trials()
    for trial in trials:
        both = SeedMean([TrainingRun.from_config(with_seed(trial.run, seed)) for seed in (0, 1)])
        expected = [record.metrics for record in both.records()]
        assert [record.metrics for record in trial.records] == list(map(close, expected))
    confirmed = confirm("tiny", 1, picks="head-only", studies_dir=tmp_path)
    runs = read_confirmed(confirmed.path).runs
    assert len(runs) == 3
    for run in runs:
        alone = TrainingRun.from_config(with_seed(trials[run.trial].run, run.seed))
        assert run.metrics == close([record.metrics for record in alone.records()][-1])


def test_a_study_goes_on_with_another_number_of_processes(lengths, tmp_path):
    recipe = lengths.model_copy(update={"budget": 1, "reuse": True})
    search(recipe, studies_dir=tmp_path)
    here = {"studies_dir": tmp_path, "budget": 3}
    with pytest.raises(ConfigError, match="3 processors were asked for and 2 are there"):
        resume("tiny", processes_per_trial=3, **here)
    study = resume("tiny", processes_per_trial=2, **here)
    assert len(metrics_of(study)) == 8
    assert study.folder.recipe.ranks_per_trial == 2
    # It holds for one command.
    assert load_study("tiny", tmp_path).folder.recipe.ranks_per_trial == 1
