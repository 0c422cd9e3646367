from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from progsearch.space.space import Space
from progsearch.strategy.samplers import Draws

BOTH = [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE]


def draws(sampler="random", seed=0, known=()):
    return Draws(Space.load("quick"), sampler, seed, BOTH, known)


def as_trial(draw, **changes):
    given = {"state": TrialState.COMPLETE, "values": [0.5, 0.5]} | changes
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


def test_the_seed_and_the_number_of_known_trials_decide_what_is_drawn():
    first = draws()
    points = [first.draw().params for _ in range(5)]
    again = draws()
    assert [again.draw().params for _ in range(5)] == points
    other = draws(seed=1)
    assert [other.draw().params for _ in range(5)] != points
    resumed = draws(known=[as_trial(draws().draw())])
    assert [resumed.draw().params for _ in range(5)] != points


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
