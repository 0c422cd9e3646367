"""Folders that hold no whole model of one kind are refused (S2, S3, C5, C6).

Each failed at commit 80686b9.
"""

import json
import re
from pathlib import Path

import peft
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from tests.cases.making import save_model, save_tokenizer

pytestmark = pytest.mark.slow

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 85728\n"


@pytest.fixture
def search(progsearch, data, tmp_path, monkeypatch):
    """Runs a short search with a model."""
    monkeypatch.chdir(tmp_path)
    files = ("--train-file", data[0], "--validation-file", data[1])
    return lambda model: progsearch("run", *files, "--model", model, "--epochs", 1, "--budget", 1)


@pytest.mark.parametrize(
    "architecture",
    ["bert", "roberta", "distilbert", "electra", "deberta-v2", "gpt2", "qwen2", "mpnet"],
)
def test_no_tokenizer(train, tmp_path, data, architecture):
    """S2."""
    model = save_model(tmp_path / "model", architecture)
    assert "holds no tokenizer" in train(model, *data).refusal()


def test_a_tokenizer_of_which_only_the_settings_are_there(train, bert, copy_of, data):
    """A sibling of S2."""
    model = copy_of(bert)
    (model / "tokenizer.json").unlink()
    assert "holds no tokenizer" in train(model, *data).refusal()


@pytest.mark.parametrize(
    ("architecture", "prefix"),
    [
        ("bert", "module."),
        ("bert", "_orig_mod."),
        ("bert", "model."),
        ("bert", "module._orig_mod."),
        ("gpt2", "net.encoder."),
    ],
    ids=["S3-module", "S3-orig-mod", "S3-model", "S3-sibling", "S3-sibling-gpt2"],
)
def test_weights_under_other_names(train, tmp_path, data, architecture, prefix):
    model = save_tokenizer(save_model(tmp_path / "model", architecture))
    file = model / "model.safetensors"
    weights = load_file(file)
    save_file({prefix + name: w for name, w in weights.items()}, file, {"format": "pt"})
    sentence = train(model, *data).refusal()
    assert re.search(r": (\d+) of the \1 weights of its body", sentence)
    assert f"start with `{prefix}`" in sentence


def pointer(file: Path) -> None:
    file.write_text(POINTER)


def half(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def broken_link(file: Path) -> None:
    file.unlink()
    file.symlink_to("elsewhere")


def unreadable(file: Path) -> None:
    # Its first page is no memory, so reading fails for every user, root included.
    file.unlink()
    file.symlink_to("/proc/self/mem")


@pytest.mark.parametrize(
    ("damage", "name", "reason"),
    [
        (pointer, "model.safetensors", "is a Git LFS pointer"),
        (empty, "model.safetensors", "is empty"),
        (half, "model.safetensors", "is cut off"),
        (broken_link, "model.safetensors", "is a link to elsewhere, which is missing"),
        (unreadable, "model.safetensors", "cannot be read"),
        (pointer, "pytorch_model.bin", "is a Git LFS pointer"),
        (half, "pytorch_model.bin", "is cut off"),
        (pointer, "tokenizer.json", "is a Git LFS pointer"),
        (half, "config.json", "is not JSON"),
    ],
    ids=[
        "C5-pointer",
        "C5-empty",
        "C5-half",
        "C5-link",
        "C5-unreadable",
        "C5-sibling-pointer",
        "C5-sibling-half",
        "C5-sibling-tokenizer",
        "C5-sibling-config",
    ],
)
def test_a_damaged_file(search, bert, copy_of, damage, name, reason):
    model = copy_of(bert)
    if name == "pytorch_model.bin":
        torch.save(load_file(model / "model.safetensors"), model / name)
        (model / "model.safetensors").unlink()
    damage(model / name)
    sentence = search(model).refusal()
    assert f"{model / name} {reason}" in sentence
    assert sentence.rpartition(";")[2].split()[0] in ("copy", "run", "bring", "make")


@pytest.mark.parametrize(
    "adapter",
    [
        peft.LoraConfig(target_modules=["query"]),
        peft.IA3Config(target_modules=["query"], feedforward_modules=[]),
    ],
    ids=["C6", "C6-sibling"],
)
def test_a_model_and_an_adapter_in_one_folder(train, bert, copy_of, data, adapter):
    model = copy_of(bert)
    whole = transformers.AutoModelForSequenceClassification.from_pretrained(model)
    peft.get_peft_model(whole, adapter).save_pretrained(model)
    assert "holds a PEFT adapter" in train(model, *data).refusal()


def test_an_adapter_alone(search, bert, copy_of):
    """A sibling of C6."""
    model = copy_of(bert)
    (model / "model.safetensors").unlink()
    adapter = {"peft_type": "LORA", "base_model_name_or_path": "someone/base"}
    (model / "adapter_config.json").write_text(json.dumps(adapter))
    sentence = search(model).refusal()
    assert "not the model it belongs to, someone/base" in sentence
