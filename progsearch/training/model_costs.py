"""The costs of a model's parts under a fine-tuning method, measured once and cached."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from progsearch.cache import cache_dir, content_key, keep_json, read_json
from progsearch.config import MethodConfig, TaskConfig
from progsearch.costs import ModelCost, PartCost
from progsearch.costs.flops import measure_parts
from progsearch.methods import apply_method
from progsearch.models.anatomy import find_anatomy
from progsearch.models.loading import load_model, load_tokenizer, model_fingerprint
from progsearch.tasks import load_task_for
from progsearch.version import COSTS_VERSION, libraries

_EXAMPLES = 4


def describe(model: str, task: TaskConfig, method: MethodConfig) -> ModelCost:
    """The costs of the parts of ``model`` on ``task`` under ``method``.

    FLOPs are measured for one example of the training data's mean length.

    Raises:
        ProgsearchError: The model, the task or the method cannot be used, or do not fit.
    """
    tokenizer = load_tokenizer(model)
    data = load_task_for(model, task)
    lengths = data.train.lengths
    nearest = np.argsort(np.abs(lengths - round(float(lengths.mean()))), kind="stable")[:_EXAMPLES]
    key = content_key(
        COSTS_VERSION,
        libraries(),
        model_fingerprint(model),
        data.head.n_outputs,
        *data.head.identity,
        # Costs depend on the shape of the examples, not on their tokens.
        lengths[nearest].tolist(),
        method.identity,
    )
    path = cache_dir("costs") / f"{key}.json"
    known = read_json(path)
    if known is not None:
        return ModelCost(
            embeddings=PartCost(**known["embeddings"]),
            blocks=tuple(PartCost(**block) for block in known["blocks"]),
            head=PartCost(**known["head"]),
        )
    network = load_model(
        model,
        data.head,
        pad_token_id=tokenizer.pad_token_id,
    )
    anatomy = find_anatomy(network)
    parameters = {
        part: sum(p.numel() for _, p in anatomy.parameters(network, part))
        for part in ("embeddings", *range(anatomy.n_blocks), "head")
    }
    trainable = apply_method(network, anatomy, method)
    cost = measure_parts(network, anatomy, trainable, data.train.batch(nearest), parameters)
    keep_json(path, asdict(cost))
    return cost
