"""Tiny language models with a tokenizer, and files of instruction data."""

import json
from pathlib import Path

import tokenizers
import transformers

from progsearch.config import TaskConfig
from tests.support.tiny import tiny_language_model

END, PAD, TURN = "<end>", "<pad>", "<turn>"
TEMPLATE = (
    "{% for m in messages %}<turn>{{ m.role }}\n{{ m.content }}<end>\n{% endfor %}"
    "{% if add_generation_prompt %}<turn>assistant\n{% endif %}"
)
NAMES = ["good", "bad", "one", "two", "three"]


def byte_tokenizer(*, chat=True, begin=None, pad=PAD, **settings):
    """A tokenizer with a token per byte, an end token and mostly a chat template."""
    letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    names = [PAD, END, TURN, *([begin] if begin else [])]
    vocabulary = {token: i for i, token in enumerate([*names, *letters])}
    backend = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, merges=[("o", "o")][:0]))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = tokenizers.decoders.ByteLevel()
    if begin:
        backend.post_processor = tokenizers.processors.TemplateProcessing(
            single=f"{begin} $A", special_tokens=[(begin, vocabulary[begin])]
        )
    made = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token=END,
        bos_token=begin,
        pad_token=pad,
        extra_special_tokens=[TURN],
        **settings,
    )
    made.chat_template = TEMPLATE if chat else None
    return made


def save_language_model(folder: Path, architecture="llama", *, tokenizer=None, tied=False) -> str:
    """A tiny language model and its tokenizer, as ``save_pretrained`` writes them."""
    made = tokenizer or byte_tokenizer()
    given = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 1, "vocab_size": len(made)}
    given["n_positions" if architecture == "gpt2" else "max_position_embeddings"] = 256
    model = tiny_language_model(architecture, tied=tied, **given)
    model.save_pretrained(folder)
    made.save_pretrained(folder)
    return str(folder)


def write_lines(file: Path, rows) -> str:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


def sums(rows=48):
    """Prompts and completions of different lengths that a model can learn."""
    words = [NAMES[i % 5] for i in range(rows)]
    return [
        {"prompt": f"say {word} {1 + i % 3}: ", "completion": " ".join([word] * (1 + i % 3))}
        for i, word in enumerate(words)
    ]


def language_task(folder: Path, rows=48, **settings) -> TaskConfig:
    """A task of prompts and completions in files."""
    return TaskConfig(
        name="sums",
        **{"max_length": 64} | settings,
        train_file=write_lines(folder / "train.jsonl", sums(rows)),
        validation_file=write_lines(folder / "validation.jsonl", sums(10)),
    )
