from dataclasses import replace

from progsearch.schedule import Schedule
from progsearch.space.space import Space
from progsearch.strategy.references import make_references
from tests.support.fakes import problem, recipe


def references_of(n_blocks, epochs):
    given = recipe(training={"epochs": epochs})
    space = Space.load("quick")
    return make_references(space, given, problem(space, n_blocks))


def schedules(found):
    return {reference.name: reference.at(reference.rates[0]).schedule for reference in found.all}


def test_the_references():
    found = references_of(12, epochs=4)
    assert schedules(found) == {
        "full": Schedule.full(12),
        "progtuning-3": Schedule.progtuning(12, 3),
        "progtuning-4": Schedule.progtuning(12, 4),
        "last-quarter": Schedule.last_blocks(12, 3),
        "head-only": Schedule.last_blocks(12, 0),
    }
    assert found.left_out == ()


def test_language_models_have_the_middle_too():
    space = Space.load("quick")
    found = make_references(space, recipe(), replace(problem(space, 10), references=("middle",)))
    assert schedules(found)["middle"] == Schedule.middle(10)


def test_a_reference_in_which_a_method_trains_nothing_is_left_out():
    """LoRA leaves the head of a language model alone."""
    space = Space.load("quick", ["lora"])
    plain = problem(space, 10)
    costs = {k: replace(c, head=replace(c.head, trainable=0)) for k, c in plain.costs.items()}
    found = make_references(space, recipe(), replace(plain, costs=costs))
    assert "head-only" not in found.rates
    assert found.left_out == ("the reference head-only is left out: lora trains nothing in it",)


def test_three_epochs_make_the_two_paper_references_one():
    assert list(references_of(12, epochs=3).rates) == [
        "full", "progtuning-3", "last-quarter", "head-only"
    ]  # fmt: skip
    assert "progtuning-1" not in references_of(12, epochs=1).rates


def test_references_that_do_not_fit_are_left_out_and_said_so():
    found = references_of(2, epochs=4)
    assert list(found.rates) == ["full", "last-quarter", "head-only"]
    assert schedules(found)["last-quarter"] == Schedule.last_blocks(2, 1)
    assert found.left_out == tuple(
        f"the reference progtuning-{n} is left out: the model has only 2 blocks" for n in (3, 4)
    )


def test_references_above_the_memory_are_left_out_and_said_so():
    # Each of the 8 parts takes 50 bytes, and 350 more while it is trained.
    given = recipe(max_memory=400 + 3 * 350)
    space = Space.load("quick")
    found = make_references(space, given, problem(space, 6))
    assert list(found.rates) == ["last-quarter", "head-only"]
    assert found.left_out == tuple(
        f"the reference {name} is left out: its predicted peak memory is 3 KiB, above --max-memory"
        for name in ("full", "progtuning-3")
    )
    assert found.least_memory == 400 + 350


def rates_of(space, methods=None, **given):
    loaded = Space.load(space, methods).at(1e-4, **given)
    return make_references(loaded, recipe(), problem(loaded))


def test_references_are_trained_at_every_rate_of_their_method():
    found = rates_of("progtuning")
    assert set(found.rates.values()) == {(2.5e-5, 5e-5, 1e-4, 2e-4)}
    assert all(reference.is_tuned for reference in found.all)
    full = found.all[0]
    assert [full.at(rate).run.training.learning_rate for rate in full.rates] == list(full.rates)
    assert len({full.at(rate).key for rate in full.rates}) == 4
    # A method that asks for ten times as much.
    assert set(rates_of("progtuning", ["lora"]).rates.values()) == {(2.5e-4, 5e-4, 1e-3, 2e-3)}
    assert set(rates_of("peft").rates.values()) == {(2.5e-5, 5e-5, 1e-4, 2e-4)}, "full fine-tuning"


def test_a_space_without_rates_has_one():
    found = rates_of("quick")
    assert set(found.rates.values()) == {(recipe().training.learning_rate,)}
    assert not any(reference.is_tuned for reference in found.all)


def test_a_given_rate_stays_alone():
    found = rates_of("progtuning", given=True)
    assert set(found.rates.values()) == {(1e-4,)}
    assert not any(reference.is_tuned for reference in found.all)
