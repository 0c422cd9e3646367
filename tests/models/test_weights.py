"""A model whose body does not match its files is refused or reported; a head may be new."""

import json
import logging

import peft
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from progsearch.errors import ModelError
from progsearch.internals.transformers import has_model
from progsearch.models import loading
from progsearch.models.head import Head
from progsearch.models.loading import inspect_weights, load_model, load_tokenizer
from progsearch.models.weights import load_checked
from tests.support.tiny import TINY, save_tiny, tiny_model


@pytest.fixture(autouse=True)
def _fresh_process_caches():
    loading._pristine_model.cache_clear()
    loading.model_fingerprint.cache_clear()
    load_tokenizer.cache_clear()


@pytest.fixture
def folder(tmp_path):
    return save_tiny(tmp_path / "model")


def rename(folder, change):
    """Give the weights of a folder other names; None drops one."""
    file = folder / "model.safetensors"
    weights = {change(name): value for name, value in load_file(file).items()}
    weights.pop(None, None)
    save_file(weights, file, metadata={"format": "pt"})


def configure(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def refusal(folder):
    """The message with which loading is refused: one sentence."""
    with pytest.raises(ModelError) as caught:
        load_model(str(folder), Head(2))
    text = str(caught.value)
    assert str(folder) in text
    assert "\n" not in text
    return text


def remark(folder, caplog):
    """The warnings on the weights for the user, and the messages only in the log."""
    caplog.set_level(logging.INFO, "progsearch.models")
    caplog.clear()
    inspect_weights(str(folder), Head(2))
    kinds = [[], []]
    for record in caplog.records:
        kinds[record.levelno < logging.WARNING].append(record.getMessage())
    return tuple(kinds)


PREFIXES = ["module.", "_orig_mod.", "model.", "net.", "module._orig_mod.", "a.b.c."]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_names_with_a_prefix(folder, prefix):
    rename(folder, lambda name: prefix + name)
    text = refusal(folder)
    assert "53 of the 53 weights of its body (100 % of its parameters)" in text
    assert f"53 names in the files start with `{prefix}`" in text


@pytest.mark.parametrize("prefix", PREFIXES)
def test_names_of_a_body_with_a_prefix(folder, prefix):
    tiny_model("bert").bert.save_pretrained(folder)
    rename(folder, lambda name: prefix + name)
    assert f"53 names in the files start with `{prefix}`" in refusal(folder)


@pytest.mark.parametrize("name", TINY)
def test_every_architecture_is_held_to_its_names(name, tmp_path):
    save_tiny(tmp_path, architecture=name)
    rename(tmp_path, lambda key: f"module.{key}")
    assert "start with `module.`" in refusal(tmp_path)


def test_weights_of_another_architecture(folder):
    configure(folder, model_type="roberta")
    text = refusal(folder)
    assert "do not fit a RobertaForSequenceClassification" in text
    assert "start with `bert.`" in text and "the config.json that belongs to these" in text


def test_names_that_nothing_explains(folder):
    rename(folder, lambda name: name.replace(".", "_"))
    text = refusal(folder)
    assert "bert_embeddings_LayerNorm_bias is there" in text
    assert "bert.embeddings.LayerNorm.bias is not" in text


def test_a_body_with_too_few_blocks(folder):
    configure(folder, num_hidden_layers=12)
    text = refusal(folder)
    assert "144 of the 197 weights of its body (72 % of its parameters)" in text


def test_shapes_that_are_not_the_configs(folder):
    configure(folder, vocab_size=70)
    text = refusal(folder)
    assert "bert.embeddings.word_embeddings.weight is 64×32 in the files and 70×32" in text
    assert "1 of the 53 weights" in text


def test_some_weights_are_missing(folder, caplog):
    rename(folder, lambda name: None if ".layer.2." in name else name)
    load_model(str(folder), Head(2))
    ((said,), _) = remark(folder, caplog)
    assert "16 of the 53 weights of its body (28 % of its parameters)" in said
    assert "bert.encoder.layer.2.attention.output.LayerNorm.bias, " in said
    assert "and 13 more" in said


def test_some_weights_have_no_place(folder, caplog):
    configure(folder, num_hidden_layers=2)
    ((said,), _) = remark(folder, caplog)
    assert "16 of the weights in the files do not belong to it and are left out (bert." in said


def test_adapters_of_other_libraries_have_no_place(folder, caplog):
    file = folder / "model.safetensors"
    adapter = {"bert.encoder.layer.0.output.dense.adapter.down.weight": torch.ones(2)}
    save_file(load_file(file) | adapter, file, metadata={"format": "pt"})
    ((said,), _) = remark(folder, caplog)
    assert "1 of the weights in the files do not belong" in said and "adapter.down.weight" in said


def test_it_is_said_again_without_loading_again(folder, caplog, monkeypatch):
    rename(folder, lambda name: None if ".layer.2." in name else name)
    first = remark(folder, caplog)
    loading._pristine_model.cache_clear()
    monkeypatch.setattr(loading, "load_checked", lambda *_: pytest.fail("it was loaded"))
    assert remark(folder, caplog) == first
    assert first[0]


def test_a_new_pooler_is_logged_only(folder, caplog):
    config = tiny_model("bert").config
    transformers.BertForMaskedLM(config).save_pretrained(folder)
    said, logged = remark(folder, caplog)
    assert said == []
    assert any("holds no pooler; it is new (bert.pooler.dense.bias" in text for text in logged)


@pytest.mark.parametrize("name", TINY)
def test_nothing_is_said_of_whole_models(name, tmp_path, caplog):
    model = tiny_model(name)
    models = [model, model.base_model]
    for auto in ("AutoModelForMaskedLM", "AutoModelForCausalLM"):
        auto_class = getattr(transformers, auto)
        if has_model(auto_class, model.config):
            models.append(auto_class.from_config(model.config))
    assert len(models) > 2
    for number, saved in enumerate(models):
        saved.save_pretrained(tmp_path / str(number))
        assert remark(tmp_path / str(number), caplog)[0] == []


@pytest.mark.parametrize("name", ["llama", "opt", "modernbert"])
def test_a_body_that_is_called_model(name, tmp_path, caplog):
    body = tiny_model(name).base_model
    body.save_pretrained(tmp_path)
    rename(tmp_path, lambda key: f"model.{key}")
    assert remark(tmp_path, caplog)[0] == []
    loaded = load_model(str(tmp_path), Head(2)).base_model.state_dict()
    assert all(torch.equal(value, loaded[key]) for key, value in body.state_dict().items())


def test_old_names_and_buffers(folder, caplog):
    weights = load_file(folder / "model.safetensors")
    rename(
        folder,
        lambda name: name.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta"),
    )
    file = folder / "model.safetensors"
    buffers = {
        "bert.embeddings.position_ids": torch.arange(64)[None],
        "bert.encoder.version": torch.ones(1),
    }
    save_file(load_file(file) | buffers, file, metadata={"format": "pt"})
    assert remark(folder, caplog)[0] == []
    norm = "bert.embeddings.LayerNorm.weight"
    assert torch.equal(load_model(str(folder), Head(2)).state_dict()[norm], weights[norm])


def test_buffers_of_old_gpt2(tmp_path, caplog):
    save_tiny(tmp_path, architecture="gpt2")
    file = tmp_path / "model.safetensors"
    masks = {
        f"transformer.h.{index}.attn.{name}": torch.ones(1)
        for index in range(3)
        for name in ("bias", "masked_bias")
    }
    save_file(load_file(file) | masks, file, metadata={"format": "pt"})
    assert remark(tmp_path, caplog)[0] == []


def test_the_packaged_model_is_whole(minilm, caplog):
    assert remark(minilm, caplog) == ([], [])


def test_a_head_may_have_another_size(folder, caplog):
    caplog.set_level(logging.INFO, "progsearch.models")
    inspect_weights(str(folder), Head(7))
    assert caplog.records == []
    assert load_model(str(folder), Head(7)).classifier.weight.shape[0] == 7


def test_a_model_that_only_writes_text(tmp_path):
    config = transformers.MarianConfig(
        vocab_size=64, d_model=16, encoder_layers=1, decoder_layers=1, pad_token_id=0
    )
    transformers.MarianMTModel(config).save_pretrained(tmp_path)
    text = refusal(tmp_path)
    assert "is a marian model, for which transformers has no AutoModelForSequence" in text


def test_an_adapter_that_is_loaded_with_the_model(folder):
    # From the hub, say; a folder is refused before it is loaded.
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder)
    peft.get_peft_model(model, peft.LoraConfig()).save_pretrained(folder)
    with pytest.raises(ModelError, match="is a PEFT adapter; merge it into its base"):
        load_checked(str(folder), Head(2))


def test_a_tokenizer_for_another_architecture(folder):
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    (folder / "vocab.json").write_text('{"a": 0, "b": 1}')
    (folder / "merges.txt").write_text("#version: 0.2\n")
    with pytest.raises(ModelError, match="knows no word, since .* no files of a BertTokenizer"):
        load_tokenizer(str(folder))


def test_a_vocabulary_that_was_not_fetched(folder):
    # Its lines would be taken for words.
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("version https://git-lfs.github.com/spec/v1\nsize 9\n")
    with pytest.raises(ModelError, match="vocab.txt is a Git LFS pointer"):
        load_tokenizer(str(folder))


def test_a_damaged_tokenizer(folder):
    (folder / "tokenizer.json").write_text('{"version": "1.0"}')
    with pytest.raises(ModelError, match="the tokenizer in .* cannot be loaded: ") as caught:
        load_tokenizer(str(folder))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"\x80\x02cos\nsystem\n", b"\x80\x02garbage", b"\x80"])
def test_pickles_that_cannot_be_read(folder, content):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(content)
    assert "cannot be loaded: " in refusal(folder)


def test_more_than_tensors(folder):
    (folder / "model.safetensors").unlink()
    torch.save({"model": tiny_model("bert")}, folder / "pytorch_model.bin")
    text = refusal(folder)
    assert "it is damaged, or holds more than tensors; save the model with save_pretrained" in text
    assert "weights_only" not in text


def test_a_state_that_also_holds_other_things(folder):
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save({"epoch": 3, "state_dict": weights}, folder / "pytorch_model.bin")
    assert "53 of the 53 weights of its body" in refusal(folder)


@pytest.mark.parametrize(
    "changes", [{"hidden_size": "wide"}, {"num_attention_heads": 0}, {"id2label": 5}]
)
def test_a_config_that_no_model_can_have(folder, changes):
    configure(folder, **changes)
    assert "cannot be loaded: " in refusal(folder)


@pytest.mark.parametrize("load", [lambda name: load_model(name, Head(2)), load_tokenizer])
def test_nobody_is_asked_whether_to_run_a_models_code(folder, load, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("somebody was asked"))
    configure(folder, model_type="own", auto_map={"AutoConfig": "own.Config"})
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "tokenizer_class": "OwnTokenizer",
                "auto_map": {"AutoTokenizer": ["own.Tokenizer", None]},
            }
        )
    )
    with pytest.raises(ModelError, match="contains custom code"):
        load(str(folder))
