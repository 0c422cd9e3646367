import numpy as np
import pytest
import torch

from progsearch.engine.frozen_weights import FrozenWeights, held_weights
from progsearch.models.anatomy import find_anatomy
from progsearch.schedule import Schedule, Stage
from tests.support.runs import changed, four_block_bert, three_stages, tiny_engine, weights
from tests.support.tiny import TINY, tiny_model

DROPOUT = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}


def trained(frozen_dtype, schedule, model=None, **settings):
    engine, model = tiny_engine(schedule, model, frozen_dtype=frozen_dtype, **settings)
    engine.advance(engine.total_steps)
    engine.finish()
    return weights(model)


def thawing(n_blocks):
    """The upper blocks, then the lower ones, then all of them."""
    half = n_blocks // 2
    return Schedule(
        n_blocks,
        (
            Stage(0.0, 1 / 3, tuple(range(half, n_blocks)), embeddings=False),
            Stage(1 / 3, 2 / 3, tuple(range(half)), embeddings=False),
            Stage(2 / 3, 1.0, tuple(range(n_blocks)), embeddings=True),
        ),
    )


@pytest.mark.parametrize(
    ("architecture", "method"),
    [*((name, "full") for name in TINY), ("bert", "lora"), ("gpt2", "lora"), ("qwen2", "lora")],
)
def test_under_autocast_they_give_the_same_bits(architecture, method):
    held, plain = (
        trained(choice, three_stages(3), TINY[architecture](), method=method, precision="bf16")
        for choice in ("auto", "fp32")
    )
    assert not changed(held, plain)


def test_under_autocast_it_makes_no_difference_to_ask_for_bf16():
    asked, plain = (
        trained(choice, three_stages(4), precision="bf16") for choice in ("bf16", "fp32")
    )
    assert not changed(asked, plain)


@pytest.mark.parametrize("method", ["full", "bitfit", "adapter"])
@pytest.mark.parametrize("settings", [{}, {"gradient_checkpointing": True}])
def test_they_do_so_when_blocks_thaw(method, settings):
    held, plain = (
        trained(
            choice,
            thawing(4),
            four_block_bert(**DROPOUT),
            method=method,
            precision="bf16",
            **settings,
        )
        for choice in ("auto", "fp32")
    )
    assert not changed(held, plain)


def test_frozen_weights_are_held_in_16_bits_and_trained_ones_are_not():
    engine, model = tiny_engine(thawing(4), precision="bf16")
    held = held_weights(model, find_anatomy(model))
    assert len(held) == 4 * 6
    for until in (3, 6, 9):
        engine.advance(until)
        for parameter in held.values():
            wanted = torch.float32 if parameter.requires_grad else torch.bfloat16
            assert parameter.dtype == wanted
    others = [p for name, p in model.named_parameters() if name not in held]
    assert {p.dtype for p in others} == {torch.float32}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_in_fp32_nothing_is_held_unless_it_is_asked_for(precision):
    engine, model = tiny_engine(three_stages(4), precision=precision, frozen_dtype="fp32")
    engine.advance(engine.total_steps)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    engine, model = tiny_engine(three_stages(4), precision="fp32")
    engine.advance(engine.total_steps)
    assert {p.dtype for p in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("architecture", ["bert", "gpt2", "llama", "qwen2"])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_in_fp32_they_may_be_rounded(architecture, method):
    # The same as training a model whose weights were rounded, where no block thaws.
    schedule = Schedule(3, (Stage(0.0, 1.0, (1,), embeddings=False),))
    model = TINY[architecture]()
    before = weights(model)
    held = trained("bf16", schedule, model, method=method, prefix_cache=False)
    rounded = TINY[architecture]()
    names = held_weights(rounded, find_anatomy(rounded))
    with torch.no_grad():
        for name, parameter in names.items():
            if ".1." not in name or method == "lora":
                parameter.copy_(parameter.bfloat16())
    plain = trained("fp32", schedule, rounded, method=method, prefix_cache=False)
    for name, value in held.items():
        exact = before.get(name.replace(".base_layer", ""))
        if exact is not None and torch.equal(value, exact):
            continue
        assert torch.allclose(value, plain[name], atol=1e-5), name
    frozen = [n.replace(".base_layer", "") for n in held if n.endswith("weight")]
    assert sum(n in before for n in frozen) > 10


def test_what_is_stored_and_saved_is_exact():
    engine, model = tiny_engine(three_stages(4), precision="bf16")
    before = weights(model)
    engine.advance(6)
    names = [name for name, _ in model.named_parameters()]
    state = engine.state(names)
    assert {t.dtype for key, t in state.items() if key.startswith("weight:")} == {torch.float32}
    plain, other = tiny_engine(three_stages(4), precision="bf16", frozen_dtype="fp32")
    plain.advance(6)
    expected = plain.state(names)
    assert all(torch.equal(state[key], value) for key, value in expected.items())
    engine.finish()
    assert not changed(weights(model), weights(other))
    assert changed(before, weights(model))


@pytest.mark.parametrize("frozen_dtype", ["auto", "bf16"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("at", [2, 3, 5, 7])
def test_a_run_that_is_resumed_gives_the_same_bits(frozen_dtype, precision, at):
    given = {"precision": precision, "frozen_dtype": frozen_dtype, "prefix_cache": False}
    schedule = thawing(4)
    whole = trained(frozen_dtype, schedule, precision=precision, prefix_cache=False)
    first, model = tiny_engine(schedule, **given)
    first.advance(at)
    names = [name for name, _ in model.named_parameters()]
    state = {key: value.clone() for key, value in first.state(names).items()}
    second, other = tiny_engine(schedule, **given)
    second.restore(at, [state])
    second.advance(second.total_steps)
    second.finish()
    assert not changed(weights(other), whole)


@pytest.mark.parametrize("frozen_dtype", ["auto", "bf16"])
def test_outputs_in_another_precision_are_those_of_the_exact_weights(frozen_dtype):
    precision = "bf16" if frozen_dtype == "auto" else "fp32"
    engine, _ = tiny_engine(three_stages(4), precision=precision, frozen_dtype=frozen_dtype)
    plain, _ = tiny_engine(three_stages(4), precision="bf16", frozen_dtype="fp32")
    asked = "fp32" if precision == "bf16" else "bf16"
    split = engine._split
    for one in (engine, plain):
        one.advance(0)
    if precision == "bf16":
        for one in (engine, plain):
            one.advance(5)
    assert torch.equal(
        engine.predict(split, precision=asked), plain.predict(split, precision=asked)
    )
    engine.advance(engine.total_steps)


class ReadsItsWeight(torch.nn.Module):
    """Adds a sum of a linear layer's weight, which autocast does not cast."""

    def __init__(self, block, layer):
        super().__init__()
        self.block, self.layer = block, [layer]

    def forward(self, hidden, *args, **kwargs):
        return self.block(hidden, *args, **kwargs) + self.layer[0].weight.sum(-1).float() * 1e-3


def test_a_model_that_reads_its_weights_otherwise_keeps_them(caplog):
    model = tiny_model("bert", num_hidden_layers=2)
    dense = model.bert.encoder.layer[0].attention.output.dense
    norm = model.bert.encoder.layer[0].output
    model.bert.encoder.layer[0].output = ReadsItsWeight(norm, dense)
    schedule = Schedule(2, (Stage(0.0, 1.0, (1,), embeddings=False),))
    with caplog.at_level("INFO"):
        engine, _ = tiny_engine(schedule, model, precision="bf16")
        engine.advance(2)
    assert "frozen weights stay in fp32: outputs would change" in caplog.text
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_without_room_on_the_disk_they_stay_in_fp32(monkeypatch, caplog):
    def full(shape, dtype):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("progsearch.engine.frozen_weights.mapped", full)
    with caplog.at_level("INFO"):
        found = trained("auto", three_stages(4), precision="bf16")
    assert "frozen weights stay in fp32: OSError" in caplog.text
    assert not changed(found, trained("fp32", three_stages(4), precision="bf16"))


def test_a_model_without_frozen_layers_is_left_alone():
    model = four_block_bert()
    held = FrozenWeights(model, find_anatomy(model), "auto", "bf16")
    engine, _ = tiny_engine(three_stages(4))
    held.hold(engine._split)
    assert held.masters([name for name, _ in model.named_parameters()]) == {}
    assert np.all([p.dtype == torch.float32 for p in model.parameters()])
