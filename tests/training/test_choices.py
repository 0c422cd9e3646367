"""Multiple choice is trained, stored, saved and scored as other tasks are."""

import json
import random

import pytest
import torch
from transformers import AutoModelForMultipleChoice, AutoTokenizer

from progsearch.config import TaskConfig
from progsearch.contribution import get_metric, metric_names
from progsearch.contribution.probe import Probe
from progsearch.models.anatomy import find_anatomy
from progsearch.tasks import load_task_for
from progsearch.training import TrainingRun, save_run
from tests.support.runs import (
    config_of,
    finish,
    three_stages,
    tiny_choice_split,
    tiny_engine,
    weights,
)
from tests.support.tiny import save_tiny, tiny_model
from tests.support.trainers import NO_DROPOUT, trainer_for

HEAD = "AutoModelForMultipleChoice"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A tiny model, and questions whose answer is the choice with the word ``good``."""
    folder = tmp_path_factory.mktemp("choices")
    model = save_tiny(folder / "model", ["which", "good", "bad"])
    draw, rows = random.Random(0), []
    for _ in range(48):
        place = draw.randrange(3)
        choices = [" ".join(["bad"] * draw.randint(1, 9)) for _ in range(3)]
        choices[place] += " good"
        rows.append(json.dumps({"question": "which", "choices": choices, "label": place}))
    (folder / "train.jsonl").write_text("\n".join(rows))
    file = str(folder / "train.jsonl")
    return str(model), TaskConfig(name="choices", train_file=file, validation_file=file)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_model_learns_is_saved_and_loaded_by_transformers(files, method, tmp_path):
    run = TrainingRun.from_config(config_of(files, method=method, epochs=4))
    finish(run)
    # It raises if plain transformers gives other scores.
    metrics = save_run(run, tmp_path / "saved")
    if method == "full":
        assert metrics["accuracy"] > 0.9
    model = AutoModelForMultipleChoice.from_pretrained(tmp_path / "saved")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "saved")
    choices = ["bad bad", "bad good", "bad"]
    pairs = tokenizer(["which"] * 3, choices, return_tensors="pt", padding=True)
    with torch.no_grad():
        scores = model(**{name: values[None] for name, values in pairs.items()}).logits
    assert scores.shape == (1, 3)
    # Training goes on from its head, which has one output whatever its config says.
    assert not load_task_for(str(tmp_path / "saved"), files[1]).head.replaces


def test_trainer_with_the_callback_reaches_the_engines_weights(tmp_path):
    schedule, split = three_stages(3), tiny_choice_split()
    ours = tiny_model("bert", auto_class=HEAD, **NO_DROPOUT)
    engine, ours = tiny_engine(schedule, ours, split=split)
    engine.advance(engine.total_steps)
    theirs = tiny_model("bert", auto_class=HEAD, **NO_DROPOUT)
    trainer_for(theirs, schedule, tmp_path, split=split).train()
    # What is added to all scores changes no loss.
    noise = ("classifier.bias",)
    found, expected = (
        {n: w for n, w in weights(model).items() if n not in noise} for model in (theirs, ours)
    )
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_every_contribution_metric_scores_the_blocks():
    model, split = tiny_model("bert", auto_class=HEAD), tiny_choice_split()
    probe = Probe(
        model=model,
        anatomy=find_anatomy(model),
        batches=[split.batch(range(5)), split.batch(range(5, 8))],
        train_batches=[split.batch(range(8, 16))],
        seed=0,
    )
    for name, _ in metric_names():
        assert len(set(get_metric(name).scores(probe))) == 3, name
    whole = Probe(probe.model, probe.anatomy, [split.batch(range(8))], [], seed=0)
    torch.testing.assert_close(probe.gradients, whole.gradients, rtol=1e-4, atol=1e-6)
