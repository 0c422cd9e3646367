"""What a search tells whoever watches it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from progsearch.study.folder import StudyFolder

Ending = Literal["budget", "exhausted", "plateau", "time limit", "GPU hours", "interrupted"]
"""Why a search ended: its budget is spent, its space has no schedule left that was not tried, its
last trials made the front no better, its time or its GPU hours are up, or someone stopped it."""


class View:
    """A watcher of one search; this one looks away.

    A subclass overrides what it wants to show. All methods are called from the process and the
    thread that called `search`, between trials, so they must return quickly.
    """

    def preparing(self, message: str) -> None:
        """The search does ``message`` ("loading ...") before its first trial."""

    def note(self, message: str) -> None:
        """The user should know ``message``, a sentence."""

    def started(self, folder: StudyFolder, n_baselines: int, budget: float) -> None:
        """Trials begin: that many baselines, and so much of the budget is left."""

    def trial_started(self, trial: FrozenTrial) -> None:
        """A worker took ``trial``; its user attributes hold its schedule and costs."""

    def record(self, trial: FrozenTrial, record: dict[str, Any]) -> None:
        """A running trial was evaluated; ``record`` is a `Record` as a dict."""

    def trial_finished(self, trial: FrozenTrial) -> None:
        """``trial`` has its values, or the ``reason`` why it has none."""

    def finished(self, ending: Ending) -> None:
        """No trial runs any more and everything is saved."""
