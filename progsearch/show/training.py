"""What `progsearch train` shows of one training: a bar in a terminal, else lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from progsearch.numerals import duration
from progsearch.show.output import console
from progsearch.show.wrapping import width_of, wrapped

# The narrowest terminal that has room for the bar and what an epoch takes.
_WIDE = 76
# Seconds between two lines within an epoch.
_PAUSE = 20.0


class TrainingView:
    """Shows nothing; the others show how far a training is.

    Args:
        steps_per_epoch: Optimizer steps of an epoch.
        epochs: Epochs of the training.
    """

    def __init__(self, steps_per_epoch: int, epochs: int) -> None:
        self.steps_per_epoch = steps_per_epoch
        self.epochs = epochs
        self._made = 0
        self._since = time.monotonic()

    def note(self, text: str) -> None:
        """Show a line."""

    def step(self, step: int) -> None:
        """Called after each optimizer step that was trained."""

    def record(self, step: int, metrics: str) -> None:
        """Called at the end of each epoch and stage.

        Args:
            step: The steps made so far.
            metrics: The metrics on the validation data, as one line.
        """

    def close(self) -> None:
        """Remove what is not meant to stay."""

    def begin_at(self, step: int) -> None:
        """The first ``step`` steps are taken from the store: time counts from here."""
        self._made, self._since = step, time.monotonic()


class TrainingLines(TrainingView):
    """A line for each epoch and stage, and now and then one in between."""

    def __init__(self, where: Console, steps_per_epoch: int, epochs: int) -> None:
        super().__init__(steps_per_epoch, epochs)
        self.console = where
        self._is_wide = True
        self._trained = 0
        self._spoke = time.monotonic()

    def note(self, text: str) -> None:
        """Print it; in a terminal it is wrapped at words."""
        width = self.console.width if self.console.is_terminal else width_of(self.console.file)
        self.console.print(wrapped(text, width, indent="  "), markup=False, soft_wrap=True)
        self._spoke = time.monotonic()

    def step(self, step: int) -> None:
        """Print how far the training is, if nothing was printed for a while."""
        self._trained = step
        if time.monotonic() - self._spoke > _PAUSE:
            self.note(f"{self._place(step)}  {self._time(step)}")

    def record(self, step: int, metrics: str) -> None:
        """Print the metrics and what an epoch takes."""
        # The store may have metrics of steps whose weights it does not have.
        if step > self._trained:
            took = "from the store"
        else:
            took = f"{duration(self._per_epoch(step))} per epoch"
            self.begin_at(step)
        epoch = f"{step / self.steps_per_epoch:.3g}"
        self.note(f"epoch {epoch} of {self.epochs}  {metrics}  {took}")

    def _per_epoch(self, step: int) -> float:
        """Seconds per epoch since the last record."""
        made = max(1, step - self._made)
        return (time.monotonic() - self._since) / made * self.steps_per_epoch

    def _place(self, step: int) -> str:
        return f"epoch {step / self.steps_per_epoch:.2f} of {self.epochs}"

    def _time(self, step: int) -> str:
        per_epoch = self._per_epoch(step)
        left = per_epoch * (self.epochs - step / self.steps_per_epoch)
        text = f"about {duration(left)} left"
        return f"{duration(per_epoch)} per epoch, {text}" if self._is_wide else text


class TrainingBar(TrainingLines):
    """A bar that is redrawn in place, and above it the lines of epochs and stages."""

    def __init__(self, where: Console, steps_per_epoch: int, epochs: int) -> None:
        super().__init__(where, steps_per_epoch, epochs)
        self._is_wide = where.width >= _WIDE
        self._bar = Progress(
            TextColumn("{task.fields[epoch]}"),
            *([BarColumn(bar_width=20)] if self._is_wide else []),
            TextColumn("{task.fields[time]}"),
            console=where,
            transient=True,
        )
        total = steps_per_epoch * epochs
        self._task = self._bar.add_task("", total=total, epoch=self._place(0), time="")
        self._bar.start()

    def step(self, step: int) -> None:
        """Move the bar."""
        self._trained = step
        place, time_left = self._place(step), self._time(step)
        self._bar.update(self._task, completed=step, epoch=place, time=time_left)

    def begin_at(self, step: int) -> None:
        """See `TrainingView.begin_at`."""
        super().begin_at(step)
        self._bar.update(self._task, completed=step, epoch=self._place(step))

    def close(self) -> None:
        """Remove the bar."""
        self._bar.stop()


@contextmanager
def training_view(steps_per_epoch: int, epochs: int, *, quiet: bool) -> Iterator[TrainingView]:
    """The view that fits stdout, a terminal or not."""
    where = console(sys.stdout)
    view: TrainingView
    if quiet:
        view = TrainingView(steps_per_epoch, epochs)
    elif where.is_terminal:
        view = TrainingBar(where, steps_per_epoch, epochs)
    else:
        view = TrainingLines(where, steps_per_epoch, epochs)
    try:
        yield view
    finally:
        view.close()
