"""Stored segments, so that two runs on one machine never train the same steps.

A run is a chain of segments, cut at the ends of stages and epochs. The state at the end of each is
stored under a key that covers everything that determines it. So any run with the same beginning,
in this study or another, can resume from there. Sharing prefixes between trials follows Hippo
(arXiv 2006.11972), but the key depends on the content instead of the plan of one study.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from torch import Tensor

from progsearch.schedule.plan import Lineage
from progsearch.store import Store
from progsearch.version import ENGINE_VERSION, libraries

ENVIRONMENT = (ENGINE_VERSION, *libraries())


@dataclass(frozen=True)
class Segment:
    """The description of one trained segment, without its weights.

    Seconds and memory count from the start of the run to the end of the segment, so they do not
    depend on where the run was cut before.

    Attributes:
        parent: Key of the previous segment; None for the first.
        step: Optimizer steps made at its end.
        metrics: The task's metrics on validation data at its end.
        train_seconds: Seconds of training up to its end.
        evaluate_seconds: Seconds of evaluation up to its end.
        peak_memory: Peak memory up to its end, in bytes.
        test_metrics: The metrics on test data; only at the end of a run that evaluates them.
        constant: Whether all predictions on validation data are the same at its end; None in
            segments that earlier versions stored, which are made again.
        per_class: The scores of each class on validation data at the end of a run; None if the
            task type has none, and in segments that earlier versions stored.
    """

    parent: str | None
    step: int
    metrics: dict[str, float]
    train_seconds: float
    evaluate_seconds: float
    peak_memory: int
    test_metrics: dict[str, float] | None = None
    constant: bool | None = None
    per_class: dict[str, dict[str, float]] | None = None


def get_segment(store: Store, key: str) -> Segment | None:
    """The segment of this key; None if the store does not have it in a form this version reads."""
    description = store.get(key)
    try:
        return None if description is None else Segment(**description)
    except TypeError:
        return None  # a version with other fields wrote it


def put_segment(store: Store, key: str, segment: Segment, tensors: dict[str, Tensor]) -> None:
    """Store a segment with the state at its end; that of a whole run has only the weights."""
    store.put(key, asdict(segment), tensors)


def stored_steps(store: Store | None, lineage: Lineage) -> int:
    """The steps from the beginning of a run whose states the store has."""
    steps = 0
    for end in lineage.plan.ends():
        if store is None or not store.has_tensors(lineage.key(end)):
            break
        steps = end
    return steps


def load_chain(store: Store, key: str, names: Iterable[str]) -> list[dict[str, Tensor]] | None:
    """The tensors of a segment and of earlier ones, the latest first.

    It goes back only until all weights of ``names`` are found.

    Returns:
        None if one of the segments is missing or damaged.
    """
    chain: list[dict[str, Tensor]] = []
    current: str | None = key
    missing = {f"weight:{name}" for name in names}
    while current is not None and (missing or not chain):
        segment = get_segment(store, current)
        tensors = store.load(current)
        if segment is None or tensors is None:
            return None
        chain.append(tensors)
        missing -= tensors.keys()
        current = segment.parent
    return chain
