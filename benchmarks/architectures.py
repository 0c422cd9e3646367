"""Compares progsearch with plain transformers for every sequence classification architecture.

For each of them in the installed transformers, a tiny random model is made from its config class.
Its shortcuts are compared with plain passes, as before each search, on texts with and without the
padding token. Then a few steps are trained with the remaining shortcuts, and the engine's outputs
are compared with those of plain passes.

    python benchmarks/architectures.py --out docs/architectures.md

Each model runs in a separate process with a time limit.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
from collections.abc import Iterator
from contextlib import redirect_stderr
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from torch import Tensor
from transformers import AutoModelForSequenceClassification, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING

from progsearch.config import TrainingConfig, method_of
from progsearch.costs import steps_per_epoch
from progsearch.engine.batches import evaluation_batches
from progsearch.engine.evaluation import in_split_order
from progsearch.engine.loop import Engine
from progsearch.engine.shortcuts.check import Check, check_shortcuts
from progsearch.engine.shortcuts.usual import usual_shortcuts
from progsearch.errors import ModelError
from progsearch.methods import apply_method
from progsearch.models.anatomy import find_anatomy
from progsearch.schedule import Schedule, Stage
from progsearch.schedule.plan import SegmentPlan
from progsearch.tasks import Split

SECONDS = 120
MEMORY = 6 * 2**30
PAD, VOCABULARY = 2, 64

# Sizes for the config fields of these names, which make a model of any class tiny.
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "pad_token_id": PAD,
    "bos_token_id": 1,
    "eos_token_id": PAD,
    **dict.fromkeys(("hidden_size", "embedding_size", "n_embd", "d_model", "dim", "emb_dim"), 32),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers"), 3),
    **dict.fromkeys(("encoder_layers", "decoder_layers", "num_decoder_layers"), 2),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), 4),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 4),
    **dict.fromkeys(("num_key_value_heads", "num_kv_heads"), 2),
    **dict.fromkeys(("head_dim", "d_kv", "d_head", "attention_head_dim"), 8),
    **dict.fromkeys(("intermediate_size", "ffn_dim", "hidden_dim", "d_inner", "d_ff", "dff"), 48),
    **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim", "ffn_hidden_size"), 48),
    **dict.fromkeys(("max_position_embeddings", "n_positions"), 64),
    **dict.fromkeys(("sliding_window", "attention_window", "local_attention"), 8),
    **dict.fromkeys(("linear_key_head_dim", "linear_value_head_dim"), 8),
    **dict.fromkeys(("linear_num_key_heads", "linear_num_value_heads"), 2),
    # Mixtures of experts.
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), 4),
    **dict.fromkeys(("num_experts_per_tok", "num_experts_per_token", "moe_topk"), 2),
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size"), 16),
    **dict.fromkeys(("n_group", "topk_group", "first_k_dense_replace"), 1),
    # Attention over compressed keys and values.
    **dict.fromkeys(("q_lora_rank", "kv_lora_rank"), 16),
    **dict.fromkeys(("qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim"), 8),
}
_VISION = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "image_size": 16,
    "patch_size": 8,
}
_ROPE = {"rope_type": "default", "rope_theta": 10000.0}
# Further settings that some models need.
OWN: dict[str, dict[str, Any]] = {
    **{
        name: {"num_key_value_heads": 4}
        for name in ("axk1", "axk2", "deepseek_v2", "deepseek_v3", "esmc", "minicpm3")
    },
    "cohere_compass_text": {"rope_parameters": {"full_attention": _ROPE}},
    "deberta": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
    "distilbert": {"n_layers": 3, "hidden_dim": 48},
    "funnel": {"block_sizes": [1, 1, 1]},
    "gpt_neo": {"attention_types": [[["global", "local", "global"], 1]], "window_size": 8},
    "gptj": {"rotary_dim": 8},
    "layoutlmv3": {"coordinate_size": 4, "shape_size": 8},
    "lilt": {"hidden_size": 48, "channel_shrink_ratio": 4},
    "perceiver": {"num_latents": 8, "d_latents": 32, "num_self_attends_per_block": 3},
    "qwen3_5": {"vision_config": {**_VISION, "depth": 1, "num_heads": 2, "out_hidden_size": 32}},
    "reformer": {
        "attention_head_size": 8,
        "axial_pos_embds_dim": [16, 16],
        "axial_pos_shape": [8, 8],
        "feed_forward_size": 48,
    },
    **{name: {"vision_config": _VISION} for name in ("gemma3", "modernvbert", "ultravbert")},
    "xmod": {"default_language": "en_XX"},
    "mistral4": {
        "num_key_value_heads": 4,
        "qk_head_dim": 16,
        "rope_parameters": {
            **_ROPE,
            "llama_4_scaling_beta": 0.1,
            "original_max_position_embeddings": 64,
        },
    },
    "opt": {"word_embed_proj_dim": 32},
}


@dataclass(frozen=True)
class Row:
    """A row of the table."""

    name: str
    result: str
    outputs: str = ""
    gradients: str = ""
    left: str = ""


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path, required=True, help="the Markdown file")
    parser.add_argument("--only", nargs="*", help="model types (default all)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING
    kinds = sorted({config.model_type: config for config in found}.items())
    rows = []
    for name, config in kinds:
        if arguments.only is None or name in arguments.only:
            rows.append(in_process(name, config))
            print(f"{name}: {rows[-1].result} {rows[-1].outputs}", flush=True)
    arguments.out.write_text(page(rows), encoding="utf-8")


def in_process(name: str, config_class: Any) -> Row:
    """The row of a model, made in a separate process that may fail or time out."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(sender, name, config_class))
    process.start()
    sender.close()
    try:
        row: Row = (
            receiver.recv()
            if receiver.poll(SECONDS)
            else Row(name, f"not tried: it takes more than {SECONDS} s")
        )
    except EOFError:
        row = Row(name, "not tried: its process ended")
    process.kill()
    process.join()
    return row


def _send(sender: Connection, name: str, config_class: Any) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):
        try:
            row = compared(name, config_class)
        except ModelError as error:
            row = Row(name, f"refused: {error}")
        except Exception as error:
            row = Row(name, f"FAILS: {_first_line(error)}")
        sender.send(row)


def compared(name: str, config_class: Any) -> Row:
    """The row of a model.

    Raises:
        ModelError: progsearch refuses it.
    """
    try:
        model = tiny(name, config_class)
    except Exception as error:
        return Row(name, f"not tried: {_first_line(error)}")
    checks = [check(model, texts(holding=holding)) for holding in (True, False)]
    kinds = {kind: None for found in checks for kind in found.left_out}
    notes = {name: note for found in checks for name, note in found.notes.items()}
    worst = max(trained_difference(model, texts(holding=h), tuple(kinds)) for h in (True, False))
    findings = [finding for found in checks for finding in found.findings if not finding.reason]
    outputs = max([worst, *(finding.outputs or 0.0 for finding in findings)])
    gradients = max((finding.gradients or 0.0 for finding in findings), default=0.0)
    left_out = "; ".join(note.removeprefix("trained ") for note in notes.values())
    result = (left_out or "all shortcuts") if outputs <= 1e-5 else "DIFFERS"
    same = left_difference(model, texts(holding=False)) <= 1e-4
    return Row(name, result, f"{outputs:.0e}", f"{gradients:.0e}", "yes" if same else "no")


def tiny(name: str, config_class: Any) -> PreTrainedModel:
    """A random model of three blocks."""
    default = config_class()
    known = {*default.to_dict(), *getattr(config_class, "attribute_map", {})}
    inner = default.get_text_config()
    fields = {field: size for field, size in SIZES.items() if field in known}
    fields |= OWN.get(name, {})
    if inner is not default:
        nested = {field: size for field, size in SIZES.items() if hasattr(inner, field)}
        fields["text_config"] = {"model_type": inner.model_type, **nested}
    for field in ("layer_types", "layers_block_type", "mlp_layer_types"):
        kinds = getattr(default, field, None)
        if field in known and kinds:
            fields[field] = [kinds[0], kinds[-1], kinds[len(kinds) // 2]]
    torch.manual_seed(0)
    config = config_class(**fields, num_labels=2)
    model: PreTrainedModel = AutoModelForSequenceClassification.from_config(config)
    model.config.get_text_config().pad_token_id = PAD
    model.config.get_text_config().use_cache = False
    for module in model.modules():
        for field, value in vars(module).items():
            # Dropout would draw random numbers for other shapes.
            if isinstance(value, float) and ("drop" in field or field == "p"):
                setattr(module, field, 0.0)
    return model.float().eval()


def texts(*, holding: bool) -> Split:
    """Rows of 4 to 20 tokens; with ``holding``, half of them end with the padding token."""
    generator = np.random.default_rng(0)
    lengths = generator.integers(4, 20, size=24)
    ids = generator.integers(5, VOCABULARY, size=lengths.sum())
    if holding:
        last = np.cumsum(lengths) - 1
        ids[last[::2]] = ids[last[::4] - 1] = ids[last[1::8] - 2] = PAD
    return Split(ids, lengths, {"labels": generator.integers(0, 2, size=24)}, pad_id=PAD)


def check(model: PreTrainedModel, split: Split) -> Check:
    """The comparison before a search, for each shortcut separately."""
    anatomy = find_anatomy(model)
    trainable = apply_method(model, anatomy, method_of())
    return check_shortcuts(model, anatomy, trainable, split, each=True)


def trained_difference(model: PreTrainedModel, split: Split, left_out: tuple[Any, ...]) -> float:
    """The largest relative difference of engine and plain outputs after each of three stages."""
    anatomy = find_anatomy(model)
    trainable = apply_method(model, anatomy, method_of())
    n = anatomy.n_blocks
    stages = (
        Stage(0.0, 0.34, tuple(range(n)), embeddings=True),
        Stage(0.34, 0.67, (n - 1,), embeddings=False),
        Stage(0.67, 1.0, (), embeddings=False),
    )
    training = TrainingConfig(epochs=3, batch_size=8, learning_rate=1e-3, precision="fp32")
    shortcuts = usual_shortcuts(
        model, anatomy, "fp32", trained=trainable.names(*stages), splits=[split], left_out=left_out
    )
    plan = SegmentPlan(Schedule(n, stages), steps_per_epoch(len(split), 8), 3)
    engine = Engine(model, anatomy, trainable, plan, training, split, shortcuts=shortcuts)
    worst = 0.0
    for end in (3, 6, 9):
        engine.advance(end)
        found = engine.predict(split)
        model.eval()
        worst = max(worst, _relative(found, _plain(model, split)))
    engine.finish()
    return worst


def _plain(model: PreTrainedModel, split: Split) -> Tensor:
    """The outputs of plain passes for the batches of an evaluation, in the split's order."""
    batches = evaluation_batches(split.lengths, torch.device("cpu"))
    with torch.no_grad():
        kept = [model(**split.batch(rows)).logits for rows in batches]
    return in_split_order(kept, batches, split.lengths, per_token=False)


def left_difference(model: PreTrainedModel, split: Split) -> float:
    """The relative difference between left-padded batches and single texts."""
    right = split.batch(range(len(split)))
    mask = right["attention_mask"]
    shift = mask.shape[1] - mask.sum(1, keepdim=True)
    places = (torch.arange(mask.shape[1]) - shift) % mask.shape[1]
    with torch.no_grad():
        given = model.eval()(
            input_ids=right["input_ids"].gather(1, places),
            attention_mask=mask.gather(1, places),
        )
    return _relative(given.logits, torch.cat(list(_alone(model, split))))


def _alone(model: PreTrainedModel, split: Split) -> Iterator[Tensor]:
    with torch.no_grad():
        for row in range(len(split)):
            yield model(**split.batch([row])).logits


def _relative(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


def _first_line(error: Exception) -> str:
    first, *_ = [*str(error).strip().splitlines(), ""]
    return f"{type(error).__name__}: {first[:160]}"


def page(rows: list[Row]) -> str:
    """The table, as Markdown."""
    equal = sum(bool(row.outputs) and row.result != "DIFFERS" for row in rows)
    refused = sum(row.result.startswith("refused") for row in rows)
    versions = f"transformers {transformers.__version__}, torch {torch.__version__}"
    lines = [
        "# Architectures",
        "",
        "Made by `benchmarks/architectures.py` with tiny random models of every architecture that",
        f"classifies sequences, in fp32 on a CPU ({versions}).",
        f"Of {len(rows)}, {equal} compute what plain transformers computes and {refused} are",
        "refused with a reason; the others could not be made tiny or need further packages.",
        "Texts are padded on the right; half of the texts, or none, end with the padding token.",
        "",
        "- *outputs* and *gradients*: the largest differences with the shortcuts that are used,",
        "  relative to the largest output and to the largest gradient of the parameter.",
        "- *left*: whether the model also ignores padding on the left.",
        "",
        "| architecture | result | outputs | gradients | left |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        result = row.result.replace("|", "/")
        lines.append(f"| {row.name} | {result} | {row.outputs} | {row.gradients} | {row.left} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
