"""Learning rates that follow from the model and the method."""

import pytest

from progsearch.space.space import Space
from tests.space.test_space import draws, problems, space_of

RATES = {"type": "rates"}
STAGES = {"type": "int", "low": 1, "high": 3}
METHOD = {"type": "categorical", "choices": ["full", "lora", "bitfit", "adapter"]}


def drawn(space):
    """The rates that are drawn for each method, by its name."""
    found: dict[str, set[float]] = {}
    for values in draws(space, 200):
        found.setdefault(values.get("method", "full"), set()).add(values["learning_rate"])
    return {method: sorted(rates) for method, rates in found.items()}


def test_rates_are_multiples_of_the_models_own():
    space = space_of({"learning_rate": RATES})
    assert drawn(space.at(1e-4)) == {"full": [2.5e-5, 5e-5, 1e-4, 2e-4]}
    assert drawn(space.at(5e-5)) == {"full": [1.3e-5, 2.5e-5, 5e-5, 1e-4]}, "two digits"
    few = space_of({"learning_rate": {**RATES, "factors": [1.0, 3.0]}}).at(1e-4)
    assert drawn(few) == {"full": [1e-4, 3e-4]}


def test_a_method_may_ask_for_higher_rates():
    fixed = space_of({"learning_rate": RATES}, method="lora").at(1e-4)
    assert drawn(fixed) == {"lora": [2.5e-4, 5e-4, 1e-3, 2e-3]}
    assert list(fixed.config.dimensions) == ["learning_rate"]
    only = Space.load("progtuning", ["adapter"]).at(1e-4)
    assert drawn(only) == {"adapter": [2.5e-4, 5e-4, 1e-3, 2e-3]}


def test_methods_that_ask_for_other_rates_have_dimensions_of_their_own():
    space = space_of({"method": METHOD, "learning_rate": RATES}).at(1e-4)
    low, high = [2.5e-5, 5e-5, 1e-4, 2e-4], [2.5e-4, 5e-4, 1e-3, 2e-3]
    assert drawn(space) == {"full": low, "lora": high, "bitfit": high, "adapter": high}
    assert list(space.config.dimensions) == ["method", "learning_rate", "learning_rate_x10"]
    for method, rates in (("full", low), ("lora", high)):
        assert list(space.learning_rates(method, 1.0)) == rates


def test_a_condition_is_kept_for_each_group_of_methods():
    space = space_of(
        {
            "method": METHOD,
            "n_stages": STAGES,
            "learning_rate": {**RATES, "when": {"n_stages": [2, 3], "method": ["full", "lora"]}},
        }
    ).at(1e-4)
    found = draws(space, 300)
    for values in found:
        expected = values["n_stages"] > 1 and values["method"] in ("full", "lora")
        assert ("learning_rate" in values) == expected
    rates = {values["method"]: [] for values in found}
    for values in found:
        rates[values["method"]] += [values[n] for n in ("learning_rate",) if n in values]
    assert max(rates["full"]) == 2e-4 < min(rates["lora"]) == 2.5e-4


def test_a_given_rate_is_that_of_every_run():
    for name in ("progtuning", "wide", "peft"):
        space = Space.load(name).at(3e-5, given=True)
        assert "learning_rate" not in space.config.dimensions
        assert {values["learning_rate"] for values in draws(space, 50)} == {3e-5}
        assert space.learning_rates("lora", 1.0) == (3e-5,)
    listed = {"type": "categorical", "choices": [1e-5, 1e-4]}
    space = space_of({"n_stages": STAGES, "learning_rate": listed}).at(3e-5, given=True)
    assert space.learning_rates("full", 1.0) == (3e-5,)


def test_a_given_rate_replaces_a_fixed_one():
    space = space_of({"n_stages": STAGES}, learning_rate=1e-4)
    assert space.at(3e-5).learning_rates("full", 1.0) == (1e-4,)
    assert space.at(3e-5, given=True).learning_rates("full", 1.0) == (3e-5,)


def test_a_space_without_rates_stays_as_it_is():
    space = Space.load("quick")
    assert space.at(1e-4) == space
    assert space.learning_rates("full", 7e-5) == (7e-5,)


def test_a_range_of_rates_is_tried_at_a_few():
    given = {"type": "float", "low": 1e-5, "high": 1e-2, "log": True}
    assert space_of({"learning_rate": given}).learning_rates("full", 1.0) == (
        1e-5, 1e-4, 1e-3, 1e-2,
    )  # fmt: skip


def test_a_listed_space_can_be_kept_and_read_again():
    space = Space.load("peft").at(1e-4)
    again = Space(type(space.config).model_validate(space.config.model_dump(mode="json")))
    assert again.at(7e-5) == again == space


@pytest.mark.parametrize(
    ("dimensions", "place", "text"),
    [
        ({"n_stages": RATES}, "n_stages.type", "so it cannot set n_stages"),
        ({"rate": {**RATES, "sets": "weight_decay"}}, "rate.type", "cannot set weight_decay"),
        ({"learning_rate": RATES, "method": METHOD}, "learning_rate", "must stand below method"),
        ({"learning_rate": {**RATES, "factors": []}}, "learning_rate.factors", "at least 1 item"),
        (
            {"learning_rate": {**RATES, "factors": [1, 0]}},
            "learning_rate",
            "factors must lie in 0..100, got 0",
        ),
        ({"learning_rate": {**RATES, "low": 1}}, "learning_rate.low", "unknown key"),
        (
            {"learning_rate": {**RATES, "when": {"n_stages": 2}}},
            "learning_rate.when",
            "neither fixed nor a dimension above",
        ),
    ],
)
def test_mistakes_are_named_with_their_place(dimensions, place, text):
    ((found, told),) = problems({"dimensions": dimensions}).items()
    assert found == f"dimensions.{place}"
    assert text in told


def test_rates_beside_a_fixed_one_are_a_contradiction():
    data = {"dimensions": {"learning_rate": RATES}, "fixed": {"learning_rate": 1e-4}}
    assert "which fixed also sets" in problems(data)["dimensions.learning_rate"]
