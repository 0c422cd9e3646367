"""Runs with a tag per word, from files to a saved model that transformers loads."""

import json

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    GPT2Tokenizer,
    Qwen2Tokenizer,
)

from progsearch.config import TaskConfig
from progsearch.errors import ModelError
from progsearch.store import Store
from progsearch.tasks import load_task_for
from progsearch.training import TrainingRun, per_class_scores, save_run
from tests.support.runs import config_of, finish, weights
from tests.support.tiny import save_tiny, tiny_model

SENTENCES = (
    ("ada love came from london", "B-PER I-PER O O B-LOC"),
    ("london came", "B-LOC O"),
    ("came from ada", "O O B-PER"),
)
WORDS = ("ada", "love", "came", "from", "london")


@pytest.fixture
def task(tmp_path):
    """A task of tagged words whose longest sentences are cut."""
    blocks = [
        "\n".join(f"{w}\t{t}" for w, t in zip(words.split(), tags.split(), strict=True))
        for words, tags in SENTENCES * 8
    ]
    (tmp_path / "a.conll").write_text("\n\n".join(blocks))
    file = str(tmp_path / "a.conll")
    return TaskConfig(name="ner", train_file=file, validation_file=file, max_length=6)


@pytest.fixture
def saved(tmp_path):
    """Saves a tiny model with a tokenizer of its kind."""

    def save(architecture):
        folder = tmp_path / architecture
        if architecture == "bert":
            return str(save_tiny(folder, WORDS))
        backend = Tokenizer(models.BPE())
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=290, initial_alphabet=alphabet, special_tokens=["<|endoftext|>"]
        )
        backend.train_from_iterator([" ".join(WORDS)] * 9, trainer)
        model = json.loads(backend.to_str())["model"]
        merges = [tuple(pair) for pair in model["merges"]]
        kind = GPT2Tokenizer if architecture == "gpt2" else Qwen2Tokenizer
        kind(vocab=model["vocab"], merges=merges).save_pretrained(folder)
        tiny_model(architecture, vocab_size=300).save_pretrained(folder)
        return str(folder)

    return save


def run_of(model, task, method="full", **given):
    config = config_of((model, task), method=method, learning_rate=3e-3)
    return TrainingRun.from_config(config, **given)


@pytest.mark.parametrize(
    ("architecture", "method"),
    [("bert", "lora"), ("gpt2", "full"), ("llama", "lora"), ("qwen2", "full")],
)
def test_a_saved_model_gives_what_was_measured(architecture, method, task, saved, tmp_path):
    run = run_of(saved(architecture), task, method)
    before = weights(run.model)
    finish(run)
    # The new head is trained under any method, and saved.
    head = next(n for n in before if n.startswith(("classifier.", "score.")) and "weight" in n)
    assert not torch.equal(before[head], weights(run.model)[head])
    metrics = save_run(run, tmp_path / "out")
    assert set(metrics) == {"f1", "precision", "recall", "token_accuracy"}
    table = per_class_scores(tmp_path / "out")
    assert {kind: scores["support"] for kind, scores in table.items()} == {"LOC": 16, "PER": 16}
    model = AutoModelForTokenClassification.from_pretrained(tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert list(model.config.id2label.values()) == ["O", "B-LOC", "B-PER", "I-PER"]
    # As the documentation says to give words to each kind of tokenizer.
    words = SENTENCES[0][0].split()
    blanks = architecture in ("llama", "qwen2")
    given = [f" {word}" if blanks and i else word for i, word in enumerate(words)]
    encoded = tokenizer(
        given, is_split_into_words=True, truncation=True, max_length=6, return_tensors="pt"
    )
    row = run.task.validation.batch([0])
    assert encoded["input_ids"].tolist() == row["input_ids"].tolist()
    with torch.no_grad():
        found = model(**encoded).logits[0].numpy()
    expected = run.outputs(run.task.validation.subset([0]), precision="fp32")
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("architecture", ["bert", "llama"])
def test_stored_steps_are_those_that_are_trained(architecture, task, saved, tmp_path):
    model = saved(architecture)
    alone = run_of(model, task)
    records, _ = finish(alone)
    (tmp_path / "store").mkdir()
    store = Store(tmp_path / "store", budget=10**9)
    finish(run_of(model, task, store=store))
    again = run_of(model, task, store=store)
    stored = list(again.records())
    again.catch_up()
    again.finish()
    assert again.result().spent.steps_trained == 0
    assert [r.metrics for r in stored] == [r.metrics for r in records]
    torch.testing.assert_close(weights(again.model), weights(alone.model), rtol=1e-4, atol=1e-6)


def test_a_model_without_such_a_head_is_one_sentence_before_any_training(task, saved):
    with pytest.raises(ModelError, match="no AutoModelForTokenClassification; choose .* BERT, "):
        load_task_for(saved("opt"), task)
