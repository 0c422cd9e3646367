"""The predicted memory is that of the allocator, which torch's profiler reports."""

import numpy as np
import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from progsearch.config import TrainingConfig, method_of
from progsearch.costs import steps_per_epoch
from progsearch.engine.four_bits import Packed
from progsearch.engine.loop import Engine
from progsearch.engine.shortcuts.frozen_prefix import FrozenPrefix
from progsearch.engine.shortcuts.occurring_rows import OccurringRows
from progsearch.engine.shortcuts.usual import usual_shortcuts
from progsearch.methods import apply_method
from progsearch.models.anatomy import find_anatomy
from progsearch.schedule import Schedule, Stage
from progsearch.schedule.plan import SegmentPlan
from progsearch.tasks import Split
from progsearch.training.step_memory import measure_memory
from tests.support.tiny import tiny_model

BLOCKS = 6
SIZES = {
    "vocab_size": 2000,
    "hidden_size": 128,
    "intermediate_size": 512,
    "num_attention_heads": 4,
    "num_hidden_layers": BLOCKS,
    "max_position_embeddings": 256,
    "use_cache": False,
}
DECODER = {"num_key_value_heads": 2, "head_dim": 32}
SCHEDULES = {
    "full": Schedule.full(BLOCKS),
    "top": Schedule.last_blocks(BLOCKS, 2),
    "head": Schedule.last_blocks(BLOCKS, 0),
    "middle": Schedule(BLOCKS, (Stage(0.0, 1.0, (2, 3), embeddings=False),)),
    "embeddings and top": Schedule(BLOCKS, (Stage(0.0, 1.0, (4, 5), embeddings=True),)),
}


def sized(architecture):
    sizes = SIZES | (DECODER if architecture in ("llama", "qwen2") else {})
    return tiny_model(architecture, **sizes)


def texts(n=24, longest=96, seed=0):
    draw = np.random.default_rng(seed)
    lengths = draw.integers(20, longest + 1, size=n)
    lengths[0] = longest
    ids = draw.integers(5, 2000, size=lengths.sum())
    return Split(ids, lengths, {"labels": draw.integers(0, 2, size=n)}, pad_id=0)


def predicted(model, schedule, method, split, training):
    anatomy = find_anatomy(model)
    trainable = apply_method(model, anatomy, method_of(method))
    device = torch.device("cpu")
    memory = measure_memory(
        model, anatomy, trainable, [split], training, training.precision, device=device
    )
    return memory.of(schedule, training, len(split))


def allocated(model, schedule, method, split, training):
    """The peak of the weights and of all that is allocated during a run."""
    anatomy = find_anatomy(model)
    trainable = apply_method(model, anatomy, method_of(method))
    shortcuts = usual_shortcuts(
        model,
        anatomy,
        training.precision,
        trained=trainable.names(*schedule.stages),
        splits=[split],
        left_out=[FrozenPrefix],
    )
    epoch = steps_per_epoch(len(split), training.batch_size, training.gradient_accumulation)
    plan = SegmentPlan(schedule, epoch, training.epochs)
    engine = Engine(model, anatomy, trainable, plan, training, split, shortcuts=shortcuts)
    # Weights are held before the first step, so that what is freed was not there before.
    engine._enter(plan.spans[0])
    tensors = [*model.parameters(), *model.buffers()]
    tensors += [t for p in packed(model) for t in (p.codes, p.scales)]
    # A weight in 4 bits is one number as a parameter.
    held = sum(
        {t.untyped_storage()._cdata: t.untyped_storage().nbytes() for t in tensors}.values()
    )
    held += sum(s._whole.numel() * 4 for s in shortcuts if isinstance(s, OccurringRows))
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        engine.advance(engine.total_steps)
        engine.predict(split)
    events = [e for e in found.profiler.kineto_results.events() if e.name() == "[memory]"]
    changes = [event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]
    return held + max(np.cumsum(changes))


def packed(model):
    """The weights that are held in 4 bits."""
    forwards = [vars(module).get("forward") for module in model.modules()]
    arguments = [argument for forward in forwards for argument in getattr(forward, "args", ())]
    return [argument for argument in arguments if isinstance(argument, Packed)]


def check(architecture, schedule, method, *, sizes=sized, split=None, **training):
    split = split or texts()
    given = {"epochs": 1, "batch_size": 8, "precision": "bf16"} | training
    settings = TrainingConfig(**given)
    ours = predicted(sizes(architecture), SCHEDULES[schedule], method, split, settings)
    real = allocated(sizes(architecture), SCHEDULES[schedule], method, split, settings)
    assert ours == pytest.approx(real, rel=0.1)


@pytest.mark.parametrize(
    ("architecture", "schedule"),
    [
        ("bert", "full"),
        ("bert", "middle"),
        ("bert", "head"),
        ("llama", "middle"),
        *(pytest.param("llama", name, marks=pytest.mark.slow) for name in ("full", "top", "head")),
        *(
            pytest.param(name, "embeddings and top", marks=pytest.mark.slow)
            for name in ("bert", "llama")
        ),
    ],
)
def test_memory_is_predicted_for_every_kind_of_schedule(architecture, schedule):
    check(architecture, schedule, "full")


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("full", {"precision": "fp32"}),
        ("full", {"gradient_checkpointing": True}),
        ("adapter", {}),
        ("lora", {}),
        ("lora", {"frozen_dtype": "nf4"}),
        ("full", {"optimizer": "adamw-8bit"}),
        *(
            pytest.param(method, settings, marks=pytest.mark.slow)
            for method, settings in [
                ("full", {"gradient_accumulation": 2}),
                ("full", {"optimizer": "adamw-8bit", "batch_size": 2}),
                ("lora", {"optimizer": "adamw-8bit"}),
                ("full", {"frozen_dtype": "fp32"}),
                ("full", {"frozen_dtype": "bf16", "precision": "fp32"}),
                ("full", {"frozen_dtype": "nf4"}),
                ("full", {"frozen_dtype": "nf4", "precision": "fp32"}),
                ("lora", {"frozen_dtype": "nf4", "gradient_checkpointing": True}),
                ("full", {"batch_size": 2}),
                ("lora", {"gradient_checkpointing": True}),
            ]
        ),
    ],
)
def test_memory_is_predicted_for_every_way_to_train(method, settings):
    check("bert", "middle", method, **settings)


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["full", "middle"])
@pytest.mark.parametrize(
    "architecture", ["qwen2", "gpt2", "distilbert", "deberta-v2", "modernbert"]
)
@pytest.mark.parametrize("settings", [{}, {"gradient_checkpointing": True}])
def test_memory_is_predicted_for_other_architectures(architecture, schedule, settings):
    if architecture in ("gpt2", "distilbert"):
        widths = {
            "gpt2": ("n_embd", "n_layer", "n_positions"),
            "distilbert": ("dim", "n_layers", "x"),
        }
        width, depth, _ = widths[architecture]
        overrides = {"vocab_size": 2000, width: 128, depth: BLOCKS, "use_cache": False}
        overrides |= (
            {"n_positions": 256}
            if architecture == "gpt2"
            else {"max_position_embeddings": 256, "hidden_dim": 512}
        )
        check(
            architecture, schedule, "full", sizes=lambda a: tiny_model(a, **overrides), **settings
        )
    else:
        check(architecture, schedule, "full", **settings)
