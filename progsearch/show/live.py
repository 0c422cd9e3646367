"""What a search or a confirmation shows: a live table in a terminal, else a line a run."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from progsearch.report.formatting import duration
from progsearch.show.tables import console
from progsearch.show.tally import ConfirmTally, Tally, tally_of
from progsearch.study.folder import StudyFolder
from progsearch.study.results import Record
from progsearch.study.view import ConfirmGoal, Ending, Run, SearchGoal, View

_Running = tuple[Run, Record | None]

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
def watching(quiet: bool) -> Iterator[View]:
    """Give the view that fits stderr, a terminal or not; stdout is only for results."""
    where = console(sys.stderr)
    if quiet:
        yield View()
    elif where.is_terminal:
        view = LiveView(where)
        try:
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

    def note(self, message: str) -> None:
        """Show it."""
        self.print(message)

    def started(self, folder: StudyFolder, goal: SearchGoal | ConfirmGoal) -> None:
        """Say what will be trained."""
        self.tally = tally_of(folder, goal)
        self.print(self.tally.opening)

    def run_ended(self, run: Run) -> None:
        """Print its result."""
        assert self.tally is not None, "runs end after the start"
        text = self.tally.count(run)
        self.print(f"{self.tally.done_of_total}  {text}")

    def finished(self, ending: Ending) -> None:
        """Say why a search ended; a confirmation ends when all its runs are done."""
        if not isinstance(self.tally, ConfirmTally):
            self.print(_ENDINGS[ending])

    def print(self, message: str) -> None:
        """Print a line as it is, without reading markup in it."""
        self.console.print(message, markup=False, soft_wrap=True)


class LiveView(LineView):
    """The active runs, the time left and the results so far, redrawn in place."""

    def __init__(self, where: Console) -> None:
        super().__init__(where)
        self._running: dict[tuple[int, int | None], _Running] = {}
        self._message = ""
        self._since = time.monotonic()
        self._live = Live(
            console=where, get_renderable=self.drawing, refresh_per_second=4, transient=True
        )

    def preparing(self, message: str) -> None:
        """Show it until the next one."""
        self._message = message
        self._live.start()

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
            return Text(f"{self._message} ...", style="dim")
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
        words = [f"{tally.done_of_total} {tally.unit}", duration(seconds)]
        if tally.done:
            left = max(0.0, seconds / done * (tally.total - done))
            words.append(f"about {duration(min(left, tally.seconds_allowed - seconds))} left")
        line = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=tally.total, completed=done, width=30)
        line.add_row(bar, " · ".join([*words, *tally.remarks]))
        return line


def _running_table(tally: Tally, running: Sequence[_Running]) -> Table:
    rows = [tally.row(run, record) for run, record in running]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in rows[0]:
        table.add_column(title, justify="left" if title in ("running", "trained") else "right")
    for row in rows:
        table.add_row(*map(escape, row.values()))
    return table


def _key(run: Run) -> tuple[int, int | None]:
    return run.trial.number, run.seed
