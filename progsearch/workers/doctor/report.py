"""Checks this machine, or every node of a cluster."""

from __future__ import annotations

from dataclasses import dataclass

from progsearch.config import TASK_FILES, Recipe, StorageUrl
from progsearch.errors import StudyError
from progsearch.models.references import ALIASES
from progsearch.workers.cluster import machines
from progsearch.workers.doctor.checks import Check, checks
from progsearch.workers.doctor.nodes import Node, here, nodes_of_cluster


@dataclass(frozen=True)
class Checked:
    """A machine, or what all machines use, and its checks."""

    name: str
    checks: list[Check]


def local_paths(recipe: Recipe) -> list[str]:
    """The files and folders of this machine that every run of a recipe reads."""
    task = recipe.task
    named = [getattr(task, field) for field in (*TASK_FILES, "data_dir")]
    model = [] if recipe.model in ALIASES or not recipe.model.startswith("/") else [recipe.model]
    return [*model, *(path for path in named if path is not None)]


def diagnosis(recipe: Recipe) -> list[Checked]:
    """All checks of the machines that a recipe would use.

    Raises:
        ConfigError: No cluster answers at its address.
    """
    paths = local_paths(recipe)
    driver = here(paths)
    nodes = [driver]
    if recipe.address is not None:
        with machines(recipe):
            nodes = nodes_of_cluster(paths)
    found = judged(nodes, driver, len(paths))
    if recipe.storage is not None:
        found.append(Checked("storage", [_storage(recipe.storage)]))
    return found


def judged(nodes: list[Node], driver: Node, paths: int) -> list[Checked]:
    """The checks of nodes, compared with the machine that asks."""
    assert driver.facts is not None, "this machine answers itself"
    some_have_gpus = any(node.facts is not None and node.facts.gpus for node in nodes)
    found = []
    for node in nodes:
        if node.facts is None:
            fault = f"{node.fault}; see Ray's logs on it"
            found.append(Checked(node.name, [Check("answer", "error", fault)]))
            continue
        of_node = checks(
            node.facts, driver.facts, node.drift, paths=paths, wants_gpu=some_have_gpus
        )
        found.append(Checked(node.name, list(of_node)))
    return found


def _storage(url: StorageUrl) -> Check:
    # Databases are imported where one is used.
    from progsearch.study.storage import has_study

    try:
        has_study(url, "")
    except StudyError as error:
        return Check("database", "error", str(error))
    return Check("database", "ok", f"{url} answers")
