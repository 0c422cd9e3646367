"""The costs of a model's parts under a fine-tuning method, measured once and cached."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import torch
from transformers import PreTrainedModel

from progsearch.cache import cache_dir, content_key, keep_json, kept_json
from progsearch.config import MethodConfig, TaskConfig, TrainingConfig, training_under
from progsearch.costs import ModelCost, PartCost
from progsearch.costs.flops import measure_parts
from progsearch.costs.memory import ModelMemory
from progsearch.engine.precision import resolve_precision
from progsearch.methods import apply_method
from progsearch.models.anatomy import Anatomy, Part, find_anatomy
from progsearch.models.loading import load_model, load_tokenizer, model_fingerprint
from progsearch.models.trainable import TrainableParameters
from progsearch.tasks import TaskData, load_task_for
from progsearch.training.shortcut_check import checked_shortcuts
from progsearch.training.step_memory import measure_memory, measured_rows, most_rows
from progsearch.version import COSTS_VERSION, MEMORY_VERSION, libraries

_EXAMPLES = 4


def describe(
    model: str,
    task: TaskConfig,
    method: MethodConfig,
    training: TrainingConfig | None = None,
    ranks: int = 1,
) -> ModelCost:
    """The costs of the parts of ``model`` on ``task`` under ``method``.

    FLOPs are measured for one example of the training data's mean length.

    Args:
        model: Alias, folder or hub name.
        task: The data.
        method: The method applied to the model.
        training: Precision, the dtype of frozen weights and the optimizer, to measure memory,
            too; None: it is left out.
        ranks: The number of processes that train together; the memory is that of one.

    Raises:
        ProgsearchError: The model, the task or the method cannot be used, or do not fit.
    """
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
    known = kept_json(path)
    if known is None:
        network, anatomy, trainable, parameters = _applied(model, data, method)
        cost = measure_parts(network, anatomy, trainable, data.train.batch(nearest), parameters)
        keep_json(path, asdict(cost))
    else:
        cost = ModelCost(
            embeddings=PartCost(**known["embeddings"]),
            blocks=tuple(PartCost(**block) for block in known["blocks"]),
            head=PartCost(**known["head"]),
        )
    if training is None:
        return cost
    training = training_under(method, training)
    memory = replace(_memory(model, task, data, method, training), ranks=ranks)
    return replace(cost, memory=memory)


def _memory(
    model: str, task: TaskConfig, data: TaskData, method: MethodConfig, training: TrainingConfig
) -> ModelMemory:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    precision = resolve_precision(training.precision, device)
    left_out = checked_shortcuts(model, task, method).left_out
    occurring = np.unique(np.concatenate([split.token_ids().numpy() for split in data.splits()]))
    key = content_key(
        MEMORY_VERSION,
        libraries(),
        model_fingerprint(model),
        data.head.n_outputs,
        *data.head.identity,
        data.train.lengths[measured_rows(data.train)].tolist(),
        len(occurring),
        most_rows(data.splits()),
        method.identity,
        device.type,
        precision,
        training.frozen_dtype,
        training.optimizer,
        sorted(kind.__name__ for kind in left_out),
    )
    path = cache_dir("costs") / f"{key}.json"
    known = kept_json(path)
    if known is not None:
        return ModelMemory.from_dict(known)
    network, anatomy, trainable, _ = _applied(model, data, method)
    found = measure_memory(
        network,
        anatomy,
        trainable,
        data.splits(),
        training,
        precision,
        device=device,
        left_out=left_out,
    )
    keep_json(path, asdict(found))
    return found


def _applied(
    model: str, data: TaskData, method: MethodConfig
) -> tuple[PreTrainedModel, Anatomy, TrainableParameters, dict[Part, int]]:
    """The model with its method, and the parameters that each part had before."""
    tokenizer = load_tokenizer(model)
    network = load_model(model, data.head, pad_token_id=tokenizer.pad_token_id)
    anatomy = find_anatomy(network)
    parts: list[Part] = ["embeddings", *range(anatomy.n_blocks), "head"]
    parameters = {
        part: sum(p.numel() for _, p in anatomy.parameters(network, part)) for part in parts
    }
    return network, anatomy, apply_method(network, anatomy, method), parameters
