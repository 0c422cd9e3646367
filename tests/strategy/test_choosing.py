"""What a search trains next: of candidates the best, of a grid all, first what others found."""

import pytest

from progsearch.config import RunConfig, TaskConfig, TrainingConfig
from progsearch.errors import ConfigError
from progsearch.schedule import Schedule
from progsearch.space.space import Space
from progsearch.strategy import pool
from progsearch.strategy.features import features
from progsearch.strategy.prospects import Prospects
from progsearch.strategy.warm_start import Earlier, EarlierRun
from progsearch.study.dominance import directions, hypervolume
from progsearch.study.front import front_of
from tests.support.fakes import run_all, searched, start


def volume(folder):
    values = [trial.values for trial in folder.trials()]
    return hypervolume(values, (0.5, 1.0), directions(2))


@pytest.mark.slow
def test_candidates_find_a_better_front_than_chance(tmp_path):
    volumes = {}
    for sampler in ("random", "ehvi"):
        volumes[sampler] = []
        for seed in range(3):
            folder, source = start(
                tmp_path,
                "wide",
                study=f"{sampler}-{seed}",
                sampler=sampler,
                budget=15,
                training={"seed": seed},
            )
            run_all(source)
            volumes[sampler].append(volume(folder))
    assert min(volumes["ehvi"]) > max(volumes["random"])


def test_any_sampler_can_be_chosen_from(tmp_path):
    folder, source = start(tmp_path, sampler="tpe", candidates=4, budget=6)
    run_all(source)
    assert len(front_of(folder.trials())) > 1


@pytest.mark.parametrize("sampler, grows", [("ehvi", True), ("random", True), ("tpe", False)])
def test_what_was_not_chosen_stays_a_candidate(tmp_path, monkeypatch, sampler, grows):
    offered = []
    best = Prospects.best

    def record(self, runs):
        offered.append({run.key for run in runs})
        return best(self, runs)

    monkeypatch.setattr(Prospects, "best", record)
    folder, source = start(tmp_path, "wide", sampler=sampler, candidates=5, budget=8)
    run_all(source)
    trained = [trial.key for trial in searched(folder)]
    for before, chosen, after in zip(offered, trained, offered[1:], strict=False):
        assert chosen in before
        assert chosen not in after
        assert (before - {chosen} <= after) == grows
    assert (len(offered[-1]) > 5) == grows


def test_the_newest_candidates_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "_MOST_KEPT", 6)
    sizes = []
    best = Prospects.best

    def sized(self, runs):
        sizes.append(len(runs))
        return best(self, runs)

    monkeypatch.setattr(Prospects, "best", sized)
    _, source = start(tmp_path, "wide", candidates=5, budget=8)
    run_all(source)
    assert max(sizes) <= 6 + 5
    assert sizes[-1] > 5


@pytest.mark.parametrize("candidates", [1, 3])
def test_a_grid_trains_every_schedule_of_its_space_once(tmp_path, candidates):
    folder, source = start(tmp_path, "paper", sampler="grid", candidates=candidates, budget=1000)
    _, ending = run_all(source, limit=1500)
    assert ending == "exhausted"
    drawn = [tuple(t.params.items()) for t in folder.trials() if t.params]
    keys = [trial.key for trial in folder.trials()]
    assert len(keys) == len(set(keys)) == 8, "1 to 6 stages, and two more baselines"
    points = {tuple(point.items()) for point in Space.load("paper").points()}
    assert set(drawn) <= points


def test_a_grid_walks_conditional_dimensions():
    space = Space.of(
        {
            "dimensions": {
                "curve": {"type": "categorical", "choices": ["parts", "step"]},
                "initial_freeze": {
                    "type": "float",
                    "low": 0,
                    "high": 0.5,
                    "step": 0.25,
                    "when": {"curve": "step"},
                },
            }
        },
        "test",
    )
    assert list(space.points()) == [
        {"curve": "parts"},
        *({"curve": "step", "initial_freeze": ratio} for ratio in (0.0, 0.25, 0.5)),
    ]


def test_a_grid_of_a_range_without_steps_is_refused():
    dimension = {"type": "float", "low": 1e-5, "high": 1e-3, "log": True}
    space = Space.of({"dimensions": {"learning_rate": dimension}}, "test")
    with pytest.raises(ConfigError, match=r"dimensions\.learning_rate: a grid needs a step"):
        space.points()


def earlier(**changes):
    best = {"learning_rate": 2e-4, "n_stages": 2, "curve": "parts", "embeddings": "never"}
    points = ({**best, "stage_growth": 2.0, "mode": "prefix"}, {**best, "n_stages": 9})
    return Earlier(study="old", points=points, runs=changes.get("runs", ()))


def test_the_best_points_of_an_earlier_study_are_tried_first(tmp_path):
    folder, source = start(tmp_path, "progtuning", earlier=earlier(), budget=3)
    run_all(source)
    first, second = searched(folder)[:2]
    assert first.params == earlier().points[0]
    # What this space cannot draw comes from the sampler; the rest is kept.
    kept = {name: second.params[name] for name in ("learning_rate", "curve", "embeddings")}
    assert kept == {"learning_rate": 2e-4, "curve": "parts", "embeddings": "never"}
    assert second.params["n_stages"] in (1, 2, 3)


@pytest.mark.slow
def test_an_earlier_study_of_another_depth_guides_the_search(tmp_path):
    """Its runs say that few trained blocks are enough, for a model of twice the blocks."""

    def run(n_trained, rate):
        config = RunConfig(
            progsearch_version="0",
            model="some-model",
            task=TaskConfig(name="some-task"),
            training=TrainingConfig(learning_rate=rate, batch_size=8),
            stages=Schedule.last_blocks(12, n_trained).to_dicts(),
        )
        return features(config, 12)

    runs = tuple(
        EarlierRun(features=tuple(run(n, rate)), gain=-0.5 if rate > 1e-4 else -n / 100)
        for n in range(13)
        for rate in (2.5e-5, 1e-4, 2e-4)
    )
    told = Earlier(study="old", points=(), runs=runs)
    rates = {}
    for name, given in (("cold", None), ("warm", told)):
        folder, source = start(tmp_path, "progtuning", study=name, earlier=given, budget=8)
        run_all(source)
        drawn = searched(folder)
        rates[name] = sum(trial.params["learning_rate"] == 2e-4 for trial in drawn)
    assert rates["warm"] < rates["cold"]


def test_gains_are_those_of_the_new_task():
    told = earlier(runs=tuple(EarlierRun(features=(x,), gain=-x) for x in (0.0, 0.5)))
    found = told.observations(full=0.9, majority=0.5)
    assert [o.metric for o in found] == pytest.approx([0.9, 0.7])
    assert {round(o.deviation, 6) for o in found} == {round(0.4 * 0.5 / 2**0.5, 6)}
    assert earlier().observations(full=0.9, majority=0.5) == []
