"""Tiny decoders without a padding token, and texts with their end-of-sequence token."""

from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers

from progsearch.config import TaskConfig
from tests.support.tiny import tiny_model

END = "<|endoftext|>"
WORDS = ["good", "bad", "the", "a", "day", "film", "plot", "cast", "one", "two", "three", "is"]
VOCABULARY = [END, "<unk>", *WORDS]


def tokenizer(**settings):
    """A word-level tokenizer without a padding token."""
    model = tokenizers.models.WordLevel(
        {word: i for i, word in enumerate(VOCABULARY)}, unk_token="<unk>"
    )
    backend = tokenizers.Tokenizer(model)
    backend.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token=END, unk_token="<unk>", **settings
    )


def letter_tokenizer():
    """A tokenizer for Qwen2, which transformers always loads as BPE: words would be lost."""
    tokens = [END, "<unk>", "Ġ", *sorted(set("".join(WORDS)))]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    return transformers.Qwen2Tokenizer(
        vocab=vocabulary, merges=[], eos_token=END, unk_token="<unk>"
    )


def save_with_end(folder: Path, architecture: str) -> str:
    """A tiny decoder whose padding token is its end-of-sequence token, as GPT-2's is."""
    settings: dict[str, Any] = dict.fromkeys(("eos_token_id", "bos_token_id", "pad_token_id"), 0)
    tiny_model(architecture, **settings).save_pretrained(folder)
    (letter_tokenizer() if architecture == "qwen2" else tokenizer()).save_pretrained(folder)
    return str(folder)


def write_task(folder: Path, *, share: float = 0.5) -> TaskConfig:
    """Texts of which a share ends with the end-of-sequence token; some also have one inside."""
    generator = torch.Generator().manual_seed(0)

    def number(most):
        return int(torch.randint(most, (), generator=generator))

    for name, rows in (("train", 48), ("validation", 32)):
        lines = ["text,label"]
        for _ in range(rows):
            label = number(2)
            words = [WORDS[2 + number(len(WORDS) - 2)] for _ in range(2 + number(6))]
            words.insert(number(len(words)), ("bad", "good")[label])
            if number(100) < 100 * share:
                words.append(END)
                if number(2):
                    words.insert(1, END)
            lines.append(" ".join(words) + f",{label}")
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return TaskConfig(
        name="ends", **{f"{n}_file": str(folder / f"{n}.csv") for n in ("train", "validation")}
    )
