"""A run checks once which shortcuts its model can use."""

import json
from pathlib import Path

import pytest
import torch
import transformers

from progsearch.config import method_of
from progsearch.engine.shortcuts import head_token
from progsearch.engine.shortcuts.head_token import HeadToken
from progsearch.errors import ModelError
from progsearch.schedule import Schedule
from progsearch.training import TrainingRun, save_run, shortcut_check
from progsearch.training.shortcut_check import checked_shortcuts
from tests.support.eos import END, WORDS, save_with_end, tokenizer, write_task
from tests.support.runs import config_of, finish
from tests.support.tiny import save_tiny

HEAD_ONLY = Schedule.last_blocks(3, 0)


@pytest.fixture(params=["gpt2", "llama", "qwen2"])
def ending(request, tmp_path):
    return save_with_end(tmp_path / "model", request.param), write_task(tmp_path)


def plain_accuracy(folder, task):
    """As loaded by a user of transformers."""
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokens = transformers.AutoTokenizer.from_pretrained(folder)
    lines = Path(task.validation_file).read_text().splitlines()[1:]
    texts, labels = zip(*(line.rsplit(",", 1) for line in lines), strict=True)
    batch = tokens(list(texts), padding=True, return_tensors="pt")
    with torch.no_grad():
        given = model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    named = [model.config.id2label[int(index)] for index in given.argmax(1)]
    return sum(a == b for a, b in zip(named, labels, strict=True)) / len(labels)


def test_what_train_writes_is_what_transformers_finds(ending, tmp_path):
    model, task = ending
    values = set()
    for cached in (True, False):
        config = config_of((model, task), HEAD_ONLY, learning_rate=3e-2)
        with TrainingRun.from_config(config, device="cpu", prefix_cache=cached) as run:
            finish(run)
            folder = tmp_path / f"saved-{cached}"
            save_run(run, folder)
        written = json.loads((folder / "metrics.json").read_text())["accuracy"]
        assert written == plain_accuracy(folder, task)
        values.add(written)
    assert len(values) == 1


def test_a_wrong_shortcut_is_left_out_of_a_run_and_the_log_says_why(
    ending, monkeypatch, caplog, tmp_path
):
    caplog.set_level("INFO", logger="progsearch")
    monkeypatch.setenv("PROGSEARCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(head_token, "_last_places", lambda ids, pad: torch.ones_like(ids[:, :1]))
    monkeypatch.setattr(head_token, "_position", lambda *arguments: "last")
    with TrainingRun.from_config(config_of(ending, HEAD_ONLY), device="cpu") as run:
        assert not any(isinstance(s, HeadToken) for s in run._engine.shortcuts.all)
    assert "trained without the shortcut last block for the head's token: outputs" in caplog.text


def test_a_model_and_its_data_are_compared_once(tmp_path, monkeypatch):
    monkeypatch.setenv("PROGSEARCH_CACHE", str(tmp_path / "cache"))
    model, task = save_with_end(tmp_path / "model", "llama"), write_task(tmp_path)
    found = checked_shortcuts(model, task, method_of("full"))
    compare = shortcut_check._compare
    monkeypatch.setattr(shortcut_check, "_compare", lambda *arguments: pytest.fail("again"))
    assert checked_shortcuts(model, task, method_of("full")) == found
    (kept,) = (tmp_path / "cache" / "shortcuts").glob("*.json")
    kept.write_text("{")
    monkeypatch.setattr(shortcut_check, "_compare", compare)
    assert checked_shortcuts(model, task, method_of("full")) == found


def test_other_data_or_another_method_is_compared_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("PROGSEARCH_CACHE", str(tmp_path / "cache"))
    model = save_with_end(tmp_path / "model", "llama")
    for share, method in ((0.5, "full"), (0.0, "full"), (0.5, "lora")):
        checked_shortcuts(model, write_task(tmp_path, share=share), method_of(method))
    assert len(list((tmp_path / "cache" / "shortcuts").glob("*.json"))) == 3


def test_a_model_that_reads_padding_is_refused_before_it_is_trained(tmp_path):
    config = transformers.XLNetConfig(vocab_size=64, d_model=32, n_layer=3, n_head=2, d_inner=48)
    model = transformers.AutoModelForSequenceClassification.from_config(config)
    model.save_pretrained(tmp_path / "model")
    tokenizer().save_pretrained(tmp_path / "model")
    files = str(tmp_path / "model"), write_task(tmp_path)
    with pytest.raises(ModelError, match="XLNet.* padded on the right"):
        TrainingRun.from_config(config_of(files), device="cpu")


def test_a_plain_bert_is_trained_as_before(tmp_path):
    model = str(save_tiny(tmp_path / "model", [*WORDS, END]))
    assert not checked_shortcuts(model, write_task(tmp_path), method_of("full")).left_out
