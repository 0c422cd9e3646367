"""The one table of model architectures: what each needs where its structure alone does not tell.

Models that are not listed work, too, as long as their parts can be found (`find_anatomy`); what
the table would allow is then left out, and the log says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Architecture:
    """One model type of transformers.

    Attributes:
        model_type: As its config names it.
        title: As people write it.
        after_attention: The module of a block from whose input on tokens no longer meet: what
            comes after it works on each by itself. If a residual of all tokens is added later,
            the one token's sum is right, and no other is read. None: not known.
        recordable: Whether recorded steps give the bits of others. Some models wait for the
            device within a step, as DeBERTa and Gemma 2 do for constants; such a step has no
            CUDA graph.
        tested: Whether the tests hold every part of progsearch to it.
    """

    model_type: str
    title: str
    after_attention: str | None = None
    recordable: bool = False
    tested: bool = True


ARCHITECTURES: dict[str, Architecture] = {
    found.model_type: found
    for found in (
        Architecture("bert", "BERT", "attention.output", recordable=True),
        Architecture("roberta", "RoBERTa", "attention.output", recordable=True),
        Architecture("distilbert", "DistilBERT", "sa_layer_norm", recordable=True),
        Architecture("electra", "ELECTRA", "attention.output", recordable=True),
        Architecture("mpnet", "MPNet", "attention.LayerNorm", recordable=True),
        Architecture("deberta-v2", "DeBERTa-v2", "attention.output"),
        Architecture("modernbert", "ModernBERT", "mlp_norm", recordable=True),
        Architecture("gpt2", "GPT-2", "ln_2", recordable=True),
        Architecture("gpt_neox", "GPT-NeoX", "post_attention_layernorm", recordable=True),
        Architecture("opt", "OPT", recordable=True),
        Architecture("llama", "Llama", "post_attention_layernorm", recordable=True),
        Architecture("qwen2", "Qwen2", "post_attention_layernorm", recordable=True),
        Architecture("qwen3", "Qwen3", "post_attention_layernorm", recordable=True),
        Architecture("gemma", "Gemma", "post_attention_layernorm", recordable=True),
        Architecture("gemma2", "Gemma 2", "pre_feedforward_layernorm"),
        Architecture("camembert", "CamemBERT", "attention.output", tested=False),
        Architecture("mistral", "Mistral", "post_attention_layernorm", tested=False),
        Architecture("xlm-roberta", "XLM-RoBERTa", "attention.output", tested=False),
    )
}


def architecture_of(model: Any) -> Architecture:
    """What is known of a model's architecture; of one that is not listed, nothing."""
    model_type = str(getattr(getattr(model, "config", None), "model_type", None))
    return ARCHITECTURES.get(model_type) or Architecture(model_type, model_type, tested=False)
