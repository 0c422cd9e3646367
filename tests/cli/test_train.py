"""What `train` writes beside the model."""

import json
from pathlib import Path

import pytest
import yaml

from progsearch.config import write_yaml
from tests.support.tiny import save_tiny

KEPT = {
    "type": "classification",
    "texts": ["text"],
    "label": "label",
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
        "the validation data has 2 rows, so one row is worth 50.0 points of accuracy and small "
        "differences between schedules are chance: give more with --validation-file",
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
