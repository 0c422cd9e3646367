"""The table of model architectures: facts that do not follow from a model's structure.

Other models work too if their parts can be found (`find_anatomy`), but without the optimisations
that need these facts; the log says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Architecture:
    """One model type of transformers.

    Attributes:
        model_type: The name in its config.
        title: The usual name.
        after_attention: The first module of a block after the attention: from its input on, each
            token is computed separately. If a residual of all tokens is added later, only the sum
            of the head's token is valid, and no other is read. None if it is not known.
        recordable: Whether recorded steps give the same bits as others. Some models wait for the
            device within a step, such as DeBERTa and Gemma 2 for constants; such a step cannot be
            recorded as a CUDA graph.
        tested: Whether the tests cover it.
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
    """The table's entry for a model; an entry without facts if it is not listed."""
    model_type = str(getattr(getattr(model, "config", None), "model_type", None))
    return ARCHITECTURES.get(model_type) or Architecture(model_type, model_type, tested=False)
