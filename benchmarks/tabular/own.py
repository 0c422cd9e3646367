"""The project's own search on the table: its source of trials, driven without training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import optuna
from optuna.storages import InMemoryStorage

from progsearch.config import Recipe, RunConfig, SchedulerName
from progsearch.schedule import Schedule
from progsearch.space.space import Space
from progsearch.strategy.references import make_references
from progsearch.strategy.samplers import Draws
from progsearch.strategy.source import Assignment, Decision, Finished, Progress, Stopped
from progsearch.strategy.study_source import StudySource
from progsearch.study.dominance import directions
from progsearch.study.folder import StudyFolder
from progsearch.study.progress import spent
from progsearch.study.results import Outcome, Record, Spent, Timings
from progsearch.study.view import View

from .points import recipe_of
from .strategies import Event
from .table import Entry, Table

_ENDLESS = 1_000_000


@dataclass(frozen=True)
class Progsearch:
    """One trial at a time, in the settings that a study has by default.

    Attributes:
        reuse: Whether steps that an earlier trial of the study trained are not trained again.
        scheduler: Which trials are stopped before their end; by default as the sampler says.
        candidates: Points drawn for each trial, of which the most promising is trained.
        sampler: Where points come from.
        contributions: Whether blocks may be chosen, and ratios counted, by contribution; else
            they are frozen from the input up, by their number.
    """

    reuse: bool = True
    scheduler: SchedulerName | None = None
    candidates: int | None = None
    sampler: str = "ehvi"
    contributions: bool = True

    def __call__(self, table: Table, column: int, seed: int) -> Iterator[Event]:
        """See `Strategy`."""
        recipe = recipe_of(
            table.problem.learning_rate,
            table.task,
            study="replay",
            budget=_ENDLESS,
            reuse=self.reuse,
            scheduler=self.scheduler,
            candidates=self.candidates,
            sampler=self.sampler,
            front_seeds=1,
        )
        folder = _folder(recipe)
        space = table.space if self.contributions else _without_contributions(table.space)
        source = _source(table, space, folder, seed)
        known: set[str] = set()
        steps = 0
        while isinstance(assignment := source.next(), Assignment):
            entry = _entry(table, assignment.run)
            end: Finished | Stopped = Stopped()
            for epoch, (step, key) in enumerate(entry.segments):
                if not (self.reuse and key in known):
                    steps += step - (entry.segments[epoch - 1][0] if epoch else 0)
                known.add(key)
                message = _message(entry, column, epoch)
                if isinstance(message, Finished):
                    end = message
                elif source.report(assignment, message) is Decision.STOP:
                    break
            source.ended(assignment, end)
            trials = folder.trials()
            n_references = sum(trial.is_baseline for trial in trials)
            done = isinstance(end, Finished)
            yield Event(steps, n_references + spent(trials), entry if done else None)


def _folder(recipe: Recipe) -> StudyFolder:
    # In memory, since a journal would be most of a replay's time.
    storage = InMemoryStorage()
    optuna.create_study(
        study_name=recipe.study, storage=storage, directions=directions(len(recipe.objectives))
    )
    return StudyFolder(Path(recipe.study or ""), recipe, storage)


def _without_contributions(space: Space) -> Space:
    """The part of a space in which no contribution score has a say."""
    scored = ("mode", "ratio_of", "metric")
    dimensions = {n: d for n, d in space.config.dimensions.items() if n not in scored}
    return Space(space.config.model_copy(update={"dimensions": dimensions}))


def _source(table: Table, space: Space, folder: StudyFolder, seed: int) -> StudySource:
    recipe = folder.recipe
    return StudySource(
        folder,
        table.problem,
        # The table holds each at one learning rate.
        [
            replace(reference, rates=(recipe.training.learning_rate,), is_tuned=False)
            for reference in make_references(space, recipe, table.problem).all
        ],
        Draws(space, recipe.sampler, seed, directions(len(recipe.objectives)), []),
        view=View(),
    )


def _entry(table: Table, run: RunConfig) -> Entry:
    stages = [stage.model_dump() for stage in run.stages]
    schedule = Schedule.from_dicts(stages, table.problem.n_blocks)
    return table.of_schedule(run.training.learning_rate, schedule)


def _message(entry: Entry, column: int, epoch: int) -> Progress | Finished:
    """What a worker sends after an epoch (from 0 on); seconds as if all steps were its own."""
    step = entry.segments[epoch][0]
    seconds = sum(entry.seconds[column][: epoch + 1])
    metrics = {"accuracy": entry.accuracy[column][epoch]}
    record = Record(step, step / entry.steps, epoch + 1, metrics, seconds)
    used = Spent(Timings(train=seconds), step, peak_memory=0)
    if step < entry.steps:
        return Progress(record, used)
    return Finished(record, Outcome(dict(entry.metrics[column]), used))
