"""Texts with several labels, from a file to a saved model and in the user's own Trainer."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    Trainer,
    TrainingArguments,
)

from progsearch.config import TaskConfig
from progsearch.contribution import contribution_scores_many, metric_names
from progsearch.contribution.probe import Probe
from progsearch.contribution.scores import ProbeSettings, make_probe
from progsearch.schedule import Schedule
from progsearch.tasks import load_task_for
from progsearch.training import TrainingRun, per_class_scores, save_run
from progsearch.training.callback import ProgtuningCallback
from tests.support.runs import config_of, finish
from tests.support.tiny import save_tiny

WORDS = ("price", "quality", "film", "plot")
LABELS = ("price", "quality", "size")


@pytest.fixture
def task(tmp_path):
    """Texts whose labels are the words in them; the third label follows from the length."""
    draw = np.random.default_rng(0)
    rows = []
    for _ in range(64):
        words = draw.choice(WORDS, draw.integers(1, 5))
        labels = [word for word in LABELS if word in words] + ["size"] * (len(words) > 2)
        rows.append(json.dumps({"text": " ".join(words), "labels": labels}))
    (tmp_path / "rows.jsonl").write_text("\n".join(rows) + "\n")
    file = str(tmp_path / "rows.jsonl")
    return TaskConfig(name="own", train_file=file, validation_file=file)


def trained(model, task, **settings):
    training = {"epochs": 8, "learning_rate": 1e-2, "precision": "fp32", "batch_size": 8}
    run = TrainingRun.from_config(config_of((str(model), task), **training | settings))
    finish(run)
    return run


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_a_saved_model_is_a_multi_label_classifier(kind, task, tmp_path):
    model = save_tiny(tmp_path / "model", WORDS, kind, pad_token_id=0, num_labels=3)
    run = trained(model, task)
    measured = run.result().per_class
    metrics = save_run(run, tmp_path / "out")
    saved = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    assert saved.config.problem_type == "multi_label_classification"
    assert saved.config.id2label == dict(enumerate(LABELS))
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    rows = [json.loads(line) for line in Path(task.train_file).read_text().splitlines()]
    with torch.no_grad():
        found = np.array(
            [
                torch.sigmoid(saved(**tokenizer(row["text"], return_tensors="pt")).logits[0])
                for row in rows
            ]
        )
    truth = np.array([[label in row["labels"] for label in LABELS] for row in rows])
    predicted = found > 0.5
    true = (predicted & truth).sum()
    assert metrics["f1_micro"] == pytest.approx(2 * true / (predicted.sum() + truth.sum()))
    assert metrics["subset_accuracy"] == (predicted == truth).all(axis=1).mean()
    if kind == "bert":
        # The words are found; the best constant answer has less.
        assert metrics["f1_micro"] > run.task.majority() + 0.1
    written = json.loads((tmp_path / "out/metrics.json").read_text())
    table = per_class_scores(tmp_path / "out")
    # The same numbers are kept with the result of the run.
    assert measured == table
    assert written == metrics | {"per_class": table}
    assert [scores["support"] for scores in table.values()] == truth.sum(axis=0).tolist()
    recall = (predicted & truth).sum(axis=0) / truth.sum(axis=0)
    assert [scores["recall"] for scores in table.values()] == pytest.approx(recall.tolist())


def test_the_loss_is_the_binary_cross_entropy(task, tmp_path):
    model = save_tiny(tmp_path / "model", WORDS, pad_token_id=0)
    run = TrainingRun.from_config(config_of((str(model), task)))
    batch = run.task.train.batch(range(8))
    with torch.no_grad():
        output = run.model(**{name: value.to(run.device) for name, value in batch.items()})
    expected = binary_cross_entropy_with_logits(output.logits.cpu(), batch["labels"])
    assert float(output.loss) == pytest.approx(float(expected))
    run.finish()


def test_a_saved_model_is_trained_further_with_its_own_labels(task, tmp_path):
    model = save_tiny(tmp_path / "model", WORDS, pad_token_id=0)
    save_run(trained(model, task), tmp_path / "out")
    # The labels in another order, as another file may have them.
    rows = [json.loads(line) for line in Path(task.train_file).read_text().splitlines()]
    turned = ["size", "quality", "price"]
    lines = [
        json.dumps(row | {"labels": {name: int(name in row["labels"]) for name in turned}})
        for row in rows
    ]
    (tmp_path / "turned.jsonl").write_text("\n".join(lines) + "\n")
    file = str(tmp_path / "turned.jsonl")
    other = task.model_copy(update={"train_file": file, "validation_file": file})
    data, same = (load_task_for(str(tmp_path / "out"), given) for given in (other, task))
    assert data.head.label_names == LABELS
    assert torch.equal(data.train.targets["labels"], same.train.targets["labels"])


def test_every_contribution_metric_scores_the_blocks(task, tmp_path):
    model = str(save_tiny(tmp_path / "model", WORDS, pad_token_id=0))
    names = [name for name, _ in metric_names()]
    settings = ProbeSettings(train_examples=16, scored_examples=8, batch_size=4)
    found = contribution_scores_many(model, task, names, seed=0, device="cpu", settings=settings)
    assert all(len(set(scores)) == 3 and np.isfinite(scores).all() for scores in found.values())
    # Fisher's is the mean of the squared gradients of each row's own loss.
    probe = make_probe(model, load_task_for(model, task), 0, "cpu", settings)
    assert found["fisher"] == pytest.approx(by_hand(probe), rel=1e-3)


def by_hand(probe: Probe):
    rows = 0
    sums = [0.0] * probe.n_blocks
    probe.model.requires_grad_(True)
    for batch in probe.batches:
        for row in range(len(batch["labels"])):
            length = int(batch["attention_mask"][row].sum())
            one = {
                name: value[row : row + 1] if name == "labels" else value[row : row + 1, :length]
                for name, value in batch.items()
            }
            probe.model.zero_grad()
            logits = probe.model(**{n: v for n, v in one.items() if n != "labels"}).logits
            binary_cross_entropy_with_logits(logits, one["labels"]).backward()
            for block in range(probe.n_blocks):
                sums[block] += sum(
                    float(parameter.grad.square().sum()) for parameter in probe.parameters(block)
                )
            rows += 1
    return [total / rows for total in sums]


def test_the_callback_works_in_a_trainer_with_float_labels(task, tmp_path):
    folder = str(save_tiny(tmp_path / "model", WORDS, pad_token_id=0))
    data = load_task_for(folder, task)
    model = AutoModelForSequenceClassification.from_pretrained(folder, **data.head.settings())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(tmp_path / "trainer"),
            num_train_epochs=1,
            report_to=[],
            save_strategy="no",
            use_cpu=True,
            disable_tqdm=True,
        ),
        train_dataset=[data.train.batch([row]) for row in range(16)],
        data_collator=lambda items: {
            name: torch.nn.utils.rnn.pad_sequence([i[name][0] for i in items], batch_first=True)
            for name in items[0]
        },
        callbacks=[ProgtuningCallback(Schedule.last_blocks(3, 1))],
    )
    trainer.train()
    moved = {
        n.split(".layer.")[-1][0]
        for n, v in model.state_dict().items()
        if n.startswith("bert.encoder") and not torch.equal(v, before[n])
    }
    assert moved == {"2"}
    assert not torch.equal(model.classifier.weight, before["classifier.weight"])
