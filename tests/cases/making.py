"""Tiny random models, and texts of which one word tells the class."""

import random
from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers

# Two words for the class 1, two for the class 0, and others.
WORDS = ("good", "fine", "bad", "poor", "a", "the", "film", "plot", "was", "is", "one", "two")
END = "<|endoftext|>"

_COMMON = {"vocab_size": 64, "pad_token_id": 0}
_ENCODER = {
    **_COMMON,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
}
_DECODER = {**_ENCODER, "bos_token_id": 0, "eos_token_id": 0}
_GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 2, "bos_token_id": 0, "eos_token_id": 0}
_DISTILBERT = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48}
_XLNET = {"d_model": 32, "n_layer": 2, "n_head": 2, "d_inner": 48}
_MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("BertConfig", _ENCODER),
    "biogpt": ("BioGptConfig", _DECODER),
    "deberta-v2": ("DebertaV2Config", _ENCODER),
    "distilbert": ("DistilBertConfig", {**_COMMON, **_DISTILBERT, "max_position_embeddings": 64}),
    "electra": ("ElectraConfig", {**_ENCODER, "embedding_size": 16}),
    "fnet": ("FNetConfig", {**_ENCODER, "tpu_short_seq_length": 64}),
    "gpt2": ("GPT2Config", {**_COMMON, **_GPT2, "n_positions": 64}),
    "llama": ("LlamaConfig", {**_DECODER, "num_key_value_heads": 1, "head_dim": 16}),
    "mpnet": ("MPNetConfig", _ENCODER),
    "qwen2": ("Qwen2Config", {**_DECODER, "num_key_value_heads": 1}),
    "roberta": ("RobertaConfig", _ENCODER),
    "starcoder2": ("Starcoder2Config", {**_DECODER, "num_key_value_heads": 1}),
    "xlnet": ("XLNetConfig", {**_COMMON, **_XLNET}),
}


def save_model(folder: Path, architecture: str = "bert", **settings) -> Path:
    """A random model of 2 blocks; ``settings`` go into its config."""
    kind, usual = _MODELS[architecture]
    config = getattr(transformers, kind)(**{**usual, **settings})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.AutoModelForSequenceClassification.from_config(config)
    model.save_pretrained(folder)
    return folder


def save_tokenizer(folder: Path, *more: str, **settings) -> Path:
    """A tokenizer like BERT's, which knows `WORDS` and ``more``."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *more]
    vocabulary = {word: index for index, word in enumerate(words)}
    transformers.BertTokenizerFast(vocab=vocabulary, **settings).save_pretrained(folder)
    return folder


def save_decoder_tokenizer(folder: Path, **settings) -> Path:
    """A tokenizer like GPT-2's: without a padding token, the end-of-sequence token pads."""
    vocabulary = {word: index for index, word in enumerate([END, "<unk>", *WORDS])}
    backend = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token=END, unk_token="<unk>", **settings
    )
    tokenizer.save_pretrained(folder)
    return folder


def rows(number: int, seed: int = 0, words: int = 5) -> list[tuple[str, int]]:
    """Texts of at most ``words`` words and one more, which tells the class 0 or 1."""
    draw = random.Random(seed)
    made = []
    for _ in range(number):
        label = draw.randrange(2)
        text = [draw.choice(WORDS[4:]) for _ in range(draw.randint(1, words))]
        made.append((" ".join([*text, draw.choice(WORDS[2 * (1 - label) :][:2])]), label))
    return made


def write_csv(file: Path, header: str, lines) -> str:
    """A CSV file of cells, none of which needs quotes; returns its path."""
    text = [",".join(map(str, line)) for line in lines]
    file.write_text("\n".join([header, *text]) + "\n")
    return str(file)
