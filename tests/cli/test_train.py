"""What `train` writes beside the model."""

import io
import json
import re
from pathlib import Path

import huggingface_hub
import pytest
import yaml
from huggingface_hub import ModelCard
from rich.console import Console
from safetensors.torch import load_file

from progsearch.config import RunConfig, parse, run_identity, write_yaml
from progsearch.show.training import TrainingBar, TrainingLines
from progsearch.training import upload
from tests.support.runs import changed
from tests.support.tiny import save_tiny

KEPT = {
    "type": "classification",
    "texts": ["text"],
    "label": "label",
    "max_length": 128,
    "splits": {
        "train": {
            "rows": 18,
            "answers": {"classes": {"0": 9, "1": 9}, "positive": "1"},
            "unknown": 0.0,
            "cut": 0.0,
            "cut_rows": 0,
        },
        "validation": {
            "rows": 2,
            "answers": {"classes": {"0": 2, "1": 0}, "positive": "1"},
            "unknown": 0.0,
            "cut": 0.0,
            "cut_rows": 0,
        },
    },
    "notes": [],
    "doubts": [
        "every row of the validation data is of the class 0, so accuracy cannot tell schedules "
        "apart: give other data with --validation-file, or more of it",
        "there are only 2 validation rows, one is worth 50.00 points, so small "
        "differences between schedules are chance: give more with --validation-file",
        "2 of 2 validation rows have a text that training rows have, too, so scores may be too "
        "good: remove duplicates",
    ],
}


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.csv").write_text("text,label\n" + "good,0\nbad,1\n" * 9)
    (tmp_path / "dev.csv").write_text("text,label\n" + "good,0\nbad,0\n")
    content = {
        "progsearch_version": "0.1.0",
        "model": str(save_tiny(tmp_path / "model")),
        "task": {"name": "mine", "train_file": "train.csv", "validation_file": "dev.csv"},
        "training": {"epochs": 1},
        "stages": [{"start": 0, "end": 1, "trainable_blocks": [0], "embeddings": False}],
    }
    write_yaml("best.yaml", content)
    return "best.yaml"


def test_what_was_understood_is_kept_without_being_printed(progsearch, config):
    outcome = progsearch("train", config, "--output-dir", "quiet", "--quiet")
    assert outcome.code == 0
    assert yaml.safe_load(Path("quiet/schedule.yaml").read_text())["understood"] == KEPT
    # Trained again from what was written.
    again = progsearch("train", "quiet/schedule.yaml", "--output-dir", "json", "--json")
    assert json.loads(again.stdout)["understood"] == KEPT
    assert yaml.safe_load(Path("json/schedule.yaml").read_text())["understood"] == KEPT


def test_steps_that_were_trained_are_taken_from_the_store(progsearch, config, monkeypatch):
    monkeypatch.setenv("PROGSEARCH_CACHE", str(Path("cache").absolute()))
    first = progsearch("train", config, "--output-dir", "first")
    assert "training with " in first.stdout
    assert re.search(r"^epoch 1 of 1  accuracy .* s per epoch$", first.stdout, re.MULTILINE)
    again = progsearch("train", config, "--output-dir", "again")
    assert "all 2 steps were trained before and are taken from the store" in again.stdout
    assert re.search(r"^epoch 1 of 1  accuracy .*  from the store$", again.stdout, re.MULTILINE)
    document = progsearch("train", config, "--output-dir", "json", "--json")
    assert json.loads(document.stdout)["steps"] == {"trained": 0, "reused": 2}
    fresh = progsearch("train", config, "--output-dir", "fresh", "--no-reuse", "--json")
    assert json.loads(fresh.stdout)["steps"] == {"trained": 2, "reused": 0}
    folders = ("first", "again", "json", "fresh")
    weights, *others = (load_file(f"{folder}/model.safetensors") for folder in folders)
    assert [changed(weights, other) for other in others] == [set()] * 3
    assert "store" not in progsearch("train", config, "--output-dir", "q", "--quiet").stdout


def searched(config, **changes):
    """The file as a search would have exported it, and then edited."""
    content = yaml.safe_load(Path(config).read_text())
    run = parse(RunConfig, content, config)
    found = {"value": 0.75, "standard_error": 0.0123, "seeds": 3}
    reference = {"value": 0.7, "seeds": 2, "updated_parameters": 1.0, "learning_rate": 5e-5}
    results = {"metric": "accuracy", **found, "split": "validation", "study": "s", "trial": 3}
    results |= {"reference": reference, "run": run_identity(run)}
    write_yaml(config, content | {"results": results} | changes)


def test_the_model_card_is_the_hubs(progsearch, config):
    searched(config)
    assert progsearch("train", config, "--output-dir", "out").code == 0
    card = ModelCard.load("out/README.md")
    data = card.data
    assert (data.pipeline_tag, data.library_name, data.license) == (
        "text-classification",
        "transformers",
        "unknown",
    )
    assert data.tags == ["progsearch", "progressive-fine-tuning", "full"]
    assert data.base_model is None
    metrics = json.loads(Path("out/metrics.json").read_text())
    assert metrics.pop("per_class")["0"]["support"] == 2
    assert {r.metric_name: r.metric_value for r in data.eval_results} == metrics
    for result in data.eval_results:
        assert (result.dataset_name, result.dataset_split) == ("mine", "validation")
        assert result.dataset_args == {"rows": 2}
        assert result.metric_args == {"seeds": 1, "seed": 0}
    text = card.text
    assert f"| validation | 2 | {metrics['accuracy']:.4f} |" in text
    assert "| this schedule | " in text
    assert " | 1e-4 | 0.7500 ± 0.0123 | 3 |" in text
    assert "tuned as well | 100 % | 5e-5 | 0.7000 | 2 |" in text
    assert "block 0     ##############################" in text
    assert "blocks 1–2  .............................." in text
    assert 'AutoModelForSequenceClassification.from_pretrained("out")' in text
    assert str(Path.cwd()) not in card.content
    # What the search measured goes on with the model.
    assert progsearch("train", "out/schedule.yaml", "--output-dir", "next").code == 0
    assert "0.7500 ± 0.0123" in Path("next/README.md").read_text()


def test_an_edited_file_loses_the_results_of_its_search(progsearch, config):
    searched(config, training={"epochs": 1, "learning_rate": 3e-4})
    outcome = progsearch("train", config, "--output-dir", "out")
    assert "the file was edited after its export" in outcome.stdout
    assert "0.7500" not in Path("out/README.md").read_text()
    assert "reference" not in yaml.safe_load(Path("out/schedule.yaml").read_text())["results"]


def test_a_readme_of_another_origin_is_kept(progsearch, config):
    Path("out").mkdir()
    Path("out/README.md").write_text("mine")
    outcome = progsearch("train", config, "--output-dir", "out", "--overwrite")
    assert outcome.stdout.endswith("out/README.md was there before and is kept: no model card\n")
    assert Path("out/README.md").read_text() == "mine"


def test_a_model_is_uploaded_after_the_checks(progsearch, refused, config, monkeypatch):
    assert "there is no --push-to-hub" in refused(
        "train", config, "--output-dir", "out", "--private"
    )
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    sentence = refused("train", config, "--output-dir", "out", "--push-to-hub", "me/model")
    assert "there is no token of the hub" in sentence
    assert not Path("out").exists()
    calls = []
    monkeypatch.setattr(upload, "check_hub", calls.append)

    def stand_in(folder, name, *, private):
        calls.append((str(folder), name, private))
        return "https://hub.test"

    monkeypatch.setattr(upload, "upload", stand_in)
    options = ("--output-dir", "out", "--push-to-hub", "me/model", "--private")
    outcome = progsearch("train", config, *options)
    assert calls == ["me/model", ("out", "me/model", True)]
    assert outcome.stdout.endswith("uploaded to https://hub.test\n")
    assert 'from_pretrained("me/model")' in Path("out/README.md").read_text()


def shown(view_class, monkeypatch, **console):
    """What a training of 2 epochs of 10 steps shows that takes a second per step."""
    clock = [0.0]
    monkeypatch.setattr("progsearch.show.training.time.monotonic", lambda: clock[0])
    file = io.StringIO()
    view = view_class(Console(file=file, width=100, highlight=False, **console), 10, 2)
    view.begin_at(5)
    view.record(5, "accuracy 0.5")
    for step in range(6, 16):
        clock[0] += 5.0
        view.step(step)
    view.record(15, "accuracy 0.6")
    view.record(20, "accuracy 0.7")
    view.close()
    return file.getvalue()


def test_lines_tell_what_an_epoch_takes(monkeypatch):
    assert shown(TrainingLines, monkeypatch).splitlines() == [
        "epoch 0.5 of 2  accuracy 0.5  from the store",
        "epoch 1.00 of 2  50 s per epoch, about 50 s left",
        "epoch 1.50 of 2  50 s per epoch, about 25 s left",
        "epoch 1.5 of 2  accuracy 0.6  50 s per epoch",
        "epoch 2 of 2  accuracy 0.7  from the store",
    ]


def test_a_terminal_has_a_bar(monkeypatch):
    text = shown(TrainingBar, monkeypatch, force_terminal=True)
    assert "epoch 1.5 of 2  accuracy 0.6  50 s per epoch" in text
    assert re.search("epoch 1.50 of 2.*━.*50 s per epoch, about 25 s left", text)
