"""Tiny random sequence-classification models of every architecture that must be supported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import (
    AutoModelForCausalLM,
    PreTrainedModel,
)

HIDDEN = 32
VOCABULARY = 64

_ENCODER = {
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
_DECODER = {**_ENCODER, "num_key_value_heads": 1, "head_dim": 16}

_CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("BertConfig", _ENCODER),
    "roberta": ("RobertaConfig", _ENCODER),
    "distilbert": (
        "DistilBertConfig",
        {
            "vocab_size": VOCABULARY,
            "dim": HIDDEN,
            "n_layers": 3,
            "n_heads": 2,
            "hidden_dim": 48,
            "max_position_embeddings": 64,
        },
    ),
    # Embeddings of another width than the blocks', so that there is a projection between them.
    "electra": ("ElectraConfig", {**_ENCODER, "embedding_size": 16}),
    "mpnet": ("MPNetConfig", _ENCODER),
    "deberta-v2": (
        "DebertaV2Config",
        {
            **_ENCODER,
            "relative_attention": True,
            "position_buckets": 8,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "pos_att_type": ["p2c", "c2p"],
            "position_biased_input": False,
            "type_vocab_size": 0,
            "conv_kernel_size": 3,
            "conv_act": "gelu",
        },
    ),
    "modernbert": (
        "ModernBertConfig",
        {
            **_ENCODER,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "cls_token_id": 1,
            "sep_token_id": 2,
        },
    ),
    "gpt2": (
        "GPT2Config",
        {
            "vocab_size": VOCABULARY,
            "n_embd": HIDDEN,
            "n_layer": 3,
            "n_head": 2,
            "n_positions": 64,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "pad_token_id": 0,
        },
    ),
    "gpt_neox": ("GPTNeoXConfig", _ENCODER),
    "opt": (
        "OPTConfig",
        {
            "vocab_size": VOCABULARY,
            "hidden_size": HIDDEN,
            "num_hidden_layers": 3,
            "num_attention_heads": 2,
            "ffn_dim": 48,
            "max_position_embeddings": 64,
            "word_embed_proj_dim": 16,
            "pad_token_id": 0,
        },
    ),
    "llama": ("LlamaConfig", _DECODER),
    "qwen2": ("Qwen2Config", _DECODER),
    "qwen3": ("Qwen3Config", _DECODER),
    "gemma": ("GemmaConfig", _DECODER),
    "gemma2": ("Gemma2Config", _DECODER),
}


def tiny_model(name: str, n_labels: int = 2, seed: int = 0, **overrides: Any) -> PreTrainedModel:
    """A random model of 3 blocks, hidden size 32; ``overrides`` go into its config.

    One of them, ``auto_class``, is the class that makes the model instead.
    """
    auto_class = overrides.pop("auto_class", "AutoModelForSequenceClassification")
    config_class, fields = _CONFIGS[name]
    config = getattr(transformers, config_class)(**{**fields, "num_labels": n_labels, **overrides})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: PreTrainedModel = getattr(transformers, auto_class).from_config(config)
        return model.eval()


def tiny_language_model(
    name: str, *, tied: bool = False, seed: int = 0, **overrides: Any
) -> PreTrainedModel:
    """A random language model of 3 blocks; ``tied``: its head has the token table as weight."""
    config_class, fields = _CONFIGS[name]
    given = {**fields, "tie_word_embeddings": tied, **overrides}
    config = getattr(transformers, config_class)(**given)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return AutoModelForCausalLM.from_config(config).eval()


def save_tiny(
    folder: Path,
    words: Sequence[str] = ("good", "bad"),
    architecture: str = "bert",
    **overrides: Any,
) -> Path:
    """A tiny model with a tokenizer that knows ``words``, as ``save_pretrained`` writes it."""
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    tokenizer = transformers.BertTokenizerFast(
        vocab={word: index for index, word in enumerate(vocabulary)}
    )
    tokenizer.save_pretrained(folder)
    tiny_model(architecture, **overrides).save_pretrained(folder)
    return folder


def name_classes(
    model: PreTrainedModel, names: Sequence[str], order: Sequence[int] | None = None
) -> None:
    """Name the classes of a BERT and reorder its outputs if an order is given."""
    with torch.no_grad():
        for parameter in model.classifier.parameters():
            parameter.copy_(parameter[list(order or range(len(names)))].clone())
    model.config.id2label = dict(enumerate(names))
    model.config.label2id = {name: index for index, name in enumerate(names)}


TINY: dict[str, Callable[[], PreTrainedModel]] = {
    name: partial(tiny_model, name) for name in _CONFIGS
}


def tiny_batch(n_examples: int = 4, length: int = 10, seed: int = 0) -> dict[str, torch.Tensor]:
    """Tokens with right padding, two labels."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(3, VOCABULARY, (n_examples, length), generator=generator)
    lengths = torch.randint(length // 2, length + 1, (n_examples,), generator=generator)
    lengths[0] = length
    mask = (torch.arange(length) < lengths[:, None]).long()
    return {
        "input_ids": tokens * mask,
        "attention_mask": mask,
        "labels": torch.randint(0, 2, (n_examples,), generator=generator),
    }
