"""A Trainer with the callback reaches the engine's weights: for every type, full and LoRA."""

import pytest
import torch
from transformers import TrainingArguments

from progsearch.config import method_of
from progsearch.methods import apply_method
from progsearch.models.anatomy import find_anatomy
from tests.support.runs import changed, three_stages, tiny_engine, weights
from tests.support.trainers import ONE_EPOCH, PLAIN, trainer_for
from tests.support.types import CASES, model_of, split_of, that_matter

RATE = 1e-3
# Other tests have the rest of full fine-tuning with the usual models.
FAST = {("lora", "tokens", "llama"), ("lora", "causal-lm", "qwen2")}
ALL = [
    pytest.param(
        *case,
        method,
        marks=() if (method, *case) in FAST else [pytest.mark.slow],
        id="-".join((*case, method)),
    )
    for case in CASES
    for method in ("full", "lora")
]


@pytest.mark.parametrize(("kind", "name", "method"), ALL)
def test_trainer_with_the_callback_reaches_the_engines_weights(kind, name, method, tmp_path):
    schedule, split, ours = three_stages(3), split_of(kind), model_of(kind, name)
    engine, ours = tiny_engine(schedule, ours, split=split, method=method, learning_rate=RATE)
    engine.advance(engine.total_steps)
    theirs = model_of(kind, name)
    trainable = apply_method(theirs, find_anatomy(theirs), method_of(method), seed=0)
    names = trainable.names(*schedule.stages)
    for parameter_name, parameter in theirs.named_parameters():
        parameter.requires_grad_(parameter_name in names)
    before = weights(theirs)
    settings = {**PLAIN, **ONE_EPOCH, "learning_rate": RATE}
    args = TrainingArguments(output_dir=str(tmp_path), **settings)
    trainer_for(theirs, schedule, tmp_path, split=split, args=args).train()
    assert changed(before, weights(theirs)) >= {
        n for n in names if ".layers.2." in n or ".layer.2." in n
    }
    found, expected = (that_matter(kind, weights(model)) for model in (theirs, ours))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
