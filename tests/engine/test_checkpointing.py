import pytest
import torch

from progsearch.engine.shortcuts.head_token import HeadToken
from progsearch.schedule import Schedule, Stage
from tests.support.runs import changed, four_block_bert, three_stages, tiny_engine, weights
from tests.support.tiny import TINY, tiny_model

DROPOUT = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}


def trained(schedule, model, *, checkpointing, **settings):
    # As `load_model` sets it: a block that is run again must not find its own keys and values.
    model.config.use_cache = False
    engine, model = tiny_engine(schedule, model, gradient_checkpointing=checkpointing, **settings)
    engine.advance(engine.total_steps)
    engine.finish()
    return weights(model)


def both(schedule, make, **settings):
    return [trained(schedule, make(), checkpointing=c, **settings) for c in (False, True)]


@pytest.mark.parametrize(
    ("architecture", "method"),
    [*((name, "full") for name in TINY), ("bert", "lora"), ("llama", "lora"), ("qwen2", "lora")],
)
def test_weights_have_the_same_bits(architecture, method):
    plain, checkpointed = both(three_stages(3), TINY[architecture], method=method)
    assert not changed(plain, checkpointed)


@pytest.mark.parametrize(
    "settings",
    [
        {"precision": "bf16"},
        {"prefix_cache": False},
        {"without": (HeadToken,)},
        {"gradient_accumulation": 2, "batch_size": 4},
        {"rows": True},
    ],
)
def test_they_do_so_with_dropout_and_a_middle_block_frozen(settings):
    schedule = Schedule(
        4,
        (
            Stage(0.0, 1 / 3, (0, 2), embeddings=True),
            Stage(1 / 3, 2 / 3, (1, 3), embeddings=False),
            Stage(2 / 3, 1.0, (1,), embeddings=False, head=False),
        ),
    )
    plain, checkpointed = both(schedule, lambda: four_block_bert(**DROPOUT), **settings)
    assert not changed(plain, checkpointed)


@pytest.mark.parametrize("architecture", ["bert", "llama", "qwen2"])
def test_the_gradients_of_every_stage_are_those_of_plain_passes(architecture):
    model = tiny_model(architecture, num_hidden_layers=4, use_cache=False)
    engines = [
        tiny_engine(
            three_stages(4),
            model,
            gradient_checkpointing=c,
            prefix_cache=False,
            learning_rate=1e-9,
        )[0]
        for c in (False, True)
    ]
    found = []
    for engine in engines:
        gradients = {}

        def keep(original=engine.optimizer.clip, into=gradients):
            for name, parameter in model.named_parameters():
                if parameter.grad is not None:
                    into[len(into), name] = parameter.grad.clone()
            original()

        engine.optimizer.clip = keep
        engine.advance(engine.total_steps)
        found.append(list(gradients.items()))
    assert len(found[0]) == len(found[1]) > 100
    for ((_, name), plain), ((_, other), checkpointed) in zip(*found, strict=True):
        assert name == other
        assert torch.allclose(checkpointed, plain, rtol=1e-4, atol=1e-6)


def test_only_blocks_that_gradients_pass_are_run_again():
    runs = []
    model = four_block_bert()
    for index, layer in enumerate(model.bert.encoder.layer):
        # Of a module in the block: the block itself is run again without its hooks.
        layer.attention.register_forward_pre_hook(lambda *_, index=index: runs.append(index))
    schedule = Schedule(4, (Stage(0.0, 1.0, (1, 2), embeddings=False),))
    engine, _ = tiny_engine(
        schedule, model, gradient_checkpointing=True, prefix_cache=False, epochs=1
    )
    engine.advance(1)
    # The last block keeps what one token needs.
    assert runs[-6:] == [0, 1, 2, 3, 2, 1]
    engine.predict(engine._split)
    assert runs[-4:] == [0, 1, 2, 3]


def test_blocks_keep_only_their_input():
    kept = []
    for checkpointing in (False, True):
        engine, _ = tiny_engine(
            three_stages(4), four_block_bert(), gradient_checkpointing=checkpointing, epochs=1
        )
        sizes = {}

        def pack(tensor, sizes=sizes):
            storage = tensor.untyped_storage()
            sizes[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            engine.advance(1)
        kept.append(sum(sizes.values()))
    assert kept[1] < 0.7 * kept[0]
