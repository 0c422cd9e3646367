"""The live view in the output of a notebook's cell."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group
from rich.text import Text

from progsearch.show.live import LiveView, watching
from progsearch.study.folder import StudyFolder
from progsearch.study.results import Record
from progsearch.study.view import ConfirmGoal, Ending, Run, SearchGoal, View

_WIDTH = 110
_SECONDS = 0.5
# The notebook's own colours: a fixed text colour is not readable in light and dark themes.
_FORMAT = '<pre style="line-height: 1.2; color: inherit; background: none">{code}</pre>'


@contextmanager
def watching_here(progress: bool) -> Iterator[View]:
    """Give the view that fits where Python runs: a notebook, a terminal or neither."""
    if not (progress and in_notebook()):
        with watching(quiet=not progress) as view:
            yield view
        return
    drawn = NotebookView()
    try:
        yield drawn
    finally:
        drawn.stop()


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


class NotebookView(LiveView):
    """The live view, drawn again in place when something happens.

    Results of single runs are not listed: the drawing has the front, and the study has them all.
    """

    def __init__(self) -> None:
        super().__init__(Console(file=io.StringIO(), width=_WIDTH))
        self._live = self._cell = _Cell()  # type: ignore[assignment]
        self._lines: list[str] = []

    def preparing(self, message: str) -> None:
        """Show it until the next one."""
        super().preparing(message)
        self._draw()

    def started(self, folder: StudyFolder, goal: SearchGoal | ConfirmGoal) -> None:
        """Say what will be trained, above the drawing."""
        super().started(folder, goal)
        self._draw()

    def run_started(self, run: Run) -> None:
        """Add it to the active runs."""
        super().run_started(run)
        self._draw(seldom=True)

    def record(self, run: Run, record: Record) -> None:
        """Show how far a run is."""
        super().record(run, record)
        self._draw(seldom=True)

    def run_ended(self, run: Run) -> None:
        """Count it."""
        n_lines = len(self._lines)
        super().run_ended(run)
        del self._lines[n_lines:]
        self._draw()

    def finished(self, ending: Ending) -> None:
        """Remove the drawing and say why it ended."""
        super().finished(ending)
        self._draw()

    def stop(self) -> None:
        """Remove the drawing, however it ended."""
        super().stop()
        self._draw()

    def print(self, message: str) -> None:
        """Show a line above the drawing."""
        self._lines.append(message)

    def _draw(self, *, seldom: bool = False) -> None:
        """Draw what is known now; if ``seldom``, unless that was done a moment ago."""
        if seldom and time.monotonic() - self._cell.drawn < _SECONDS:
            return
        lines = [Text(line) for line in self._lines]
        drawing = [self.drawing()] if self._cell.active else []
        self._cell.draw(Group(*lines, *drawing))


class _Cell:
    """The output of the cell; `start` and `stop` are those of rich's ``Live``."""

    def __init__(self) -> None:
        self.active = False
        self.drawn = 0.0
        self._handle: Any = None

    def start(self, refresh: bool = False) -> None:
        """Something is to be drawn."""
        self.active = True

    def stop(self) -> None:
        """Nothing is drawn any more."""
        self.active = False

    def draw(self, what: Group) -> None:
        """Replace the output."""
        from IPython.display import HTML, display

        paper = Console(
            file=io.StringIO(), width=_WIDTH, record=True, force_jupyter=False, highlight=False
        )
        paper.print(what)
        page = HTML(paper.export_html(inline_styles=True, code_format=_FORMAT))
        if self._handle is None:
            self._handle = display(page, display_id=True)
        else:
            self._handle.update(page)
        self.drawn = time.monotonic()
