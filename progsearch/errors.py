"""Every error class a user can meet.

Each message is one sentence: what was wrong, where, what to do. The command line prints it
without a traceback and exits with the class's exit code.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class ProgsearchError(Exception):
    """The user's input is wrong; nothing was lost."""

    exit_code = 2

    def _render_traceback_(self) -> list[str]:
        """Notebooks show a user's mistake as a sentence, as the command line does."""
        return [f"{type(self).__name__}: {self}"]


class ConfigError(ProgsearchError):
    """A file or a set of options does not describe what it should.

    Attributes:
        problems: One ``(path, message)`` pair per mistake; ``path`` is the place in the file,
            such as ``stages.1.end``, or empty for the file as a whole.
    """

    def __init__(self, source: str, problems: Sequence[tuple[str, str]]) -> None:
        """Join all mistakes of ``source`` into one message."""
        self.source = source
        self.problems = list(problems)
        lines = [f"{path}: {text}" if path else text for path, text in self.problems]
        if len(lines) == 1:
            text = f"{source}: {lines[0]}"
        else:
            text = "\n  ".join([f"{source} has {len(lines)} errors:", *lines])
        super().__init__(text)

    def __reduce__(self) -> tuple[type[ConfigError], tuple[str, list[tuple[str, str]]]]:
        """Workers hand errors to the driver."""
        return type(self), (self.source, self.problems)


class ScheduleError(ProgsearchError):
    """Stages that do not form a schedule, or a schedule that does not fit the model."""


class ModelError(ProgsearchError):
    """A model that cannot be loaded, or whose structure cannot be trained in stages."""


class MethodError(ProgsearchError):
    """A fine-tuning method that does not exist or does not fit the model."""


class TaskError(ProgsearchError):
    """A task or data file that cannot be used."""


class MetricError(ProgsearchError):
    """A contribution metric that does not exist or gives no usable scores."""


class StudyError(ProgsearchError):
    """A study that is missing, taken, damaged or of another kind than asked for."""


class NothingUsable(ProgsearchError):
    """The work finished without a usable result: every trial failed, or nothing was learned."""

    exit_code = 1


class MachineFailed(ProgsearchError):
    """The machine failed, for example with a full disk; the message says what is saved."""

    exit_code = 3


class Interrupted(ProgsearchError):
    """Someone stopped the work; all state was saved.

    The exit code is 130 after Ctrl-C, 143 after SIGTERM and 129 after SIGHUP.

    Attributes:
        study: The folder of the study, if there is one.
    """

    exit_code = 130
    study: Path | None = None


class RankLost(Exception):
    """A process that trains the same trial has died; it says nothing about the trial."""


class TrialFailed(Exception):
    """One trial cannot continue; the reason is its result (NaN, out of memory)."""


class OutOfMemory(TrialFailed):
    """There was too little memory, perhaps because other trials used it, too."""
