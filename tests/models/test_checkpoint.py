"""Folders that cannot be a run's model are refused before anything is loaded."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from progsearch.errors import ModelError
from progsearch.models.checkpoint import check_config, check_tokenizer, check_weights
from tests.support.tiny import TINY, save_tiny, tiny_model

POINTER = (
    b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935\nsize 90868376\n"
)


@pytest.fixture
def folder(tmp_path):
    return save_tiny(tmp_path / "model")


def refusal(check, folder):
    """The message with which ``check`` refuses a folder: one sentence."""
    with pytest.raises(ModelError) as caught:
        check(folder if check is check_config else str(folder))
    text = str(caught.value)
    assert str(folder) in text
    assert "\n" not in text
    return text


def as_bin(folder, **how):
    """The same weights in PyTorch's format."""
    file = folder / "model.safetensors"
    torch.save(load_file(file), folder / "pytorch_model.bin", **how)
    file.unlink()
    return folder / "pytorch_model.bin"


def in_parts(folder):
    """The same weights in several files and an index."""
    (folder / "model.safetensors").unlink()
    tiny_model("bert").save_pretrained(folder, max_shard_size="40KB")
    parts = sorted(folder.glob("model-*.safetensors"))
    assert len(parts) > 2
    return parts


def accept(folder):
    check_config(folder)
    check_weights(str(folder))
    check_tokenizer(str(folder))


def cut(file, size):
    file.write_bytes(file.read_bytes()[:size])


@pytest.mark.parametrize("name", TINY)
def test_every_architecture_is_accepted(name, tmp_path):
    accept(save_tiny(tmp_path, architecture=name))


def test_the_packaged_model_is_accepted(minilm):
    from progsearch.models.references import model_path

    accept(Path(model_path(minilm)))


def test_every_format_of_weights_is_accepted(folder, tmp_path):
    in_parts(folder)
    accept(folder)
    for zipped in (True, False):
        other = save_tiny(tmp_path / f"zipped-{zipped}")
        as_bin(other, _use_new_zipfile_serialization=zipped)
        accept(other)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (POINTER, "is a Git LFS pointer, not the file itself; run `git lfs pull`"),
        (b"", "model.safetensors is empty; copy or download it again"),
        (b"\n", "is empty"),
        (b"<!DOCTYPE html><html>Not found</html>", "is not a safetensors file"),
        (b"\x00\x01", "is cut off within its header"),
        ((9).to_bytes(8, "little") + b'{"a": 12}', "has a damaged header"),
    ],
)
def test_what_is_no_weights(folder, content, message):
    (folder / "model.safetensors").write_bytes(content)
    assert message in refusal(check_weights, folder)


def test_half_of_the_weights(folder):
    file = folder / "model.safetensors"
    size = file.stat().st_size
    cut(file, size // 2)
    assert f"is cut off: it has {size // 2} of {size} bytes" in refusal(check_weights, folder)
    cut(file, 100)
    assert "is cut off within its header, at 100 bytes" in refusal(check_weights, folder)


def test_weights_that_are_too_long(folder):
    with (folder / "model.safetensors").open("ab") as file:
        file.write(bytes(7))
    assert "is damaged: it has " in refusal(check_weights, folder)


def test_damaged_pytorch_weights(folder):
    file = as_bin(folder)
    size = file.stat().st_size
    cut(file, size - 10)
    text = refusal(check_weights, folder)
    assert f"pytorch_model.bin is cut off or damaged, at {size - 10} bytes" in text
    file.write_bytes(POINTER)
    assert "pytorch_model.bin is a Git LFS pointer" in refusal(check_weights, folder)
    file.write_bytes(b"<html>")
    assert "is not a file of PyTorch weights" in refusal(check_weights, folder)


def test_only_the_weights_that_are_loaded_count(folder):
    (folder / "pytorch_model.bin").write_bytes(POINTER)
    (folder / "training_args.bin").write_bytes(b"")
    (folder / "vocab.txt").write_bytes(POINTER)
    accept(folder)


def test_links_without_a_target(folder):
    for name, check in (
        ("model.safetensors", check_weights),
        ("tokenizer.json", check_tokenizer),
        ("config.json", check_config),
    ):
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        (folder / name).symlink_to("../gone/file")
        assert f"{name} is a link to ../gone/file, which is missing" in refusal(check, folder)
        (folder / name).unlink()
        (folder / name).write_bytes(content)
    accept(folder)


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("model.safetensors", check_weights),
        ("tokenizer.json", check_tokenizer),
        ("config.json", check_config),
    ],
)
def test_files_that_this_user_may_not_read(folder, monkeypatch, name, check):
    # Whoever runs the tests as root may read everything.
    opened = Path.open

    def deny(path, *arguments, **options):
        if path.name == name:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", deny)
    assert f"{name} cannot be read (Permission denied)" in refusal(check, folder)


def test_a_folder_that_this_user_may_not_read(folder, monkeypatch):
    def deny(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(os, "listdir", deny)
    assert "model cannot be read (Permission denied)" in refusal(check_config, folder)


@pytest.mark.parametrize("index", [0, -1])
def test_a_part_is_missing(folder, index):
    parts = in_parts(folder)
    parts[index].unlink()
    text = refusal(check_weights, folder)
    assert f"1 of the {len(parts)} files that " in text and f"({parts[index].name})" in text


def test_a_part_is_damaged(folder):
    parts = in_parts(folder)
    content = parts[-1].read_bytes()
    parts[-1].write_bytes(POINTER)
    assert f"{parts[-1].name} is a Git LFS pointer" in refusal(check_weights, folder)
    parts[-1].write_bytes(content[:-8])
    assert f"{parts[-1].name} is cut off" in refusal(check_weights, folder)
    parts[-1].unlink()
    parts[-1].symlink_to("blob")
    assert f"{parts[-1].name} is a link to blob" in refusal(check_weights, folder)


def test_an_index_that_names_nothing(folder):
    in_parts(folder)
    index = folder / "model.safetensors.index.json"
    index.write_text("{}")
    assert "names no weights (weight_map)" in refusal(check_weights, folder)
    index.write_text("{")
    assert "model.safetensors.index.json is not JSON" in refusal(check_weights, folder)
    index.unlink()
    text = refusal(check_weights, folder)
    assert "there are parts (model-00001-of-" in text
    assert "but not the model.safetensors.index.json that names them" in text


def test_no_weights(folder):
    (folder / "model.safetensors").unlink()
    assert "holds no weights; it needs a model.safetensors" in refusal(check_weights, folder)
    (folder / "tf_model.h5").write_bytes(b"weights")
    assert "that can be loaded, only tf_model.h5" in refusal(check_weights, folder)
    (folder / "pytorch_model.bin").mkdir()
    assert "holds no weights" in refusal(check_weights, folder)


def test_weights_under_a_name_of_the_config(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps(config | {"transformers_weights": "other.safetensors"})
    )
    (folder / "model.safetensors").rename(folder / "other.safetensors")
    accept(folder)
    (folder / "other.safetensors").write_bytes(POINTER)
    assert "other.safetensors is a Git LFS pointer" in refusal(check_weights, folder)


def test_a_config_that_is_none(folder):
    config = folder / "config.json"
    config.write_text('{"model_type": "bert",')
    assert "config.json is not JSON" in refusal(check_config, folder)
    config.write_bytes(b'{"model_type": "\xff"}')
    assert "config.json is not JSON" in refusal(check_config, folder)
    config.write_text('["bert"]')
    assert "config.json holds no JSON object" in refusal(check_config, folder)
    config.write_bytes(POINTER)
    assert "config.json is a Git LFS pointer" in refusal(check_config, folder)
    config.unlink()
    assert "holds no config.json" in refusal(check_config, folder)


def test_an_adapter_beside_the_weights(folder):
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "bert-base"}')
    text = refusal(check_weights, folder)
    assert "holds a PEFT adapter (adapter_config.json) beside the model's weights" in text
    assert "merge_and_unload" in text and "move the adapter's files elsewhere" in text


def test_an_adapter_alone(folder):
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "bert-base"}')
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    message = "and not the model it belongs to, bert-base; merge it with PEFT"
    assert message in refusal(check_weights, folder)
    (folder / "config.json").unlink()
    assert message in refusal(check_config, folder)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "gptq"),
        ({"quantization_config": {"load_in_8bit": True}}, "quantization_config"),
        ({"compression_config": {"format": "int-quantized"}}, "compression_config"),
    ],
)
def test_quantised_weights(folder, settings, name):
    file = folder / "config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps(config | settings))
    text = refusal(check_weights, folder)
    assert f"is quantised ({name} in its config.json)" in text
    file.write_text(json.dumps(config | dict.fromkeys(settings)))
    accept(folder)


@pytest.mark.parametrize("left", [[], ["tokenizer_config.json"]])
def test_no_tokenizer(folder, left):
    for name in {"tokenizer.json", "tokenizer_config.json"} - set(left):
        (folder / name).unlink()
    assert "holds no tokenizer; copy the tokenizer's files" in refusal(check_tokenizer, folder)


@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.txt", "spiece.model"])
def test_a_damaged_tokenizer(folder, name):
    (folder / "tokenizer.json").unlink()
    (folder / name).write_bytes(POINTER)
    assert f"{name} is a Git LFS pointer" in refusal(check_tokenizer, folder)
    (folder / name).write_bytes(b"")
    assert f"{name} is empty" in refusal(check_tokenizer, folder)


def test_half_a_tokenizer(folder):
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.json").write_text('{"a": 0}')
    text = refusal(check_tokenizer, folder)
    assert "half a tokenizer, vocab.json without merges.txt" in text
    (folder / "merges.txt").write_text("#version: 0.2\n")
    check_tokenizer(str(folder))


@pytest.mark.parametrize(
    "settings", [{"model_type": "canine"}, {"tokenizer_class": "ByT5Tokenizer"}]
)
def test_tokenizers_that_need_no_files(folder, settings):
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    (folder / "config.json").write_text(json.dumps(settings))
    check_tokenizer(str(folder))


@pytest.fixture
def downloaded(tmp_path, monkeypatch):
    """The folder in which the hub's model someone/some-model was kept."""
    snapshot = tmp_path / "hub" / "models--someone--some-model" / "snapshots" / "abc"
    save_tiny(snapshot)
    (snapshot.parent.parent / "refs").mkdir()
    (snapshot.parent.parent / "refs" / "main").write_text("abc")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return snapshot


def test_what_was_downloaded_is_inspected(downloaded):
    check_weights("someone/some-model")
    cut(downloaded / "model.safetensors", 3000)
    with pytest.raises(ModelError, match="remove it, so that it is downloaded again"):
        check_weights("someone/some-model")
    (downloaded / "tokenizer.json").write_bytes(b"")
    with pytest.raises(ModelError, match="tokenizer.json is empty"):
        check_tokenizer("someone/some-model")


def test_what_was_not_downloaded_may_be_missing(downloaded):
    (downloaded / "model.safetensors").unlink()
    (downloaded / "tokenizer.json").unlink()
    for name in ("someone/some-model", "someone/other-model", "no--name"):
        check_weights(name)
        check_tokenizer(name)


def test_nothing_heavy_is_imported(folder):
    code = (
        "import sys; from pathlib import Path; import progsearch.models.checkpoint as c; "
        f"c.check_config(Path({str(folder)!r})); c.check_weights({str(folder)!r}); "
        f"c.check_tokenizer({str(folder)!r}); "
        "print([x for x in ('torch', 'transformers', 'ray', 'datasets', 'safetensors') "
        "if x in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
