"""Question answering in the user's own Trainer, and the loss without padding."""

import json
import math
import random
from typing import Any

import pytest
import torch
from transformers import AutoModelForQuestionAnswering

from progsearch.config import TaskConfig
from progsearch.contribution import get_metric, metric_names
from progsearch.contribution.probe import Probe
from progsearch.models.anatomy import find_anatomy
from progsearch.models.head import Head
from progsearch.models.loading import load_model
from progsearch.models.span_loss import SPAN, leave_out_padding
from progsearch.schedule import Schedule
from progsearch.store import Store
from progsearch.tasks.split import batch_units
from progsearch.training import TrainingRun, save_run
from tests.support.runs import (
    changed,
    config_of,
    finish,
    three_stages,
    tiny_engine,
    tiny_span_split,
    weights,
)
from tests.support.tiny import save_tiny, tiny_model
from tests.support.trainers import NO_DROPOUT, trainer_for

NAMES_OF_FILES = {"train": "train", "validation": "dev"}


def span_model(architecture, **settings):
    return tiny_model(architecture, auto_class=SPAN, pad_token_id=0, **settings)


# Biases that are added to the scores of all tokens; see tests/engine/shortcuts/test_spans.py.
def mattering(model):
    all_tokens = ("qa_outputs.bias", "layer.2.output.LayerNorm.bias")
    return {n: w for n, w in weights(model).items() if not n.endswith(all_tokens)}


@pytest.mark.parametrize("architecture", ["bert", "llama", "qwen3"])
def test_trainer_with_the_callback_reaches_the_engines_weights(architecture, tmp_path, caplog):
    caplog.set_level("INFO", logger="progsearch")
    settings: dict[str, Any] = NO_DROPOUT if architecture == "bert" else {}
    schedule, ours = three_stages(3), span_model(architecture, **settings)
    leave_out_padding(ours)
    engine, ours = tiny_engine(schedule, ours, split=tiny_span_split())
    engine.advance(engine.total_steps)
    theirs = span_model(architecture, **settings)
    trainer_for(theirs, schedule, tmp_path, split=tiny_span_split()).train()
    torch.testing.assert_close(mattering(theirs), mattering(ours), rtol=0, atol=1e-5)
    assert "padding is left out of the loss" in caplog.text
    # The user's model is left as it was.
    assert not theirs._forward_hooks


def test_trainer_accumulates_as_the_engine_does(tmp_path):
    schedule, ours = three_stages(3), span_model("bert", **NO_DROPOUT)
    leave_out_padding(ours)
    split, accumulation = tiny_span_split(), {"gradient_accumulation_steps": 2}
    engine, ours = tiny_engine(schedule, ours, split=split, batch_size=4, gradient_accumulation=2)
    engine.advance(engine.total_steps)
    theirs = span_model("bert", **NO_DROPOUT)
    trainer_for(theirs, schedule, tmp_path, batch_size=4, split=split, **accumulation).train()
    torch.testing.assert_close(mattering(theirs), mattering(ours), rtol=0, atol=1e-5)


@pytest.mark.parametrize("architecture", ["bert", "llama"])
def test_the_loss_of_a_window_does_not_depend_on_those_beside_it(architecture):
    model, split = span_model(architecture), tiny_span_split()
    leave_out_padding(model)
    with torch.no_grad():
        together = model(**split.batch(range(8))).loss
        alone = [model(**split.batch([row])).loss for row in range(8)]
    torch.testing.assert_close(together, torch.stack(alone).mean())
    # Where nothing is padded, it is the loss of transformers to the last bit.
    plain = span_model(architecture)
    with torch.no_grad():
        assert torch.equal(plain(**split.batch([0])).loss, alone[0])
        # With padding, that of transformers is another, which is why it is left out.
        assert not torch.allclose(plain(**split.batch(range(8))).loss, together, rtol=1e-4)


def test_accumulated_batches_of_unequal_lengths_make_the_step_of_one_large_batch():
    def train(**training):
        model = span_model("bert", **NO_DROPOUT)
        leave_out_padding(model)
        split = tiny_span_split(16)
        engine, model = tiny_engine(
            Schedule.full(3), model, split=split, epochs=2, learning_rate=1e-3, **training
        )
        engine.advance(engine.total_steps)
        return mattering(model)

    whole = train(batch_size=16)
    parts = train(batch_size=4, gradient_accumulation=4)
    torch.testing.assert_close(parts, whole, rtol=1e-3, atol=1e-4)


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """A tiny model and short texts with one name each, which is the answer."""
    folder = tmp_path_factory.mktemp("songs")
    names = ["ann", "bob", "eve"]
    model = save_tiny(folder / "model", ["who", "sings", "here", *names])
    draw, rows = random.Random(0), []
    for _ in range(36):
        words = ["here"] * draw.randint(2, 30)
        words[draw.randrange(len(words))] = name = draw.choice(names)
        context = " ".join(words)
        answer = {"answer": name, "answer_start": context.index(name)}
        rows.append(json.dumps({"question": "who sings", "context": context, **answer}))
    (folder / "train.jsonl").write_text("\n".join(rows))
    (folder / "dev.jsonl").write_text("\n".join(rows[:9]))
    files = {f"{n}_file": str(folder / f"{f}.jsonl") for n, f in NAMES_OF_FILES.items()}
    return str(model), TaskConfig(name="songs", max_length=20, doc_stride=4, **files)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_branch_takes_stored_steps_and_reaches_the_same_bits(songs, method, tmp_path):
    store, stages = Store(tmp_path, budget=10**9), three_stages(3).stages
    branch = Schedule(3, (*stages[:2], stages[2].__class__(2 / 3, 1.0, (1, 2), False)))
    first, run, shared = (
        TrainingRun.from_config(config_of(songs, *given), store=s, prefix_cache=False)
        for given, s in (
            ((None, method), store),
            ((branch, method), None),
            ((branch, method), store),
        )
    )
    finish(first)
    alone, _ = finish(run)
    records, result = finish(shared)
    assert result.spent.steps_trained == shared.total_steps - round(shared.total_steps * 2 / 3)
    assert {frozenset(record.metrics) for record in records} == {frozenset(("f1", "exact_match"))}
    assert [r.metrics for r in records] == [r.metrics for r in alone]
    assert not changed(weights(shared.model), weights(run.model))


def test_a_saved_model_gives_the_same_answers_in_plain_transformers(songs, tmp_path):
    run = TrainingRun.from_config(config_of(songs, epochs=1))
    list(run.records())
    # It raises if plain transformers gives other outputs.
    metrics = save_run(run, tmp_path / "saved")
    assert metrics.keys() == {"f1", "exact_match"}
    model = AutoModelForQuestionAnswering.from_pretrained(tmp_path / "saved")
    assert not model._forward_hooks


@pytest.mark.parametrize("architecture", ["bert", "llama"])
def test_every_contribution_metric_scores_the_blocks(architecture):
    model = span_model(architecture)
    leave_out_padding(model)
    split = tiny_span_split()
    probe = Probe(
        model=model,
        anatomy=find_anatomy(model),
        batches=[split.batch(range(5)), split.batch(range(5, 8))],
        train_batches=[split.batch(range(8, 16))],
        seed=0,
    )
    for name, _ in metric_names():
        scores = get_metric(name).scores(probe)
        assert len(scores) == len(set(scores)) == 3, name
        assert all(map(math.isfinite, scores)), name
    # Windows are the units, so batches of unequal sizes give the mean gradient of all windows.
    whole = Probe(probe.model, probe.anatomy, [split.batch(range(8))], [], seed=0)
    torch.testing.assert_close(probe.gradients, whole.gradients, rtol=1e-4, atol=1e-6)
    assert probe.loss() == pytest.approx(whole.loss())


@pytest.mark.parametrize("architecture", ["bert", "gpt2", "llama", "qwen3"])
def test_the_body_comes_from_the_files(architecture, tmp_path):
    """Llama and its like call it otherwise for questions: transformers makes a random one."""
    folder = save_tiny(tmp_path / "model", architecture=architecture)
    model = load_model(str(folder), Head(2, auto_class=SPAN))
    expected = dict(tiny_model(architecture).base_model.named_parameters())
    found = {n: p for n, p in model.base_model.named_parameters() if n in expected}
    assert len(found) > 20
    assert all(torch.equal(p, expected[n]) for n, p in found.items())
    model.save_pretrained(tmp_path / "saved")
    plain = AutoModelForQuestionAnswering.from_pretrained(tmp_path / "saved")
    assert not changed(weights(model), weights(plain))


def test_loaded_models_leave_padding_out(tmp_path):
    folder = str(save_tiny(tmp_path / "model"))
    split = tiny_span_split()
    split._ids %= 7
    head = Head(2, auto_class=SPAN)
    with torch.no_grad():
        model = load_model(folder, head)
        together = model(**split.batch(range(8))).loss
        alone = [model(**split.batch([row])).loss for row in range(8)]
    torch.testing.assert_close(together, torch.stack(alone).mean())
    assert batch_units(split.batch(range(8))) == 8
    assert find_anatomy(model).n_blocks == 3
