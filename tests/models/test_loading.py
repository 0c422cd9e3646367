import errno
import hashlib
import importlib.util
import json
import logging
import logging.handlers
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    BertTokenizerFast,
    GPT2Config,
)

from progsearch.errors import ModelError
from progsearch.models import hub
from progsearch.models import loading as models
from progsearch.models.anatomy import find_anatomy
from progsearch.models.head import Head
from progsearch.models.loading import (
    default_learning_rate,
    load_model,
    load_tokenizer,
    model_fingerprint,
    trained_head,
)
from progsearch.models.references import model_path
from tests.support.eos import tokenizer as word_level
from tests.support.tiny import (
    HIDDEN,
    save_tiny,
    tiny_batch,
    tiny_language_model,
    tiny_model,
)


@pytest.fixture(autouse=True)
def _fresh_process_caches():
    for cached in (
        models._pristine_model,
        load_tokenizer,
        default_learning_rate,
        model_fingerprint,
        trained_head,
    ):
        cached.cache_clear()


@pytest.fixture
def folder(tmp_path):
    """A pre-trained body without a head, with a tokenizer."""
    path = tmp_path / "body"
    tiny_model("bert").bert.save_pretrained(path)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]
    vocabulary = {word: index for index, word in enumerate(words)}
    BertTokenizerFast(vocab=vocabulary).save_pretrained(path)
    return path


@pytest.fixture
def unreachable(monkeypatch):
    """A machine without a hub, whatever this one can reach."""
    monkeypatch.setattr("progsearch.models.references.offline", lambda: True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def test_alias_is_the_packaged_folder(minilm):
    config = Path(model_path(minilm)) / "config.json"
    assert json.loads(config.read_text())["num_hidden_layers"] == 6


def test_alias_without_its_package_names_the_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"pip install .*\[demo\]'"):
        model_path("minilm-l6")


def test_folders_and_hub_names_stand_for_themselves(folder):
    assert model_path(str(folder)) == str(folder)
    assert model_path("google-bert/bert-base-uncased") == "google-bert/bert-base-uncased"
    assert model_path("gpt2") == "gpt2"


def test_home_is_expanded(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    assert model_path("~/body") == str(folder)


def test_references_that_can_be_nothing(folder):
    with pytest.raises(ModelError, match="no model folder ./missing/deep"):
        model_path("./missing/deep")
    with pytest.raises(ModelError, match="holds no config.json"):
        model_path(str(folder.parent))
    with pytest.raises(ModelError, match="is a file"):
        model_path(str(folder / "config.json"))


def test_aliases_are_listed_without_the_heavy_libraries():
    code = (
        "import sys, progsearch.models.references as m; m.ALIASES; "
        "print([x for x in ('torch', 'transformers', 'ray', 'datasets') if x in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_head_follows_the_seed_and_the_body_the_files(folder):
    first, again, other = (load_model(str(folder), Head(3), seed=seed) for seed in (1, 1, 2))
    body = BertModel.from_pretrained(folder).state_dict()
    for name, value in first.bert.state_dict().items():
        assert torch.equal(value, body[name])
        assert torch.equal(value, other.bert.state_dict()[name])
    assert first.classifier.weight.shape == (3, HIDDEN)
    assert torch.equal(first.classifier.weight, again.classifier.weight)
    assert not torch.equal(first.classifier.weight, other.classifier.weight)


def test_the_seed_decides_the_head_in_a_fresh_process_too(folder):
    first = load_model(str(folder), Head(2), seed=5)
    models._pristine_model.cache_clear()
    torch.manual_seed(99)
    torch.rand(7)
    assert torch.equal(
        load_model(str(folder), Head(2), seed=5).classifier.weight, first.classifier.weight
    )


def test_loading_leaves_the_random_state_alone(folder):
    torch.manual_seed(3)
    state = torch.get_rng_state()
    load_model(str(folder), Head(2), seed=5)
    assert torch.equal(torch.get_rng_state(), state)


def test_each_caller_has_a_model_of_its_own(folder):
    first = load_model(str(folder), Head(2))
    with torch.no_grad():
        first.classifier.weight.zero_()
    first.config.id2label[0] = "changed"
    second = load_model(str(folder), Head(2))
    assert second.classifier.weight.abs().sum() > 0
    assert second.config.id2label[0] == "LABEL_0"


def test_files_are_read_once(folder, monkeypatch):
    load_model(str(folder), Head(2))
    shutil.rmtree(folder)
    assert load_model(str(folder), Head(2)).num_labels == 2


def test_labels_and_regression_are_in_the_config(folder):
    model = load_model(str(folder), Head(2, ("no", "yes")))
    assert model.config.id2label == {0: "no", 1: "yes"}
    assert model.config.label2id == {"no": 0, "yes": 1}
    scores = load_model(str(folder), Head(1, problem_type="regression"))
    labels = torch.tensor([0.5, 2.0, -1.0, 3.5])
    out = scores(**{**tiny_batch(), "labels": labels})
    expected = (out.logits.squeeze() - labels).square().mean()
    torch.testing.assert_close(out.loss, expected)


def test_a_trained_head_is_kept_where_it_fits_and_replaced_where_not(tmp_path):
    trained = tiny_model("bert", n_labels=3, seed=4)
    trained.save_pretrained(tmp_path)
    kept = load_model(str(tmp_path), Head(3))
    assert torch.equal(kept.classifier.weight, trained.classifier.weight)
    replaced = load_model(str(tmp_path), Head(2))
    assert replaced.classifier.weight.shape == (2, HIDDEN)
    assert torch.equal(replaced.bert.pooler.dense.weight, trained.bert.pooler.dense.weight)


@pytest.mark.parametrize("architecture", ["bert", "roberta", "distilbert", "modernbert", "gpt2"])
def test_a_head_that_does_not_fit_is_replaced_whole_and_by_the_seed(tmp_path, architecture):
    trained = tiny_model(architecture, seed=4)
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(1.0)
    trained.save_pretrained(tmp_path)
    new = Head(2, ("no", "yes"), replaces=True)
    first, other = (load_model(str(tmp_path), new, seed=seed) for seed in (1, 2))
    before, body = trained.state_dict(), set(trained.base_model.state_dict())
    prefix = f"{trained.base_model_prefix}."
    for name, value in first.state_dict().items():
        kept = name.removeprefix(prefix) in body and name.startswith(prefix)
        assert torch.equal(value, before[name]) == kept, name
    assert not torch.equal(output_layer(first), output_layer(other))
    models._pristine_model.cache_clear()
    again = load_model(str(tmp_path), new, seed=1)
    assert torch.equal(output_layer(first), output_layer(again))


def output_layer(model):
    return [p for p in model.parameters() if p.ndim == 2 and len(p) == 2][-1]


def test_what_a_config_says_of_a_trained_head(folder, tmp_path):
    assert trained_head(str(folder)) is None
    names = {index: f"c{index}" for index in range(12)}
    tiny_model("bert", n_labels=12, id2label=names).save_pretrained(tmp_path / "twelve")
    head = trained_head(str(tmp_path / "twelve"))
    assert head.label_names == tuple(names.values())
    assert (head.n_outputs, head.auto_class, head.is_new) == (
        12,
        "AutoModelForSequenceClassification",
        False,
    )
    # transformers writes no names if there are two without.
    tiny_model("bert").save_pretrained(tmp_path / "two")
    assert trained_head(str(tmp_path / "two")).label_names == ("LABEL_0", "LABEL_1")
    number = tiny_model("bert", n_labels=1, problem_type="regression")
    number.save_pretrained(tmp_path / "one")
    head = trained_head(str(tmp_path / "one"))
    assert (head.n_outputs, head.problem_type) == (1, "regression")


@pytest.mark.parametrize("name", ["gpt2", "llama", "opt", "bert"])
def test_the_head_of_a_language_model_is_known_by_its_class(name, tmp_path):
    # Some of these classes are called ...ForCausalLM, and some ...LMHeadModel.
    tiny_language_model(name, is_decoder=True).save_pretrained(tmp_path)
    assert trained_head(str(tmp_path)).auto_class == "AutoModelForCausalLM"


def test_weights_are_fp32_whatever_the_files_hold(tmp_path):
    tiny_model("llama").to(torch.bfloat16).save_pretrained(tmp_path)
    model = load_model(str(tmp_path), Head(2))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert not model.training


def test_decoders_read_the_last_token_before_the_padding(tmp_path):
    source = tiny_model("llama")
    source.config.pad_token_id = None
    source.save_pretrained(tmp_path)
    model = load_model(str(tmp_path), Head(2), pad_token_id=7)
    padded = torch.tensor([[9, 10, 11, 7, 7]])
    short = torch.tensor([[9, 10, 11]])
    with torch.no_grad():
        both = model(input_ids=padded, attention_mask=(padded != 7).long()).logits
        torch.testing.assert_close(both, model(input_ids=short).logits)
        assert model(input_ids=short).past_key_values is None
        # A batch of several rows is refused by a decoder that knows no padding.
        assert model(input_ids=padded.repeat(2, 1)).logits.shape == (2, 2)


def test_saved_models_load_again_with_transformers(folder, tmp_path):
    model = load_model(str(folder), Head(2, ("no", "yes")), pad_token_id=0)
    model.save_pretrained(tmp_path / "saved")
    loaded = BertForSequenceClassification.from_pretrained(tmp_path / "saved").eval()
    with torch.no_grad():
        expected = model(**tiny_batch()).logits
        assert torch.equal(loaded(**tiny_batch()).logits, expected)


def test_tokenizer_pads_with_end_of_sequence_where_it_must(folder):
    tokenizer = load_tokenizer(str(folder))
    assert tokenizer.pad_token == "[PAD]"
    assert load_tokenizer(str(folder)) is tokenizer
    path = folder / "tokenizer_config.json"
    config = {k: v for k, v in json.loads(path.read_text()).items() if k != "pad_token"}
    path.write_text(json.dumps({**config, "pad_token": None, "eos_token": "[SEP]"}))
    load_tokenizer.cache_clear()
    assert load_tokenizer(str(folder)).pad_token == "[SEP]"


def test_tokenizer_without_padding_or_end(folder):
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "pad_token": None}))
    with pytest.raises(ModelError, match="neither a padding nor an end-of-sequence token"):
        load_tokenizer(str(folder))


def test_damaged_weights(folder):
    (folder / "model.safetensors").write_bytes(b"not a tensor in sight")
    with pytest.raises(ModelError, match="is not a safetensors file") as caught:
        load_model(str(folder), Head(2))
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_folder_without_weights(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="holds no weights"):
        load_model(str(folder), Head(2))
    with pytest.raises(ModelError, match="holds no weights"):
        model_fingerprint(str(folder))


def test_a_kind_of_model_that_cannot_classify(folder):
    (folder / "config.json").write_text(json.dumps({"model_type": "vit"}))
    with pytest.raises(ModelError, match="is a vit model, for which transformers has no"):
        load_model(str(folder), Head(2))


@pytest.mark.parametrize(
    ("architecture", "kind", "named", "lacking"),
    [
        ("opt", "TokenClassification", ["BERT", "GPT-2", "Llama", "Qwen2"], ["OPT"]),
        ("llama", "MultipleChoice", ["BERT", "ModernBERT"], ["Llama", "Qwen2"]),
        ("gemma", "QuestionAnswering", ["BERT", "OPT"], ["Gemma"]),
        ("distilbert", "CausalLM", ["Llama", "OPT"], ["DistilBERT", "ModernBERT"]),
    ],
)
def test_a_model_without_the_head_of_a_task_is_told_which_have_it(
    architecture, kind, named, lacking, tmp_path
):
    model = save_tiny(tmp_path, architecture=architecture)
    with pytest.raises(ModelError, match=f"has no AutoModelFor{kind}; choose") as caught:
        load_model(str(model), Head(3, auto_class=f"AutoModelFor{kind}"))
    names = str(caught.value).partition("one: ")[2].split(", ")
    assert set(named) <= set(names) and not set(lacking) & set(names)


def test_a_kind_of_model_that_does_not_exist(folder):
    (folder / "config.json").write_text(json.dumps({"model_type": "bret"}))
    with pytest.raises(ModelError, match="cannot be loaded: .*bret"):
        load_model(str(folder), Head(2))


def test_weights_that_cannot_be_read_have_no_fingerprint(folder, monkeypatch):
    def deny(path, *arguments):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(hashlib, "file_digest", deny)
    with pytest.raises(ModelError, match=r"config.json cannot be read \(Permission denied\)"):
        model_fingerprint(str(folder))
    monkeypatch.undo()
    (folder / "old.bin").symlink_to("gone")
    (folder / "older.bin").mkdir()
    assert model_fingerprint(str(folder))


def test_without_a_hub_the_error_names_a_way_out(unreachable):
    with pytest.raises(ModelError, match="hub cannot be reached; give a local folder") as caught:
        load_model("someone/some-model", Head(2))
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="hub cannot be reached"):
        model_fingerprint("someone/some-model")
    with pytest.raises(ModelError, match=r"did you mean minilm-l6\?"):
        load_tokenizer("minilm-16")


def test_local_models_ask_no_hub(folder, monkeypatch):
    monkeypatch.setattr(hub, "_reachable", lambda: pytest.fail("the hub was asked"))
    hub.offline.cache_clear()
    load_model(str(folder), Head(2))
    load_tokenizer(str(folder))
    model_fingerprint(str(folder))


def test_fingerprint_follows_the_content(folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    first = model_fingerprint(str(folder))
    assert model_fingerprint(str(copy)) == first
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    model_fingerprint.cache_clear()
    assert model_fingerprint(str(copy)) != first
    config = BertConfig.from_pretrained(folder)
    config.hidden_act = "relu"
    config.save_pretrained(folder)
    model_fingerprint.cache_clear()
    assert model_fingerprint(str(folder)) != first


def test_loading_is_quiet(folder, capfd):
    # transformers would report the new head at length, and show a progress bar.
    handler = logging.handlers.BufferingHandler(10**6)
    records = handler.buffer
    logger = logging.getLogger("transformers")
    level = logger.level
    logger.addHandler(handler)
    try:
        load_model(str(folder), Head(2))
    finally:
        logger.removeHandler(handler)
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""
    assert records == []
    assert logger.level == level


@pytest.mark.parametrize(
    ("width", "learning_rate"), [(32, 5e-4), (384, 2e-4), (768, 5e-5), (1024, 3e-5), (4096, 2e-6)]
)
@pytest.mark.parametrize("kind", [BertConfig, GPT2Config])
def test_wider_models_start_from_smaller_learning_rates(tmp_path, kind, width, learning_rate):
    kind(hidden_size=width).save_pretrained(tmp_path)
    save_file({}, tmp_path / "model.safetensors")
    assert default_learning_rate(str(tmp_path)) == learning_rate


def test_the_packaged_model_is_whole(minilm):
    model = load_model(minilm, Head(5), pad_token_id=load_tokenizer(minilm).pad_token_id)
    assert find_anatomy(model).n_blocks == 6
    # 22.7M of the body, pooler included, and the new classifier.
    assert sum(p.numel() for p in model.bert.parameters()) == 22_713_216
    assert model.classifier.weight.shape == (5, 384)


def test_a_tokenizer_that_is_not_what_its_file_holds_is_refused(tmp_path):
    # transformers makes a BPE tokenizer of it, and most words are lost without a word.
    tiny_model("qwen2").save_pretrained(tmp_path)
    word_level().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="holds a WordLevel model, but .* Qwen2Tokenizer"):
        load_tokenizer(str(tmp_path))


@pytest.mark.parametrize("architecture", ["bert", "gpt2", "llama"])
def test_a_tokenizer_of_any_kind_is_loaded_where_transformers_keeps_it(tmp_path, architecture):
    tiny_model(architecture).save_pretrained(tmp_path)
    word_level().save_pretrained(tmp_path)
    assert load_tokenizer(str(tmp_path)).tokenize("good film") == ["good", "film"]
