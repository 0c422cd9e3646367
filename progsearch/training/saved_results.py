"""The results that stand in a saved model's config."""

from __future__ import annotations

from typing import Any

from progsearch.config import RunConfig, run_identity
from progsearch.training.run import TrainingRun

_OF_SEARCH = ("value", "standard_error", "seeds", "study", "trial", "split")


def saved_results(run: TrainingRun, metrics: dict[str, float]) -> dict[str, Any]:
    """The metric of a trained model, and what its search had measured if the file is unchanged.

    Args:
        run: The trained run.
        metrics: The metrics of the saved model, as `save_run` computes them.
    """
    results: dict[str, Any] = {
        "metric": run.task.metric,
        "value": metrics[run.task.metric],
        "split": "validation",
        "seeds": 1,
    }
    return results | known_of_search(run.config)


def edited(config: RunConfig) -> bool:
    """Whether a file was edited after its export, the results in it included."""
    exported = (config.results or {}).get("run")
    return exported is not None and not known_of_search(config)


def known_of_search(config: RunConfig) -> dict[str, Any]:
    """What the search of an exported file measured; empty if the file was edited since.

    Returns:
        ``run`` identifies the file, ``searched`` holds the estimate of its schedule, and
        ``reference`` that of full fine-tuning, if the study has one.
    """
    before = config.results or {}
    if before.get("run") != run_identity(config):
        return {}
    searched = before.get("searched") or {key: before[key] for key in _OF_SEARCH if key in before}
    reference = {key: before[key] for key in ("reference",) if key in before}
    if not all(map(_is_measured, (searched, *reference.values()))):
        return {}
    return {"run": before["run"], "searched": searched, **reference}


def _is_measured(found: object) -> bool:
    """Whether results in a file are numbers, as `progsearch export` wrote them."""
    if not isinstance(found, dict):
        return False
    numbers = ("value", "standard_error", "seeds", "updated_parameters", "learning_rate")
    complete = not found or "value" in found
    return complete and all(isinstance(found.get(key, 0.0), int | float) for key in numbers)
