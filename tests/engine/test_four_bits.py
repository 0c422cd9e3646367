"""Frozen weights in 4 bits, against plain torch and the layers of bitsandbytes."""

from typing import Any

import pytest
import torch

from progsearch.config import method_of
from progsearch.engine.four_bits import Packed, packed_bytes
from progsearch.engine.frozen_weights import held_weights
from progsearch.errors import MachineFailed, ModelError
from progsearch.methods import apply_method
from progsearch.models.anatomy import find_anatomy
from progsearch.schedule import Schedule, Stage
from progsearch.store import Store
from tests.engine.test_frozen_weights import DROPOUT, ReadsItsWeight, thawing, trained
from tests.support.runs import changed, four_block_bert, three_stages, tiny_engine, weights
from tests.support.tiny import TINY, tiny_model

bitsandbytes = pytest.importorskip("bitsandbytes")

EXACT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
TOP = Schedule(4, (Stage(0.0, 1.0, (2, 3), embeddings=False),))


def rounded(weight):
    """The weight as the library itself rounds it."""
    codes, state = bitsandbytes.functional.quantize_4bit(weight, blocksize=64, quant_type="nf4")
    return bitsandbytes.functional.dequantize_4bit(codes, state).reshape(weight.shape)


def in_four_bits(model, blocks):
    """A model whose linear layers in these blocks are those of the library."""
    names = find_anatomy(model).blocks
    for index in blocks:
        block = model.get_submodule(names[index])
        for name, layer in list(block.named_modules()):
            if type(layer) is torch.nn.Linear:
                made = bitsandbytes.nn.Linear4bit(
                    layer.in_features,
                    layer.out_features,
                    compute_dtype=torch.float32,
                    compress_statistics=False,
                    quant_type="nf4",
                )
                made.weight = bitsandbytes.nn.Params4bit(
                    layer.weight.data,
                    requires_grad=False,
                    compress_statistics=False,
                    quant_type="nf4",
                )
                made.bias = layer.bias
                parent, _, child = name.rpartition(".")
                setattr(block.get_submodule(parent), child, made.to("cpu"))
    return model


@pytest.mark.parametrize("shape", [(16, 16), (3, 5), (7, 9), (33, 65), (1, 2), (2, 1), (1, 1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_weight_is_rounded_as_the_library_rounds_it(shape, dtype):
    torch.manual_seed(0)
    weight = torch.randn(shape)
    packed = Packed.of(weight)
    assert torch.equal(packed.to(dtype), rounded(weight).to(dtype))
    held = packed.codes, packed.scales
    assert sum(t.numel() * t.element_size() for t in held) == packed_bytes(weight.numel())


@pytest.mark.parametrize(
    "architecture",
    [
        n if n in ("bert", "gpt2", "llama") else pytest.param(n, marks=pytest.mark.slow)
        for n in TINY
    ],
)
def test_each_architecture_trains_as_one_whose_weights_were_rounded(architecture):
    blocks = 3
    schedule = Schedule(blocks, (Stage(0.0, 1.0, (1,), embeddings=False),))
    held = trained("nf4", schedule, TINY[architecture](), prefix_cache=False)
    other = TINY[architecture]()
    frozen = {
        name: parameter.clone()
        for name, parameter in held_weights(other, find_anatomy(other)).items()
        if find_anatomy(other).part_of(name) != 1
    }
    with torch.no_grad():
        for name in frozen:
            other.get_parameter(name).copy_(rounded(other.get_parameter(name)))
    plain = trained("fp32", schedule, other, prefix_cache=False)
    assert len(frozen) > 4
    for name, value in held.items():
        # Those that were held are the exact ones again.
        wanted = frozen.get(name, plain[name])
        assert torch.allclose(value, wanted, atol=2e-5), name


def plain_training(model, schedule):
    """A training loop of plain torch with the batches, rates and decay of the engine."""
    engine, _ = tiny_engine(schedule, four_block_bert())
    trained_names = engine.trained_names(0, engine.total_steps)
    for name, parameter in model.named_parameters():
        if parameter.dtype == torch.float32:
            parameter.requires_grad_(name in trained_names)
    decayed = engine.optimizer._decayed
    groups: list[dict[str, Any]] = [
        {"params": [p for n, p in model.named_parameters() if n in trained_names & decayed]},
        {
            "params": [p for n, p in model.named_parameters() if n in trained_names - decayed],
            "weight_decay": 0.0,
        },
    ]
    optimizer = torch.optim.AdamW(groups, lr=0.0, weight_decay=0.01)
    model.train()
    for step in range(engine.total_steps):
        epoch, place = divmod(step, engine.steps_per_epoch)
        (batch,) = engine._data.steps_of(epoch)[place]
        for group in optimizer.param_groups:
            group["lr"] = engine.optimizer.learning_rate(step)
        optimizer.zero_grad()
        inputs = engine._split.gather(torch.from_numpy(batch.indices), batch.width)
        model(**inputs).loss.backward()
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
    return {name: dict(model.named_parameters())[name].detach() for name in trained_names}


@pytest.mark.parametrize("prefix_cache", [True, False])
def test_a_suffix_on_a_frozen_prefix_is_trained_as_by_torch_with_layers_of_the_library(
    prefix_cache,
):
    ours, exact = (
        trained(choice, TOP, four_block_bert(**EXACT), prefix_cache=prefix_cache)
        for choice in ("nf4", "fp32")
    )
    wanted = plain_training(in_four_bits(four_block_bert(**EXACT), (0, 1)), TOP)
    for name, value in wanted.items():
        assert torch.allclose(ours[name], value, atol=2e-5), name
    far = max((exact[name] - value).abs().max() for name, value in wanted.items())
    assert far > 1e-3


def test_gradients_go_through_frozen_blocks_in_four_bits():
    schedule = Schedule(4, (Stage(0.0, 1.0, (3,), embeddings=True),))
    ours = trained("nf4", schedule, four_block_bert(**EXACT))
    wanted = plain_training(in_four_bits(four_block_bert(**EXACT), (0, 1, 2)), schedule)
    for name, value in wanted.items():
        assert torch.allclose(ours[name], value, atol=2e-5), name


@pytest.mark.parametrize(
    ("method", "precision"),
    [
        ("full", "fp32"),
        *(
            pytest.param(method, precision, marks=pytest.mark.slow)
            for method in ("full", "bitfit", "adapter", "lora")
            for precision in ("fp32", "bf16")
            if (method, precision) != ("full", "fp32")
        ),
    ],
)
def test_checkpointing_and_reuse_change_no_bit(method, precision, tmp_path):
    given = {"method": method, "precision": precision}
    model = four_block_bert(**DROPOUT)
    whole = trained("nf4", thawing(4), model, **given)
    again = trained("nf4", thawing(4), four_block_bert(**DROPOUT), **given)
    less = trained(
        "nf4", thawing(4), four_block_bert(**DROPOUT), gradient_checkpointing=True, **given
    )
    store = Store(tmp_path)
    for _ in range(2):
        shared = trained("nf4", thawing(4), four_block_bert(**DROPOUT), store=store, **given)
        assert not changed(whole, shared)
    assert not changed(whole, again)
    assert not changed(whole, less)


@pytest.mark.parametrize("at", [2, 5])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_that_is_resumed_gives_the_same_bits(at, precision):
    given = {"precision": precision, "frozen_dtype": "nf4", "prefix_cache": False}
    whole = trained("nf4", thawing(4), precision=precision, prefix_cache=False)
    first, model = tiny_engine(thawing(4), **given)
    first.advance(at)
    names = [name for name, _ in model.named_parameters()]
    state = {key: value.clone() for key, value in first.state(names).items()}
    second, other = tiny_engine(thawing(4), **given)
    second.restore(at, [state])
    second.advance(second.total_steps)
    second.finish()
    assert not changed(weights(other), whole)


def test_a_block_thaws_with_its_exact_weights_and_what_stays_frozen_is_saved_exactly():
    engine, model = tiny_engine(thawing(4), frozen_dtype="nf4")
    exact = {n: p.detach().clone() for n, p in model.named_parameters() if ".layer.0." in n}
    engine.advance(3)
    held = held_weights(model, find_anatomy(model))
    for name, parameter in held.items():
        assert bool(parameter.isnan().all()) is not parameter.requires_grad
        assert name not in exact or parameter.shape == exact[name].shape
    names = [name for name, _ in model.named_parameters()]
    assert all(t.isfinite().all() for key, t in engine.state(names).items() if "weight:" in key)
    engine.advance(4)
    moved = {n: (p - exact[n]).abs().max() for n, p in model.named_parameters() if n in exact}
    # One step of Adam moves each number by the learning rate at most, rounding by much more.
    assert 0 < max(moved.values()) < 1.1e-2
    engine.advance(engine.total_steps)
    engine.finish()
    assert all(p.isfinite().all() for p in model.parameters())
    engine, model = tiny_engine(TOP, frozen_dtype="nf4")
    before = weights(model)
    engine.advance(engine.total_steps)
    engine.finish()
    after = weights(model)
    assert {name for name in changed(before, after) if ".layer.0." in name} == set()


def test_outputs_are_those_of_the_weights_as_they_are_held():
    engine, model = tiny_engine(TOP, four_block_bert(**EXACT), frozen_dtype="nf4")
    engine.advance(1)
    split = engine._split
    found = engine.predict(split)
    other = in_four_bits(four_block_bert(**EXACT), (0, 1))
    state = engine.state([name for name, _ in model.named_parameters()])
    with torch.no_grad():
        for name, parameter in other.named_parameters():
            if parameter.dtype == torch.float32:
                parameter.copy_(state[f"weight:{name}"])
    batch = split.gather(torch.arange(len(split)), int(split.lengths.max()))
    # In evaluation mode, the library packs weights for kernels that it may not have.
    wanted = other.train()(**batch).logits
    assert torch.allclose(found, wanted, atol=1e-5)


def test_a_frozen_weight_takes_four_and_a_half_bits():
    engine, model = tiny_engine(TOP, frozen_dtype="nf4")
    engine.advance(1)
    taken = numbers = 0
    for name, weight in held_weights(model, find_anatomy(model)).items():
        if not weight.requires_grad:
            layer = model.get_submodule(name.removesuffix(".weight"))
            held = vars(layer)["forward"].args[1]
            taken += 8 * (held.codes.nbytes + held.scales.nbytes)
            taken += 8 * weight.untyped_storage().nbytes()
            numbers += weight.numel()
    assert taken / numbers == pytest.approx(4.5, abs=0.1)


def test_qlora_is_lora_on_weights_in_four_bits():
    given = {"precision": "fp32", "prefix_cache": False}
    schedule = three_stages(4)
    lora = trained("nf4", schedule, four_block_bert(), method="lora", **given)
    engine, model = tiny_engine(schedule, method="lora", frozen_dtype="nf4", **given)
    engine.advance(engine.total_steps)
    held = held_weights(model, find_anatomy(model))
    assert len(held) == 4 * 6
    assert all(p.isnan().all() for p in held.values())
    engine.finish()
    assert not changed(weights(model), lora)


def test_peft_on_layers_of_the_library_gives_the_same_outputs():
    from peft import LoraConfig, get_peft_model

    engine, model = tiny_engine(
        TOP, four_block_bert(**EXACT), method="lora", frozen_dtype="nf4", prefix_cache=False
    )
    engine.advance(engine.total_steps)
    split = engine._split
    found = engine.predict(split)
    engine.finish()
    base = in_four_bits(four_block_bert(**EXACT), range(4))
    targets = r".*encoder.*(query|key|value|dense)"
    config = LoraConfig(r=8, lora_alpha=16.0, target_modules=targets, task_type="SEQ_CLS")
    apart = get_peft_model(base, config)
    ours = weights(model)
    with torch.no_grad():
        for name, parameter in apart.named_parameters():
            own = name.removeprefix("base_model.model.").replace("modules_to_save.default.", "")
            if parameter.dtype == torch.float32 and own in ours:
                parameter.copy_(ours[own])
    batch = split.gather(torch.arange(len(split)), int(split.lengths.max()))
    wanted = apart.train()(**batch).logits
    assert torch.allclose(found, wanted, atol=1e-5)


def test_a_model_that_reads_its_weights_otherwise_is_refused():
    model = tiny_model("bert", num_hidden_layers=2)
    dense = model.bert.encoder.layer[0].attention.output.dense
    norm = model.bert.encoder.layer[0].output
    model.bert.encoder.layer[0].output = ReadsItsWeight(norm, dense)
    schedule = Schedule(2, (Stage(0.0, 1.0, (1,), embeddings=False),))
    engine, _ = tiny_engine(schedule, model, frozen_dtype="nf4")
    with pytest.raises(ModelError, match="cannot be held in nf4 .outputs would change.; give"):
        engine.advance(2)
    assert all(p.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("frozen_dtype", ["nf4", "bf16"])
def test_without_room_on_the_disk_rounded_weights_do_not_become_exact(monkeypatch, frozen_dtype):
    def full(shape, dtype):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("progsearch.engine.frozen_weights.mapped", full)
    engine, _ = tiny_engine(TOP, frozen_dtype=frozen_dtype)
    with pytest.raises(MachineFailed, match=f"cannot be held in {frozen_dtype} .OSError"):
        engine.advance(2)


def test_the_method_asks_for_four_bits_by_itself():
    assert method_of("qlora").frozen_dtype == "nf4"
    model = four_block_bert()
    trainable = apply_method(model, find_anatomy(model), method_of("qlora"))
    other = four_block_bert()
    wanted = apply_method(other, find_anatomy(other), method_of("lora"))
    assert trainable == wanted
    assert not changed(weights(model), weights(other))
