"""Scores of the blocks of a model on a task: computed once, then read from the cache."""

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

from progsearch.cache import cache_dir, content_key, keep_json, read_json
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
from progsearch.tasks import Split, TaskData, load_task
from progsearch.version import PROBE_VERSION

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ProbeSettings:
    """How much of the task a metric reads.

    A new head is random, and so are the gradients that come down from it: before anything is
    scored, the head alone is trained a little, and every metric starts from there.

    Attributes:
        train_examples: Training examples that the head, and metrics that train, learn from.
        scored_examples: Other training examples, on which scores are measured.
        batch_size: Examples of a batch of either.
        head_passes: Passes over ``train_examples`` that fit the head; 0 leaves it random.
        head_learning_rate: For these passes.
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
    """Scores of the blocks of a model by each of ``metrics``, input side first.

    Scores are kept by content: another call with the same weights, data, seed and settings
    reads them. What has to be computed shares one model and one probe.

    Args:
        model_ref: Alias, folder or hub name.
        task: Whose training data is read; validation and test data are not.
        metrics: Names, as `metric_names` lists them.
        seed: For the new head, the choice of examples and the metrics themselves.
        device: Where to compute; by default the GPU, where there is one.
        settings: The probe; by default `ProbeSettings()`.

    Raises:
        MetricError: A metric does not exist or gives no usable scores.
        ProgsearchError: The model or the task cannot be used.
    """
    settings = settings or ProbeSettings()
    wanted = {name: get_metric(name) for name in metrics}
    tokenizer = load_tokenizer(model_ref)
    data = load_task(task, tokenizer)
    # Scores may be kept from a time when nobody asked.
    inspect_weights(model_ref, data.head, seed=seed, pad_token_id=tokenizer.pad_token_id)
    shared_key = [
        PROBE_VERSION, model_fingerprint(model_ref), data.fingerprint, seed, asdict(settings)
    ]  # fmt: skip
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
    """One metric's scores of a model as it is, in the middle of its training.

    Measured on the examples that `contribution_scores_many` reads, unless the training's own
    gradients say it all. The model is left as it was.

    Args:
        model: With its classification head.
        anatomy: The parts of ``model``.
        split: The training data.
        metric: Its name.
        seed: For the choice of examples and the metric itself.
        gradients: Those that training had last, as `Probe.gradients` holds them; they take the
            place of a pass where the metric goes by them alone.
        settings: The probe; by default `ProbeSettings()`.

    Raises:
        MetricError: The metric does not exist or gives no usable scores.
    """
    chosen = get_metric(metric)
    probe = _probe(model, anatomy, split, seed, settings or ProbeSettings())
    if gradients is not None and chosen.by_gradients:
        probe.gradients = gradients
    return _scored(chosen, probe)


def scoring(metric: str, settings: ProbeSettings | None = None) -> list[Any]:
    """All that determines scores beside the model, its data and the seed, as JSON-able data.

    Raises:
        MetricError: The metric does not exist.
    """
    return [PROBE_VERSION, asdict(settings or ProbeSettings()), *_identity(get_metric(metric))]


def make_probe(
    model_ref: str, data: TaskData, seed: int, device: str | None, settings: ProbeSettings
) -> Probe:
    """A fresh model with a fitted head, and the examples to measure on."""
    chosen_device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    model = load_model(
        model_ref,
        data.head,
        seed=seed,
        pad_token_id=load_tokenizer(model_ref).pad_token_id,
    ).to(chosen_device)
    probe = _probe(model, find_anatomy(model), data.train, seed, settings)
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
    """Examples to train on and others to score on; small data is split in the same ratio."""
    order = np.random.default_rng(seed).permutation(n_examples)
    n_wanted = settings.train_examples + settings.scored_examples
    n_scored = max(1, settings.scored_examples * min(n_examples, n_wanted) // n_wanted)
    n_train = min(n_examples - n_scored, settings.train_examples)
    return order[n_scored : n_scored + n_train], order[:n_scored]


def _batches(
    split: Split, indices: npt.NDArray[np.int64], size: int, device: torch.device
) -> list[dict[str, Tensor]]:
    # Batches of like lengths hold little padding.
    indices = indices[np.argsort(split.lengths[indices], kind="stable")]
    return [split.batch(indices[i : i + size], device) for i in range(0, len(indices), size)]


def _identity(metric: ContributionMetric) -> tuple[str, str, int]:
    kind = type(metric)
    return metric.name, f"{kind.__module__}.{kind.__qualname__}", metric.version


def _read(path: Path) -> tuple[float, ...] | None:
    """Scores kept at ``path``; None where the file is missing or damaged in any way."""
    scores = read_json(path)
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
            f"contribution metric {name!r} gave {len(scores)} scores for {n_blocks} blocks; "
            "fix the metric or choose another"
        )
    for block, score in enumerate(scores):
        if not math.isfinite(score):
            raise MetricError(
                f"contribution metric {name!r} gave {score} for block {block}; choose another "
                "metric, or look for broken weights in the model"
            )
    return tuple(float(score) for score in scores)
