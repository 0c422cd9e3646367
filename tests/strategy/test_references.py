from progsearch.schedule import Schedule
from progsearch.space.space import Space
from progsearch.strategy.references import make_references
from tests.support.fakes import problem, recipe


def references_of(n_blocks, epochs):
    given = recipe(training={"epochs": epochs})
    space = Space.load("quick")
    return make_references(space.default(given.training), given, problem(space, n_blocks))


def test_the_references():
    found = references_of(12, epochs=4)
    assert {name: baseline.schedule for name, baseline in found.runs.items()} == {
        "full": Schedule.full(12),
        "progtuning-3": Schedule.progtuning(12, 3),
        "progtuning-4": Schedule.progtuning(12, 4),
        "last-quarter": Schedule.last_blocks(12, 3),
        "head-only": Schedule.last_blocks(12, 0),
    }
    assert found.left_out == ()


def test_three_epochs_make_the_two_paper_references_one():
    assert list(references_of(12, epochs=3).runs) == [
        "full", "progtuning-3", "last-quarter", "head-only"
    ]  # fmt: skip
    assert "progtuning-1" not in references_of(12, epochs=1).runs


def test_references_that_do_not_fit_are_left_out_and_said_so():
    found = references_of(2, epochs=4)
    assert list(found.runs) == ["full", "last-quarter", "head-only"]
    assert found.runs["last-quarter"].schedule == Schedule.last_blocks(2, 1)
    assert found.left_out == tuple(
        f"the baseline progtuning-{n} is left out: the model has only 2 blocks" for n in (3, 4)
    )
