"""With a target per word, nothing that spares work changes a number: as for classifiers."""

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, TaskType, get_peft_model
from transformers import AutoTokenizer, DataCollatorForTokenClassification, Trainer

from progsearch.config import method_of
from progsearch.contribution import Probe, get_metric, metric_names
from progsearch.engine.shortcuts.base import Shortcut
from progsearch.engine.shortcuts.check import CHECKED, check_shortcuts
from progsearch.engine.shortcuts.frozen_prefix import FrozenPrefix
from progsearch.engine.shortcuts.head_token import HeadToken
from progsearch.methods import apply_method, merge_method
from progsearch.models.anatomy import find_anatomy
from progsearch.schedule import Schedule, Stage
from progsearch.training.callback import ProgtuningCallback
from progsearch.training.trainer_settings import training_arguments
from tests.support.probes import assert_same_state, state_of
from tests.support.runs import (
    DEVICE,
    changed,
    shortcut,
    tagged_split,
    three_stages,
    tiny_engine,
    weights,
)
from tests.support.tiny import save_tiny, tiny_model
from tests.support.trainers import ONE_EPOCH, trainer_for

LIKE_BERT_AND_DECODERS = ["bert", "gpt2", "llama", "qwen2"]
# Products of other shapes round differently; nothing else may differ.
TOLERANCE: dict[str, Any] = {"rtol": 1e-4, "atol": 1e-5}
_OFF = {
    "bert": ("hidden_dropout_prob", "attention_probs_dropout_prob"),
    "gpt2": ("resid_pdrop", "embd_pdrop", "attn_pdrop"),
}


def tagger(architecture, **overrides):
    """A tiny model with three outputs per token, without dropout."""
    off = dict.fromkeys((*_OFF.get(architecture, ()), "classifier_dropout"), 0.0)
    kind = "AutoModelForTokenClassification"
    return tiny_model(architecture, 3, auto_class=kind, **off | overrides)


def engine_for(architecture, schedule, split=None, **given):
    model = tagger(architecture)
    split = tagged_split(pad_id=model.config.pad_token_id) if split is None else split
    given = {"learning_rate": 1e-3} | given
    return tiny_engine(schedule, model, split=split, **given)


def trained(architecture, schedule, **given):
    engine, model = engine_for(architecture, schedule, **given)
    # With `rows`, a model knows only tokens that occur in training.
    split = tagged_split(pad_id=model.config.pad_token_id).subset(range(10))
    found = []
    while engine.step < engine.total_steps:
        engine.advance(engine.step + engine.steps_per_epoch)
        found.append(engine.predict(split))
    engine.finish()
    assert all(outputs.shape == (split.lengths.sum(), 3) for outputs in found)
    return weights(model), torch.stack(found)


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("architecture", ["bert", "llama", "qwen2"])
def test_training_is_the_same_without_any_shortcut(architecture, method):
    used = trained(architecture, three_stages(3), method=method, rows=True)
    plain = trained(architecture, three_stages(3), method=method, rows=True, without=[Shortcut])
    torch.testing.assert_close(used, plain, **TOLERANCE)


@pytest.mark.parametrize("architecture", LIKE_BERT_AND_DECODERS)
def test_frozen_blocks_are_kept_and_all_tokens_computed(architecture):
    engine, _ = engine_for(architecture, Schedule.last_blocks(3, 1))
    engine.advance(1)
    assert shortcut(engine, FrozenPrefix) is not None
    assert shortcut(engine, HeadToken).position is None


@pytest.mark.parametrize(
    ("architecture", "method"),
    [("bert", "lora"), ("gpt2", "full"), ("llama", "lora"), ("qwen2", "full")],
)
def test_the_comparison_before_training_takes_all_shortcuts(architecture, method):
    model = tagger(architecture)
    anatomy = find_anatomy(model)
    trainable = apply_method(model, anatomy, method_of(method), seed=0)
    split = tagged_split(pad_id=model.config.pad_token_id)
    found = check_shortcuts(model.to(DEVICE), anatomy, trainable, split, each=True)
    assert found.left_out == () and found.padding < 1e-5
    assert all(f.outputs < 1e-5 and f.gradients < 1e-4 for f in found.findings)


@settings(max_examples=5, deadline=None)
@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=4),
    st.sampled_from(["bert", "llama"]),
    st.sampled_from(["full", "lora"]),
)
def test_random_schedules_train_alike_with_and_without_the_cache(starts, architecture, method):
    bounds = [i / len(starts) for i in range(len(starts) + 1)]
    stages = tuple(
        Stage(a, b, tuple(range(first, 3)), embeddings=False)
        for (a, b), first in zip(itertools.pairwise(bounds), starts, strict=True)
    )
    used = trained(architecture, Schedule(3, stages), method=method)
    plain = trained(architecture, Schedule(3, stages), method=method, without=CHECKED)
    torch.testing.assert_close(used, plain, **TOLERANCE)


@pytest.mark.parametrize("architecture", ["bert", "llama"])
def test_a_restored_engine_reaches_the_same_bits(architecture):
    whole, model = engine_for(architecture, three_stages(3), prefix_cache=False)
    whole.advance(whole.total_steps)
    first, _ = engine_for(architecture, three_stages(3), prefix_cache=False)
    first.advance(4)
    state = {n: t.clone() for n, t in first.state(first.trained_names(0, 4)).items()}
    second, resumed = engine_for(architecture, three_stages(3), prefix_cache=False)
    second.restore(4, [state])
    second.advance(second.total_steps)
    assert not changed(weights(model), weights(resumed))


@pytest.mark.parametrize("architecture", ["bert", "llama"])
def test_a_step_is_the_same_however_it_is_cut_into_micro_batches(architecture):
    """The loss is the mean over the words of the step, not over its batches."""
    split = tagged_split(16)
    assert len(set(split.units.tolist())) > 3 and len(set(split.lengths.tolist())) > 3

    def train(batch_size, accumulation):
        engine, model = engine_for(
            architecture,
            Schedule.full(3),
            split,
            batch_size=batch_size,
            gradient_accumulation=accumulation,
            epochs=2,
        )
        assert engine.total_steps == 2
        engine.advance(2)
        return weights(model)

    torch.testing.assert_close(train(4, 4), train(16, 1), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("architecture", LIKE_BERT_AND_DECODERS)
def test_contribution_metrics_score_it_and_weigh_batches_by_their_words(architecture):
    model = tagger(architecture)
    split = tagged_split(12, pad_id=model.config.pad_token_id)
    rows = [[0, 1, 2, 3], [4, 5]]
    probe = Probe(
        model, find_anatomy(model), [split.batch(r) for r in rows], [split.batch(range(6, 12))], 0
    )
    before = state_of(model)
    for name, _ in metric_names():
        scores = get_metric(name).scores(probe)
        assert len(set(scores)) == 3, name
        assert_same_state(model, before)
    with torch.no_grad():
        whole = float(model(**split.batch(range(6))).loss)
    assert probe.loss() == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("architecture", ["bert", "llama"])
def test_trainer_with_the_callback_reaches_the_engines_weights(architecture, tmp_path):
    engine, ours = engine_for(architecture, three_stages(3), learning_rate=1e-2)
    engine.advance(engine.total_steps)
    theirs = tagger(architecture)
    trainer_for(theirs, three_stages(3), tmp_path, split=tagged_split()).train()
    torch.testing.assert_close(weights(theirs), weights(ours), rtol=0, atol=1e-5)


def test_a_collator_of_transformers_and_the_arguments_of_a_file_train(exported, tmp_path, caplog):
    file = exported(schedule=three_stages(3), costs={"n_blocks": 3}, gradient_accumulation=2)
    data = tagged_split()
    rows = [
        {name: values[0].tolist() for name, values in data.batch([row]).items()}
        for row in range(len(data))
    ]
    model = tagger("bert")
    before = weights(model)
    tokenizer = AutoTokenizer.from_pretrained(save_tiny(tmp_path / "model"))
    trainer = Trainer(
        model=model,
        args=training_arguments(file, output_dir=tmp_path / "out", report_to=[], use_cpu=True),
        train_dataset=rows,
        data_collator=DataCollatorForTokenClassification(tokenizer),
        callbacks=[ProgtuningCallback(file)],
    )
    trainer.train()
    assert changed(before, weights(model)) >= {"classifier.weight"}
    assert "sum over its micro-batches in the Trainer" in caplog.text
    caplog.clear()
    again = tagger("bert")
    again.accepts_loss_kwargs = False
    trainer_for(
        again, file, tmp_path, split=data, args=training_arguments(file, tmp_path, **ONE_EPOCH)
    ).train()
    assert "mean of its micro-batches' means in the Trainer" in caplog.text


@pytest.mark.parametrize("architecture", ["bert", "llama"])
def test_lora_trains_and_keeps_the_new_head(architecture):
    engine, model = engine_for(architecture, Schedule.full(3), method="lora", learning_rate=1e-2)
    before = weights(model)
    engine.advance(engine.total_steps)
    outputs = engine.predict(tagged_split(8))
    head = "classifier.weight" if architecture == "bert" else "score.weight"
    assert head in changed(before, weights(model))
    merge_method(model, method_of("lora"))
    plain = tagger(architecture)
    plain.load_state_dict(model.state_dict())
    batch = tagged_split(8).batch(range(8))
    logits = plain(**batch).logits[batch["attention_mask"].bool()]
    torch.testing.assert_close(logits.detach(), outputs, **TOLERANCE)


def test_a_peft_model_for_tokens_trains_its_head_under_the_callback(tmp_path):
    lora = LoraConfig(task_type=TaskType.TOKEN_CLS, target_modules=["query", "value"])
    model = get_peft_model(tagger("bert"), lora)
    before = weights(model)
    trainer_for(model, Schedule.last_blocks(3, 1), tmp_path, split=tagged_split()).train()
    moved = changed(before, weights(model))
    assert any("classifier.modules_to_save" in name for name in moved)
    assert {".layer.2." in name or "classifier" in name for name in moved} == {True}
