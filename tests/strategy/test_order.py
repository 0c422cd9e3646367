from progsearch.schedule import Schedule
from progsearch.space.settings import choice_of
from progsearch.space.space import Space
from progsearch.strategy.candidates import candidate
from progsearch.strategy.order import next_in_order
from tests.support.fakes import freezing, problem, recipe


def made(space="progtuning", schedule=None, **values):
    given = recipe()
    choice = choice_of(values, given.training)
    return candidate(choice, given, problem(Space.load(space)), schedule)


def run_of(*depths, **values):
    """See `freezing`."""
    return made(schedule=freezing(*depths), **values)


def first(runs, seconds, trained=(), running=(), **settings):
    return runs[next_in_order(runs, seconds, recipe(**settings), set(trained), running)]


def test_the_longest_run_goes_first():
    full, last = made(schedule=Schedule.full(6)), run_of(4, 4, 4)
    assert first([last, full], [1.0, 2.0]) is full
    assert first([last, full], [2.0, 2.0], reuse=False) is last
    assert first([last, full], [2.0, 1.0]) is last


def test_of_runs_that_go_on_from_the_same_step_the_one_that_freezes_least_does():
    full, late = made(schedule=Schedule.full(6)), run_of(None, None, 4)
    early, steady = run_of(None, 4, 4), run_of(None, 3, 6)
    other = run_of(None, None, None, learning_rate=2e-4)
    runs, seconds = [other, early, steady, late], [1.0, 3.0, 2.0, 2.0]
    trained = [full.segments[0][1]]
    assert first(runs, seconds, trained) is steady
    assert first(runs[:2], seconds[:2], trained) is early, "the other begins elsewhere"
    assert first(runs, seconds, trained, reuse=False) is early
    assert first(runs, seconds, trained, prefix_cache=False) is early
    same = [run_of(None, 3, 6), run_of(None, 3, 3), early]
    assert first(same, [1.0, 2.0, 3.0], trained) is same[1]


def test_what_a_running_run_is_computing_is_not_computed_beside_it():
    full, late = made(schedule=Schedule.full(6)), run_of(None, None, 4)
    early, steady = run_of(None, 4, 4), run_of(None, 3, 6)
    runs, seconds, trained = [early, late], [3.0, 1.0], [full.segments[0][1]]
    assert first(runs, seconds, trained, [(steady, 0)]) is late
    assert first(runs, seconds, trained, [(steady, 10)]) is late
    # It has passed all examples by, and its states are there.
    assert first(runs, seconds, trained, [(steady, 20)]) is early
    assert first([early], [3.0], trained, [(steady, 0)]) is early, "better twice than not at all"
    # It computes more than is wanted here, or with other weights.
    assert first([steady, late], [3.0, 1.0], trained, [(early, 0)]) is steady
    assert first(runs, seconds, trained, [(run_of(None, 3, 6, learning_rate=2e-4), 0)]) is early
    assert first(runs, seconds, trained, [(full, 0)]) is early, "it freezes nothing"


def test_pre_trained_blocks_compute_the_same_whatever_the_learning_rate():
    runs = [run_of(4, 4, 4), made(schedule=Schedule.full(6))]
    other = run_of(4, 4, 4, learning_rate=2e-4)
    assert first(runs, [3.0, 1.0], running=[(other, 0)]) is runs[1]
    assert first(runs[:1], [3.0], running=[(other, 0)]) is runs[0]
    lora = made("peft", schedule=other.schedule, method="lora")
    assert first([runs[0], run_of(5, 5, 5)], [3.0, 1.0], running=[(lora, 0)]) is runs[0]
    # Under another method the blocks compute something else.
    assert first([run_of(5, 5, 5), lora], [3.0, 1.0]).run.method.name == "full"
    assert first([run_of(5, 5, 5), other], [3.0, 1.0]) is other
