"""Has every node of a cluster find out its own facts."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from progsearch.workers.doctor import facts
from progsearch.workers.doctor.facts import Facts, gather

# A node's first worker imports Ray; a busy node takes its time.
_SECONDS_TO_ANSWER = 120.0


@dataclass(frozen=True)
class Node:
    """A machine of a search and what it has.

    Attributes:
        name: For users.
        facts: What it has; None if it did not answer.
        fault: Why it did not.
        drift: The seconds by which its clock surely differs from the driver's.
    """

    name: str
    facts: Facts | None
    fault: str = ""
    drift: float = 0.0


def here(paths: Sequence[str]) -> Node:
    """This machine."""
    return Node("this machine", Facts(**gather(paths)))


def nodes_of_cluster(paths: Sequence[str], needs: Mapping[str, float] | None = None) -> list[Node]:
    """The nodes of the connected cluster, each with its facts.

    Args:
        paths: Files and folders that runs read.
        needs: Only nodes with these resources are asked.
    """
    asked = time.time()
    answers = _ask(paths, needs or {})
    return [_node(name, answer, asked, end) for name, answer, end in answers]


def _ask(
    paths: Sequence[str], needs: Mapping[str, float]
) -> list[tuple[str, dict[str, Any] | str, float]]:
    """For each node its name, its facts or why there are none, and when they came."""
    ray.cloudpickle.register_pickle_by_value(facts)
    try:
        # No processors: nodes whose processors are all busy answer as well.
        task = ray.remote(num_cpus=0, max_retries=0)(gather)
        waiting = {}
        for node in ray.nodes():
            has = node["Resources"]
            if node["Alive"] and all(has.get(name, 0.0) >= least for name, least in needs.items()):
                place = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                found = task.options(scheduling_strategy=place).remote(paths)
                waiting[found] = _name_of(node)
    finally:
        ray.cloudpickle.unregister_pickle_by_value(facts)
    answers: list[tuple[str, dict[str, Any] | str, float]] = []
    deadline = time.monotonic() + _SECONDS_TO_ANSWER
    left = list(waiting)
    while left:
        done, left = ray.wait(left, timeout=max(0.0, deadline - time.monotonic()))
        if not done:
            break
        answers += [(waiting[reference], _answer(reference), time.time()) for reference in done]
    silent = f"no answer in {_SECONDS_TO_ANSWER:g} s"
    answers += [(waiting[reference], silent, time.time()) for reference in left]
    return sorted(answers, key=lambda answer: answer[0])


def _answer(reference: Any) -> dict[str, Any] | str:
    try:
        found: dict[str, Any] = ray.get(reference)
    except ray.exceptions.RayError as error:
        return str(error).strip().splitlines()[-1]
    return found


def _name_of(node: dict[str, Any]) -> str:
    address, host = node["NodeManagerAddress"], node["NodeManagerHostname"]
    return f"{host} ({address})" if host != address else str(address)


def _node(name: str, answer: dict[str, Any] | str, asked: float, came: float) -> Node:
    if isinstance(answer, str):
        return Node(name, None, answer)
    found = Facts(**answer)
    # It answered between the question and the answer; only what lies outside is a difference.
    return Node(name, found, drift=max(asked - found.clock, found.clock - came, 0.0))
