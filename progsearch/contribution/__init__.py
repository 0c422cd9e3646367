"""Contribution metrics: a score per block; a higher score means more worth training.

Not to be confused with the task metrics (`progsearch.tasks.types`), which measure predictions.
Other packages add contribution metrics through the entry point group ``progsearch.metrics``.
Importing this package does not import torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from progsearch.contribution.base import ContributionMetric
from progsearch.contribution.block_influence import BlockInfluence
from progsearch.contribution.depth import Depth
from progsearch.contribution.fisher import Fisher
from progsearch.contribution.grad_norm import GradNorm
from progsearch.contribution.leave_one_out import LeaveOneOut
from progsearch.contribution.random import Random
from progsearch.contribution.relative_grad_norm import RelativeGradNorm
from progsearch.contribution.solo import Solo
from progsearch.contribution.taylor import Taylor
from progsearch.errors import MetricError
from progsearch.registry import Registry

if TYPE_CHECKING:
    from progsearch.contribution.probe import Probe as Probe
    from progsearch.contribution.scores import ProbeSettings as ProbeSettings
    from progsearch.contribution.scores import contribution_scores_many as contribution_scores_many

__all__ = [
    "METRICS",
    "ContributionMetric",
    "Probe",
    "ProbeSettings",
    "contribution_scores_many",
    "get_metric",
    "metric_names",
]

METRICS: Registry[ContributionMetric] = Registry(
    "contribution metric",
    "progsearch.metrics",
    ContributionMetric,  # type: ignore[type-abstract]
    MetricError,
    (
        Depth,
        Random,
        GradNorm,
        RelativeGradNorm,
        Fisher,
        Taylor,
        BlockInfluence,
        LeaveOneOut,
        Solo,
    ),
)


def metric_names() -> list[tuple[str, str]]:
    """Name and one-line description of every contribution metric, the built-in ones first.

    A metric of another package that cannot be loaded is listed with the reason.
    """
    return METRICS.described()


def get_metric(name: str) -> ContributionMetric:
    """The contribution metric called ``name``.

    Raises:
        MetricError: There is no such metric, or its package cannot be loaded.
    """
    return METRICS.get(name)()


def __getattr__(name: str) -> Any:
    # Lazy, so that listing the metrics does not import torch.
    if name == "Probe":
        from progsearch.contribution.probe import Probe

        return Probe
    if name in ("ProbeSettings", "contribution_scores_many"):
        from progsearch.contribution import scores

        return getattr(scores, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
