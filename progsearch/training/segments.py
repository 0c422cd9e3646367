"""Trained prefixes: no two runs of one machine train the same steps.

A run is a chain of segments, cut at stage ends and epoch ends. The state at the end of each is
stored under a key that covers everything that determines it, so that any run with the same
beginning, of this study or another, continues from there. Sharing prefixes between trials follows
Hippo (arXiv 2006.11972); the key is made from content instead of from a plan of one study.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from torch import Tensor

from progsearch.store import Store
from progsearch.version import ENGINE_VERSION, libraries

ENVIRONMENT = (ENGINE_VERSION, *libraries())


@dataclass(frozen=True)
class Segment:
    """What is known of one trained segment without loading its weights.

    Seconds and memory are those of the whole run up to its end: they are the same for a run that
    was cut elsewhere on the way there.

    Attributes:
        parent: Key of the segment before; None for the first.
        step: Optimizer steps made at its end.
        metrics: The validation metrics there.
        train_seconds: What training up to its end took.
        evaluate_seconds: What the evaluations up to its end took.
        peak_memory: The most bytes held meanwhile.
        test_metrics: The metrics on the test data; only at a run's end, if they were asked for.
    """

    parent: str | None
    step: int
    metrics: dict[str, float]
    train_seconds: float
    evaluate_seconds: float
    peak_memory: int
    test_metrics: dict[str, float] | None = None


def get_segment(store: Store, key: str) -> Segment | None:
    """The segment of this key; None if the store does not have it."""
    description = store.get(key)
    return None if description is None else Segment(**description)


def put_segment(
    store: Store, key: str, segment: Segment, tensors: dict[str, Tensor] | None
) -> None:
    """Keep a segment; without tensors if nothing continues from it."""
    store.put(key, asdict(segment), tensors)


def load_chain(store: Store, key: str, names: Iterable[str]) -> list[dict[str, Tensor]] | None:
    """The tensors of a segment and of those before it, the last one first.

    Only as far back as the weights of ``names`` lie: a segment that trained all of them needs
    none before it.

    Returns:
        None if one of them is missing or damaged.
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
