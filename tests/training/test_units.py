"""Numbers are trained standardised, and saved models predict in the unit of the labels."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from progsearch.config import TaskConfig
from progsearch.models import output as output_module
from progsearch.models import room
from progsearch.models.loading import load_model, load_tokenizer
from progsearch.tasks import load_task_for
from progsearch.training import TrainingRun, load_trained, save_run
from tests.support.runs import config_of, finish
from tests.support.tiny import save_tiny

WORDS = ("good", "bad", "film", "plot")


@pytest.fixture
def numbers(tmp_path):
    """Writes texts with the share of good words as label, times ``scale`` plus ``shift``."""
    draw = np.random.default_rng(0)
    texts = [draw.choice(WORDS, draw.integers(4, 9)) for _ in range(48)]

    def write(scale=1.0, shift=0.0):
        rows = [f"{' '.join(words)},{shift + scale * np.mean(words == 'good')}" for words in texts]
        file = tmp_path / f"{scale}-{shift}.csv"
        file.write_text("\n".join(["text,level", *rows]) + "\n")
        return TaskConfig(name="own", train_file=str(file), validation_file=str(file))

    return write


@pytest.fixture
def model(tmp_path):
    """Saves a tiny model of an architecture."""
    return lambda kind="bert": str(save_tiny(tmp_path / kind, WORDS, kind, pad_token_id=0))


def trained(model, task, method="full"):
    training = {"epochs": 2, "learning_rate": 3e-3, "precision": "fp32"}
    run = TrainingRun.from_config(config_of((model, task), method=method, **training))
    finish(run)
    return run


def predictions(folder, task, load=AutoModelForSequenceClassification.from_pretrained):
    """What plain transformers predicts for the texts of a task, and the labels in its file."""
    lines = Path(task.train_file).read_text().splitlines()[1:]
    texts, labels = zip(*(line.split(",") for line in lines), strict=True)
    tokenizer, saved = AutoTokenizer.from_pretrained(folder), load(folder)
    with torch.no_grad():
        found = [
            float(saved(**tokenizer(text, return_tensors="pt")).logits.squeeze()) for text in texts
        ]
    return np.array(found), np.array(labels, dtype=float)


def test_the_unit_of_the_labels_decides_nothing(numbers, model):
    folder = model()
    small, large = (
        trained(folder, numbers(*unit)).result().metrics for unit in ((0.8, 0.2), (400, 150))
    )
    assert small["pearson"] > 0.5
    assert large["pearson"] == pytest.approx(small["pearson"], abs=1e-4)
    assert large["spearman"] == pytest.approx(small["spearman"], abs=1e-3)
    for name in ("rmse", "mae"):
        assert large[name] == pytest.approx(500 * small[name], rel=1e-3)


@pytest.mark.parametrize(
    ("kind", "method"),
    [("bert", "full"), ("roberta", "lora"), ("gpt2", "full"), ("bert", "adapter")],
)
def test_a_saved_model_predicts_in_the_unit_of_the_labels(kind, method, numbers, model, tmp_path):
    task = numbers(400, 150)
    run = trained(model(kind), task, method)
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    metrics = save_run(run, tmp_path / "out")
    if method == "full":
        assert all(torch.equal(before[n], v) for n, v in run.model.state_dict().items())
    load = {} if method != "adapter" else {"load": load_trained}
    found, labels = predictions(tmp_path / "out", task, **load)
    written = json.loads((tmp_path / "out/metrics.json").read_text())
    assert written == metrics
    assert np.sqrt(np.mean((found - labels) ** 2)) == pytest.approx(metrics["rmse"], rel=1e-4)
    assert np.abs(found - labels).mean() == pytest.approx(metrics["mae"], rel=1e-4)
    assert np.corrcoef(found, labels)[0, 1] == pytest.approx(metrics["pearson"], abs=1e-3)
    if kind != "gpt2":
        # Its layer has no bias: it must learn the mean, and this training is short.
        assert metrics["rmse"] < 1.01 * labels.std()


def test_a_trained_head_starts_with_the_predictions_that_it_has(numbers, model, tmp_path):
    task = numbers(400, 150)
    save_run(trained(model(), task), tmp_path / "out")
    folder = str(tmp_path / "out")
    found, labels = predictions(folder, task)
    data = load_task_for(folder, task)
    again = load_model(folder, data.head, pad_token_id=load_tokenizer(folder).pad_token_id)
    with torch.no_grad():
        started = again(**data.train.batch(range(len(data.train)))).logits.reshape(-1).numpy()
    assert started == pytest.approx((found - labels.mean()) / labels.std(), abs=1e-4)
    # It is saved in the unit of the labels again.
    second = trained(folder, task)
    metrics = save_run(second, tmp_path / "second")
    found, labels = predictions(tmp_path / "second", task)
    assert np.sqrt(np.mean((found - labels) ** 2)) == pytest.approx(metrics["rmse"], rel=1e-4)


def test_outputs_of_another_layer_leave_the_labels_as_they_are(
    numbers, model, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(room, "output_kind", lambda model: None)
    monkeypatch.setenv("PROGSEARCH_CACHE", str(tmp_path / "cache"))
    task = numbers(4, 1)
    run = trained(model(), task)
    assert "the labels are not standardised" in caplog.text
    metrics = save_run(run, tmp_path / "out")
    found, labels = predictions(tmp_path / "out", task)
    assert run.task.train.targets["labels"].numpy() == pytest.approx(labels)
    assert np.sqrt(np.mean((found - labels) ** 2)) == pytest.approx(metrics["rmse"], rel=1e-4)


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert", "electra", "modernbert"])
def test_the_output_layer_is_found_with_any_number_of_outputs(kind, tmp_path):
    for n_labels in (1, 3):
        folder = save_tiny(tmp_path / f"{kind}{n_labels}", WORDS, kind, num_labels=n_labels)
        loaded = AutoModelForSequenceClassification.from_pretrained(folder)
        layer = output_module.output_layer(loaded)
        assert layer.out_features == n_labels
        assert output_module.output_kind(loaded) == "affine"


@pytest.mark.parametrize(("name", "share"), [("rmse", "r2"), ("mae", "d2_absolute_error")])
def test_errors_may_be_the_metric_to_optimise(name, share, numbers, model, caplog):
    caplog.set_level("INFO", logger="progsearch")
    data = load_task_for(model(), numbers(400, 150).model_copy(update={"metric": name}))
    assert data.metrics == (share, "pearson", "spearman", "rmse", "mae")
    assert f"so {share} is maximised" in caplog.text
    labels = data.validation.targets["labels"].numpy()
    best = np.full_like(labels, np.median(labels) if name == "mae" else labels.mean())
    found = data.evaluate(best[:, None], data.validation)
    assert found[share] == pytest.approx(data.majority(), abs=1e-6) == pytest.approx(0, abs=1e-6)
    assert found[name] == pytest.approx(data.type.constant(name, data.validation))
    # Both rank predictions in the same way.
    draw = np.random.default_rng(0)
    several = [labels + draw.normal(size=len(labels)) for _ in range(9)]
    scores = [data.evaluate(each[:, None], data.validation) for each in several]
    by_error = sorted(scores, key=lambda each: each[name])
    assert by_error == sorted(scores, key=lambda each: -each[share])
