import optuna
import pytest
import yaml

from progsearch.config import TrainingConfig, method_of
from progsearch.errors import ConfigError
from progsearch.schedule import ScheduleSpec
from progsearch.space.settings import choice_of
from progsearch.space.shipped import shipped_files
from progsearch.space.space import Space

FLOAT = {"type": "float", "low": 0.0, "high": 1.0}
STAGES = {"type": "int", "low": 1, "high": 6}


def space_of(dimensions, methods=None, **fixed):
    return Space.of({"dimensions": dimensions, "fixed": fixed}, "my.yaml", methods)


def problems(data):
    with pytest.raises(ConfigError) as error:
        Space.of(data, "my.yaml")
    return dict(error.value.problems)


def draws(space, number=100):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    return [space.suggest(study.ask()) for _ in range(number)]


@pytest.mark.parametrize("name", shipped_files("search_spaces"))
def test_every_point_of_a_built_in_space_is_a_schedule(name):
    space = Space.load(name).at(1e-4)
    for values in draws(space):
        spec = choice_of(values, TrainingConfig()).spec
        if spec.n_stages <= 6 and spec.metric in (None, *space.metrics()):
            scores = range(12) if spec.uses_scores else None
            assert spec.schedule(12, scores, epochs=3).stages
        else:
            raise AssertionError(values)


def test_built_in_spaces_are_named_and_described():
    names = list(shipped_files("search_spaces"))
    assert names == ["paper", "peft", "progtuning", "quick", "wide", "windows"]
    assert all(Space.load(name).config.description for name in names)


def test_the_wide_space_holds_the_whole_family():
    space = Space.load("wide").at(1e-4)
    assert space.possible("n_stages") == [1, 2, 3, 4, 5, 6]
    assert space.possible("embeddings") == ["always", "first_stage", "never"]
    assert set(space.possible("curve")) == {"parts", "linear", "cubic", "step"}
    assert len(space.possible("learning_rate")) <= 4
    assert [method.name for method in space.methods()] == ["full"]
    drawn = [choice_of(values, TrainingConfig()).spec for values in draws(space, 300)]
    assert {(spec.curve == "parts", spec.rescore) for spec in drawn} == {
        (parts, rescore) for parts in (True, False) for rescore in (True, False)
    }
    assert all(s.metric != "depth" and s.n_stages > 1 for s in drawn if s.rescore)


def test_stages_of_the_default_space_end_where_epochs_end():
    space = Space.load("progtuning").at(1e-4)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(50):
        choice = choice_of(space.suggest(study.ask()), TrainingConfig(epochs=3))
        schedule = choice.spec.schedule(6, range(6), epochs=3)
        assert all((3 * s.end) == pytest.approx(round(3 * s.end)) for s in schedule.stages)


def test_a_dimension_is_drawn_only_under_its_conditions():
    space = space_of(
        {
            "mode": {"type": "categorical", "choices": ["prefix", "any_order"]},
            "ratio_of": {"type": "categorical", "choices": ["blocks", "contribution"]},
            "metric": {
                "type": "categorical",
                "choices": ["depth", "taylor"],
                "when": [{"mode": "any_order"}, {"ratio_of": ["contribution"]}],
            },
        },
        curve="linear",
    )
    found = draws(space)
    for values in found:
        needs_scores = values["mode"] == "any_order" or values["ratio_of"] == "contribution"
        assert ("metric" in values) == needs_scores
    assert {("metric" in values) for values in found} == {True, False}
    assert space.metrics() == ["depth", "taylor"]


def test_two_dimensions_may_set_the_same_setting_under_different_conditions():
    high = {"type": "categorical", "sets": "learning_rate", "choices": [1e-3]}
    space = space_of(
        {
            "method": {"type": "categorical", "choices": ["full", "lora"]},
            "learning_rate": {**high, "choices": [1e-4], "when": {"method": "full"}},
            "high_rate": {**high, "when": {"method": "lora"}},
        }
    )
    found = {(values["method"], values["learning_rate"]) for values in draws(space)}
    assert found == {("full", 1e-4), ("lora", 1e-3)}


def test_the_second_ratio_is_a_share_of_what_the_first_left():
    space = space_of(
        {"initial_freeze": FLOAT, "further_freeze": FLOAT}, curve="linear", n_stages=3
    )
    for values in draws(space):
        spec = choice_of(values, TrainingConfig()).spec
        first, further = values["initial_freeze"], values["further_freeze"]
        assert spec.initial_freeze == first
        assert spec.final_freeze == pytest.approx(first + further * (1 - first))
        assert first <= spec.final_freeze <= 1


def test_settings_reach_the_schedule_the_method_and_the_training():
    choice = choice_of(
        {"n_stages": 2, "method": "lora", "lora_rank": 4, "learning_rate": 1e-3},
        TrainingConfig(epochs=5, learning_rate=1e-5),
    )
    assert choice.spec == ScheduleSpec(n_stages=2)
    assert choice.method == method_of("lora", lora_rank=4)
    assert (choice.training.epochs, choice.training.learning_rate) == (5, 1e-3)


def test_methods_of_the_command_line_replace_those_of_the_space():
    space = Space.load("progtuning", ["full", "lora"]).at(1e-4)
    assert {values["method"] for values in draws(space)} == {"full", "lora"}
    assert space.default(TrainingConfig()).method.name == "full"
    only = Space.load("peft", ["adapter"]).at(1e-4)
    assert {values["method"] for values in draws(only)} == {"adapter"}
    assert only.default(TrainingConfig()).method.name == "adapter"


def test_every_size_of_a_method_is_known_beforehand():
    sizes = {
        (m.name, m.own_fields()["lora_rank"])
        for m in Space.load("peft").methods()
        if m.name == "lora"
    }
    assert sizes == {("lora", 4), ("lora", 8), ("lora", 16)}


def test_every_mistake_of_a_file_is_named_with_its_place():
    found = problems(
        {
            "dimensions": {
                "n_stages": {"type": "int", "low": 1, "high": 9},
                "n_stage": STAGES,
                "curve": {"type": "categorical", "choices": ["linear", "quadratic"]},
                "learning_rate": {"type": "float", "low": 0.0, "high": 2.0},
                "metric": {"type": "categorical", "choices": ["taylr"]},
                "rotate": {"type": "categorical", "choices": ["yes"]},
                "rescore": {"type": "int", "low": 0, "high": 1},
                "stage_growth": {**FLOAT, "low": 0.5, "when": {"mode": "any_order"}},
                "lora_rank": {**STAGES, "when": {"curve": "cubic"}},
            },
            "fixed": {"batch_size": 0, "colour": "red"},
        }
    )
    assert "1..6, got 9" in found["dimensions.n_stages.high"]
    assert "did you mean n_stages?" in found["dimensions.n_stage"]
    assert "parts, linear, cubic, step" in found["dimensions.curve.choices.1"]
    assert "greater than 0" in found["dimensions.learning_rate.low"]
    assert "less than 1" in found["dimensions.learning_rate.high"]
    assert "did you mean taylor?" in found["dimensions.metric.choices.0"]
    assert "true or false" in found["dimensions.rotate.choices.0"]
    assert "must be true or false, got 1" in found["dimensions.rescore.high"]
    assert "neither fixed nor a dimension above" in found["dimensions.stage_growth.when"]
    assert "not among its values" in found["dimensions.lora_rank.when.curve"]
    assert "greater than or equal to 1" in found["fixed.batch_size"]
    assert "no setting 'colour'" in found["fixed.colour"]
    assert len(found) == 13


@pytest.mark.parametrize(
    ("dimension", "text"),
    [
        ({"type": "int", "low": 5, "high": 2}, "high must be at least low (5), got 2"),
        ({"type": "int", "low": 1, "high": 4, "step": 2}, "whole number of steps"),
        ({"type": "int", "low": 1.5, "high": 4}, "valid integer"),
        ({"type": "categorical", "choices": []}, "at least 1 item"),
        ({"type": "uniform", "low": 1, "high": 4}, "type must be int, float, cat"),
        ({"low": 1, "high": 4}, "type must be int, float, categorical or rates"),
        ({"type": "int", "low": 1, "high": 4, "max": 3}, "unknown key"),
    ],
)
def test_mistakes_of_form_are_named(dimension, text):
    ((place, found),) = problems({"dimensions": {"n_stages": dimension}}).items()
    assert text in found
    assert place.removeprefix("dimensions.n_stages") in ("", ".low", ".choices", ".max")


def test_a_logarithmic_range_begins_above_zero():
    found = problems({"dimensions": {"weight_decay": {**FLOAT, "log": True}}})
    assert "low must be greater than 0" in next(iter(found.values()))


@pytest.mark.parametrize(
    ("dimensions", "fixed", "text"),
    [
        ({}, {}, "at least one dimension"),
        (
            {"mode": {"type": "categorical", "choices": ["any_order"]}},
            {},
            "some points do not give a schedule: metric must be set",
        ),
        (
            {"mode": {"type": "categorical", "choices": ["prefix"]}},
            {"rotate": True},
            "some points do not give a schedule: rotate needs mode any_order",
        ),
        (
            {"mode": {"type": "categorical", "choices": ["prefix", "any_order"]}},
            {"rescore": True, "metric": "taylor"},
            "some points do not give a schedule: rescore needs mode any_order and ratio_of blocks",
        ),
        (
            {"ratio_of": {"type": "categorical", "choices": ["blocks", "contribution"]}},
            {"rescore": True, "metric": "taylor", "mode": "any_order"},
            "some points do not give a schedule: rescore needs mode any_order and ratio_of blocks",
        ),
        ({"n_stages": STAGES}, {"n_stages": 3}, "sets n_stages, which fixed also sets"),
        (
            {"n_stages": STAGES, "more": {**STAGES, "sets": "n_stages"}},
            {},
            "sets n_stages, which n_stages also sets",
        ),
    ],
)
def test_contradictions_are_found(dimensions, fixed, text):
    (found,) = problems({"dimensions": dimensions, "fixed": fixed}).values()
    assert text in found


def test_an_unknown_space_is_refused_with_a_suggestion():
    with pytest.raises(ConfigError, match="did you mean progtuning?"):
        Space.load("progtunning")
    with pytest.raises(ConfigError, match="there is no such file"):
        Space.load("nowhere/space.yaml")


def test_a_file_is_read(tmp_path):
    file = tmp_path / "my.yaml"
    file.write_text(yaml.safe_dump({"dimensions": {"n_stages": STAGES}}))
    assert Space.load(file).possible("n_stages") == [1, 2, 3, 4, 5, 6]
    file.write_text("- 1\n")
    with pytest.raises(ConfigError, match="must hold dimensions"):
        Space.load(file)
