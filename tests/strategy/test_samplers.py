from typing import Any

import pytest
from optuna.trial import TrialState, create_trial

from progsearch.config import Recipe, TaskConfig
from progsearch.errors import ConfigError, ProgsearchError
from progsearch.space.space import Space
from progsearch.strategy.samplers import Draws, base
from progsearch.strategy.samplers.base import sampler_of
from progsearch.study.dominance import directions
from tests.support.plugins import example_of

BOTH = directions(2)


def draws(sampler="random", seed=0, known=()):
    made = Draws(Space.load("quick"), sampler, seed, BOTH)
    for trial in known:
        number = made.take(trial)
        if trial.state == TrialState.COMPLETE:
            made.tell(number, trial.values)
        else:
            made.throw_away(number)
    return made


def as_trial(draw, **changes):
    given: dict[str, Any] = {"state": TrialState.COMPLETE, "values": [0.5, 0.5]} | changes
    return create_trial(
        params=draw.params,
        distributions=draw.distributions,
        system_attrs=draw.system_attrs,
        **given,
    )


def test_a_draw_says_what_it_sets_and_what_was_drawn():
    draw = draws().draw()
    assert draw.values == {
        "curve": "linear",
        "mode": "prefix",
        "ratio_of": "blocks",
        **draw.params,
    }
    assert set(draw.distributions) == set(draw.params)


def test_the_seed_decides_what_is_drawn():
    first = draws()
    points = [first.draw().params for _ in range(5)]
    again = draws()
    assert [again.draw().params for _ in range(5)] == points
    other = draws(seed=1)
    assert [other.draw().params for _ in range(5)] != points


def prefers_never(source):
    later = []
    for _ in range(60):
        draw = source.draw()
        later.append(draw.values["embeddings"])
        source.throw_away(draw.number)
    # A third by chance; draws that are thrown away teach nothing, so it stays as it is.
    return later.count("never") > 30 and later[30:].count("never") > 12


def result(draw):
    never = draw.values["embeddings"] == "never"
    return [float(never), float(not never)]


def test_the_sampler_learns_from_results():
    source = draws("tpe")
    for _ in range(30):
        draw = source.draw()
        source.tell(draw.number, result(draw))
    assert prefers_never(source)
    assert not prefers_never(draws("tpe"))


def test_known_trials_teach_a_new_source():
    teacher = draws()
    known = [teacher.draw() for _ in range(30)]
    source = draws("tpe", known=[as_trial(draw, values=result(draw)) for draw in known])
    assert prefers_never(source)


def test_a_generation_of_nsga2_goes_on_after_a_break():
    source, known = draws("nsga2"), []
    for _ in range(50):
        draw = source.draw()
        source.tell(draw.number, [0.5, 0.5])
        known.append(as_trial(draw))
    generation = [draw.system_attrs["NSGAIISampler:generation"] for draw in (source.draw(),)]
    resumed = draws("nsga2", known=known).draw()
    assert generation == [resumed.system_attrs["NSGAIISampler:generation"]] == [1]


def test_an_interrupted_point_can_be_taken_up_again():
    old = draws().draw()
    source = draws(known=[as_trial(old, state=TrialState.FAIL, values=None)])
    number = source.take(as_trial(old, state=TrialState.RUNNING, values=None))
    source.tell(number, [0.9, 0.1])
    assert source.draw().number == number + 1


def test_a_grid_gives_every_point_once():
    stages = {"type": "int", "low": 1, "high": 3}
    ratio = {"type": "float", "low": 0.0, "high": 1.0, "step": 0.5, "when": {"n_stages": 3}}
    data = {"dimensions": {"n_stages": stages, "initial_freeze": ratio}, "fixed": {}}
    space = Space.of(data, "my.yaml")
    source = Draws(space, "grid", 0, BOTH)
    found = []
    while (draw := source.draw()) is not None:
        found.append(tuple(draw.params.values()))
    assert sorted(found) == [(1,), (2,), (3, 0.0), (3, 0.5), (3, 1.0)]


def test_a_grid_needs_an_end():
    rate = {"type": "float", "low": 1e-5, "high": 1e-3, "log": True}
    space = Space.of({"dimensions": {"learning_rate": rate}}, "my.yaml")
    with pytest.raises(ConfigError, match="a grid needs a step"):
        sampler_of("grid").check(space)
    sampler_of("random").check(space)


PLUGIN = """
from typing import ClassVar

from progsearch.config.sampler import SamplerTraits
from progsearch.strategy.samplers import Sampler

class Sobol(Sampler):
    name: ClassVar[str] = "sobol"
    description: ClassVar[str] = "a Sobol sequence"
    candidates: ClassVar[int] = 3

    def make(self, space, seed):
        from optuna.samplers import RandomSampler

        return RandomSampler(seed=seed)

class Silent(SamplerTraits):
    name: ClassVar[str] = "silent"
    description: ClassVar[str] = "says not how it samples"
"""


@pytest.fixture
def plugin(install_plugin):
    entries = {"sobol": "progsearch_plugin:Sobol", "silent": "progsearch_plugin:Silent"}
    install_plugin("progsearch.samplers", entries, PLUGIN)


@pytest.mark.usefixtures("plugin")
def test_another_package_adds_a_sampler():
    recipe = Recipe(task=TaskConfig(name="mrpc"), sampler="sobol")
    assert (recipe.n_candidates, recipe.judged_by) == (3, "freeze-thaw")
    # Optuna's random sampler under another name samples what ours does.
    assert draws("sobol").draw().params == draws("random").draw().params


@pytest.mark.usefixtures("plugin")
def test_a_sampler_that_cannot_sample_is_refused():
    with pytest.raises(ProgsearchError, match="^sampler 'silent' .* is not a subclass of "):
        sampler_of("silent")


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_the_example_of_the_contract_is_a_sampler(install_plugin):
    install_plugin("progsearch.samplers", {"sobol": "progsearch_plugin:Sobol"}, example_of(base))
    points = [draws("sobol").draw().params for _ in range(2)]
    assert points[0] == points[1] != draws("sobol", seed=1).draw().params
