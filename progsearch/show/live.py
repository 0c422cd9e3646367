"""What a search or a confirmation shows: a live table in a terminal, else a line a run.

Light to import, so that something is shown while the libraries are loaded.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from progsearch.numerals import duration
from progsearch.show.output import console
from progsearch.show.sheet import Sheet
from progsearch.show.wrapping import width_of, wrapped
from progsearch.study.view import ConfirmGoal, Ending, Run, SearchGoal, View

if TYPE_CHECKING:
    from progsearch.show.tally import Tally
    from progsearch.study.folder import StudyFolder
    from progsearch.study.results import Record

_Running = tuple[Run, "Record | None"]
_BAR = 30

# If a search is interrupted, the command says how to continue it.
_ENDINGS: dict[Ending, str] = {
    "budget": "the budget is spent",
    "exhausted": "every schedule of the search space was tried",
    "plateau": "the last trials did not improve the front (--patience)",
    "time limit": "the time is up",
    "GPU hours": "the GPU hours are used up",
    "interrupted": "stopped",
}


@contextmanager
def watching(quiet: bool, first: str = "loading libraries") -> Iterator[View]:
    """Give the view that fits stderr, a terminal or not; stdout is only for results.

    Args:
        quiet: Show nothing.
        first: What a terminal shows until the first preparation. Elsewhere it would only stand
            before the message of a mistake.
    """
    where = console(sys.stderr)
    if quiet:
        yield View()
    elif where.is_terminal:
        view = LiveView(where)
        try:
            view.preparing(first)
            yield view
        finally:
            view.stop()
    else:
        yield LineView(where)


class LineView(View):
    """One line for each step of the preparation and for each run that ended."""

    def __init__(self, where: Console) -> None:
        self.console = where
        self.tally: Tally | None = None

    def preparing(self, message: str) -> None:
        """Show the current step."""
        self.print(message)

    def step(self, message: str) -> None:
        """Show it like a preparation."""
        self.preparing(message)

    def note(self, message: str) -> None:
        """Show it."""
        self.print(message)

    def started(self, folder: StudyFolder, goal: SearchGoal | ConfirmGoal) -> None:
        """Say what will be trained."""
        # It needs the libraries, which take their time.
        from progsearch.show.tally import tally_of

        self.tally = tally_of(folder, goal)
        self.print(self.tally.opening)

    def run_ended(self, run: Run) -> None:
        """Print its result."""
        assert self.tally is not None, "runs end after the start"
        text = self.tally.count(run)
        self.print(f"{self.tally.done_of_total}  {text}")

    def finished(self, ending: Ending) -> None:
        """Say why a search ended; a confirmation ends when all its runs are done."""
        if self.tally is None or self.tally.tells_ending:
            self.print(_ENDINGS[ending])

    def print(self, message: str) -> None:
        """Print a line without reading markup in it; in a terminal it is wrapped at words."""
        text = wrapped(message, self._width, indent="  ")
        self.console.print(text, markup=False, soft_wrap=True)

    @property
    def _width(self) -> int | None:
        return self.console.width if self.console.is_terminal else width_of(self.console.file)


class LiveView(LineView):
    """The active runs, the time left and the results so far, redrawn in place."""

    def __init__(self, where: Console) -> None:
        super().__init__(where)
        self._running: dict[tuple[int, int | None], _Running] = {}
        self._message = ""
        self._share = 0.0
        self._since = time.monotonic()
        # Its usual picture needs more than ASCII.
        dots = where.encoding.startswith("utf")
        self._spinner = Spinner("dots" if dots else "line")
        self._live = Live(
            console=where, get_renderable=self.drawing, refresh_per_second=4, transient=True
        )

    def preparing(self, message: str) -> None:
        """Show it until the next one."""
        self._message = message
        self._live.start(refresh=True)

    def started(self, folder: StudyFolder, goal: SearchGoal | ConfirmGoal) -> None:
        """Say what will be trained, above the drawing."""
        super().started(folder, goal)
        self._message = ""
        self._since = time.monotonic()
        self._live.start()

    def run_started(self, run: Run) -> None:
        """Add it to the active runs."""
        self._running[_key(run)] = run, None

    def record(self, run: Run, record: Record) -> None:
        """Show how far a run is."""
        self._running[_key(run)] = run, record

    def run_ended(self, run: Run) -> None:
        """Remove it from the active runs and print its result."""
        self._running.pop(_key(run), None)
        super().run_ended(run)

    def finished(self, ending: Ending) -> None:
        """Remove the drawing and say why it ended."""
        self.stop()
        super().finished(ending)

    def stop(self) -> None:
        """Remove the drawing, however it ended."""
        self._live.stop()

    def drawing(self) -> RenderableType:
        """All that is shown now."""
        if self.tally is None or self._message:
            seconds = time.monotonic() - self._since
            self._spinner.update(text=Text(f"{self._message} ... {seconds:.0f} s", style="dim"))
            return self._spinner
        # Copied, since runs are added and removed by another thread than the one that draws.
        running = list(self._running.values())
        # What does not fit on the screen is cut off at its end.
        parts: list[RenderableType] = [self._progress(self.tally, running)]
        if running:
            parts.append(_running_table(self.tally, running))
        return Group(*parts, *self.tally.results)

    def _progress(self, tally: Tally, running: Sequence[_Running]) -> Table:
        """A bar, and in words the progress, the time spent and the time left."""
        done = tally.done + sum(
            tally.begun(run, 0.0 if record is None else record.fraction) for run, record in running
        )
        seconds = time.monotonic() - self._since
        # What began since the total was counted may take more than was left.
        total = max(tally.total, done)
        words = [tally.progress, duration(seconds)]
        if tally.done > tally.before:
            left = seconds / (done - tally.before) * (total - done)
            words.append(f"about {duration(min(left, tally.seconds_allowed - seconds))} left")
        text = " · ".join([*words, *tally.remarks])
        width = min(_BAR, self.console.width - 1)
        # The work may grow, but a bar does not move back.
        self._share = max(self._share, done / total if total else 0.0)
        bar = ProgressBar(total=total, completed=self._share * total, width=width)
        line = Table.grid(padding=(0, 1, 0, 0))
        if width + 2 + len(text) > self.console.width:
            line.add_row(bar)
            line.add_row(Text(wrapped(text, self.console.width - 1)))
        else:
            line.add_row(bar, text)
        return line


def _running_table(tally: Tally, running: Sequence[_Running]) -> Sheet:
    rows = [tally.row(run, record) for run, record in running]
    sheet = Sheet("running", list(rows[0].cells), 1)
    for row in rows:
        sheet.row(row.name, row.cells, below=row.below)
    return sheet


def _key(run: Run) -> tuple[int, int | None]:
    return run.trial.number, run.seed
