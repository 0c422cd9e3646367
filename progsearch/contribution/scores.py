"""Contribution scores of a model's blocks on a task, computed once and cached."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from progsearch.cache import cache_dir, content_key, keep_json, kept_json
from progsearch.config import TaskConfig
from progsearch.contribution import get_metric
from progsearch.contribution.base import ContributionMetric
from progsearch.contribution.fitting import fit
from progsearch.contribution.probe import Probe
from progsearch.determinism import Determinism
from progsearch.errors import MetricError
from progsearch.models.anatomy import Anatomy, find_anatomy
from progsearch.models.loading import (
    inspect_weights,
    load_model,
    load_tokenizer,
    model_fingerprint,
)
from progsearch.tasks import Split, TaskData, load_task_for
from progsearch.version import PROBE_VERSION, libraries

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ProbeSettings:
    """How much of the task's data a contribution metric uses.

    A new head is random, and so are the gradients that it passes down. So the head alone is
    trained briefly before anything is scored, and every metric starts from there.

    Attributes:
        train_examples: Number of training examples for training the head, and for metrics that
            train.
        scored_examples: Number of other training examples, on which scores are measured.
        batch_size: Number of examples per batch.
        head_passes: Passes over the train examples to train the head; 0 leaves it random.
        head_learning_rate: Learning rate of these passes.
    """

    train_examples: int = 256
    scored_examples: int = 64
    batch_size: int = 16
    head_passes: int = 2
    head_learning_rate: float = 3e-4


def contribution_scores_many(
    model_ref: str,
    task: TaskConfig,
    metrics: Sequence[str],
    *,
    seed: int,
    device: str | None = None,
    settings: ProbeSettings | None = None,
) -> dict[str, tuple[float, ...]]:
    """Scores of a model's blocks by each of ``metrics``, input side first.

    Scores are cached: another call with the same weights, data, seed and settings reads them.
    Missing scores are computed with one shared model and probe.

    Args:
        model_ref: Alias, folder or hub name.
        task: The task; only its training data is read.
        metrics: Names of contribution metrics, as listed by `metric_names`.
        seed: For the new head, the choice of examples and the metrics themselves.
        device: The device to compute on; by default the GPU, if there is one.
        settings: The size of the probe; by default `ProbeSettings()`.

    Raises:
        MetricError: A contribution metric does not exist or its scores cannot be used.
        ProgsearchError: The model or the task cannot be used.
    """
    settings = settings or ProbeSettings()
    wanted = {name: get_metric(name) for name in metrics}
    data = load_task_for(model_ref, task)
    # Stored scores may be from before the weights were checked.
    pad_token_id = load_tokenizer(model_ref).pad_token_id
    inspect_weights(model_ref, data.head, seed=seed, pad_token_id=pad_token_id)
    shared_key = [
        PROBE_VERSION,
        libraries(),
        _device_name(device),
        model_fingerprint(model_ref),
        data.fingerprint,
        seed,
        asdict(settings),
    ]
    paths = {
        name: cache_dir("contributions") / f"{content_key(*shared_key, *_identity(metric))}.json"
        for name, metric in wanted.items()
    }
    scores: dict[str, tuple[float, ...]] = {}
    probe = None
    for name, metric in wanted.items():
        known = _read(paths[name])
        if known is None:
            if probe is None:
                probe = make_probe(model_ref, data, seed, device, settings)
            logger.info("scoring the blocks of %s on %s by %s", model_ref, task.name, name)
            known = _scored(metric, probe)
            keep_json(paths[name], known)
        scores[name] = known
    return scores


def model_scores(
    model: nn.Module,
    anatomy: Anatomy,
    split: Split,
    metric: str,
    *,
    seed: int,
    gradients: list[list[Tensor]] | None = None,
    settings: ProbeSettings | None = None,
) -> tuple[float, ...]:
    """One contribution metric's scores of a model in its current state, during training.

    They are measured on the same examples as in `contribution_scores_many`, unless the metric
    can use the latest gradients of the training. The model is not changed.

    Args:
        model: The model with its head.
        anatomy: The parts of ``model``.
        split: The training data.
        metric: Name of the contribution metric.
        seed: For the choice of examples and the metric itself.
        gradients: The latest gradients of the training, in the form of `Probe.gradients`; used
            instead of new passes if the metric needs only gradients.
        settings: The size of the probe; by default `ProbeSettings()`.

    Raises:
        MetricError: The contribution metric does not exist or its scores cannot be used.
    """
    chosen = get_metric(metric)
    probe = _probe(model, anatomy, split, seed, settings or ProbeSettings())
    if gradients is not None and chosen.by_gradients:
        probe.gradients = gradients
    return _scored(chosen, probe)


def scoring(metric: str, settings: ProbeSettings | None = None) -> list[Any]:
    """What determines scores besides the model, its data and the seed, as JSON-able data.

    Raises:
        MetricError: The contribution metric does not exist.
    """
    return [PROBE_VERSION, asdict(settings or ProbeSettings()), *_identity(get_metric(metric))]


def make_probe(
    model_ref: str, data: TaskData, seed: int, device: str | None, settings: ProbeSettings
) -> Probe:
    """A new model, its head trained if that is new, and the examples to measure on."""
    chosen_device = _chosen(device)
    model = load_model(
        model_ref,
        data.head,
        seed=seed,
        pad_token_id=load_tokenizer(model_ref).pad_token_id,
    ).to(chosen_device)
    probe = _probe(model, find_anatomy(model), data.train, seed, settings)
    if data.head.is_new:
        Determinism(probe.device).settle(
            lambda: fit(
                model,
                probe.parameters("head"),
                probe.train_batches,
                learning_rate=settings.head_learning_rate,
                passes=settings.head_passes,
            )
        )
    return probe


def _chosen(device: str | None) -> torch.device:
    return torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))


def _device_name(device: str | None) -> str:
    """The device as far as it affects rounding: each kind of GPU sums in its own order."""
    chosen = _chosen(device)
    return torch.cuda.get_device_name(chosen) if chosen.type == "cuda" else chosen.type


def _probe(
    model: nn.Module, anatomy: Anatomy, split: Split, seed: int, settings: ProbeSettings
) -> Probe:
    device = next(model.parameters()).device
    to_train, to_score = _choose(len(split), seed, settings)
    return Probe(
        model=model,
        anatomy=anatomy,
        batches=_batches(split, to_score, settings.batch_size, device),
        train_batches=_batches(split, to_train, settings.batch_size, device),
        seed=seed,
    )


def _choose(
    n_examples: int, seed: int, settings: ProbeSettings
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Examples to train on and others to score on; small data sets are split in the same ratio."""
    order = np.random.default_rng(seed).permutation(n_examples)
    n_wanted = settings.train_examples + settings.scored_examples
    n_scored = max(1, settings.scored_examples * min(n_examples, n_wanted) // n_wanted)
    n_train = min(n_examples - n_scored, settings.train_examples)
    return order[n_scored : n_scored + n_train], order[:n_scored]


def _batches(
    split: Split, indices: npt.NDArray[np.int64], size: int, device: torch.device
) -> list[dict[str, Tensor]]:
    # Batches of similar lengths have little padding.
    indices = indices[np.argsort(split.lengths[indices], kind="stable")]
    return [split.batch(indices[i : i + size], device) for i in range(0, len(indices), size)]


def _identity(metric: ContributionMetric) -> tuple[str, str, int]:
    kind = type(metric)
    return metric.name, f"{kind.__module__}.{kind.__qualname__}", metric.version


def _read(path: Path) -> tuple[float, ...] | None:
    """The scores cached at ``path``; None if the file is missing or damaged."""
    scores = kept_json(path)
    if not (isinstance(scores, list) and scores):
        return None
    if not all(isinstance(score, float) and math.isfinite(score) for score in scores):
        return None
    return tuple(scores)


def _scored(metric: ContributionMetric, probe: Probe) -> tuple[float, ...]:
    scores = Determinism(probe.device).settle(lambda: metric.scores(probe))
    return _checked(scores, metric.name, probe.n_blocks)


def _checked(scores: Sequence[float], name: str, n_blocks: int) -> tuple[float, ...]:
    if len(scores) != n_blocks:
        raise MetricError(
            f"contribution metric {name!r} returned {len(scores)} scores for {n_blocks} blocks; "
            "fix the metric or choose another"
        )
    for block, score in enumerate(scores):
        if not math.isfinite(score):
            raise MetricError(
                f"contribution metric {name!r} returned {score} for block {block}; choose another "
                "metric, or check the model for broken weights"
            )
    return tuple(float(score) for score in scores)
