"""Checks the nodes of a cluster before the first trial."""

from __future__ import annotations

from collections.abc import Callable

from progsearch.config import Recipe
from progsearch.errors import ConfigError
from progsearch.workers.cluster import Machines
from progsearch.workers.doctor.nodes import here, nodes_of_cluster
from progsearch.workers.doctor.report import judged, local_paths


def check_nodes(recipe: Recipe, found: Machines, note: Callable[[str], None]) -> None:
    """Check that all nodes that can run trials have what the trials read.

    Nodes that join later are not checked. Other faults, such as another version, are notes.

    Args:
        recipe: Names the model and the data.
        found: The connected cluster.
        note: Shows a sentence to the user.

    Raises:
        ConfigError: A node lacks a local path; the message names both.
    """
    paths = local_paths(recipe)
    needs = {name: amount for name, amount in found.process.items() if amount}
    nodes = nodes_of_cluster(paths, needs=needs)
    problems = []
    for part in judged(nodes, here([]), len(paths)):
        for check in part.checks:
            if check.what == "paths" and check.state == "error":
                problems.append((f"node {part.name}", check.text))
            elif check.state == "error":
                note(f"node {part.name}: {check.what}: {check.text}")
    if problems:
        raise ConfigError("the cluster", problems)
