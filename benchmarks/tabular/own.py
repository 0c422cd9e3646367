"""The project's own search on the table: its searcher, driven without Ray and without training."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import InMemoryStorage

from progsearch.config import Recipe, RunConfig, SchedulerName
from progsearch.schedule import Schedule
from progsearch.space.space import Space
from progsearch.strategy.candidates import baselines
from progsearch.strategy.samplers import Draws
from progsearch.strategy.searcher import StudySearcher
from progsearch.study.folder import StudyFolder, directions
from progsearch.study.progress import Session, spent
from progsearch.study.view import View
from progsearch.workers.worker import Report

from .points import recipe_of
from .strategies import Event
from .table import Entry, Table

_ENDLESS = 1_000_000


class _NoHalt:
    """Takes the place of a `Halt`: a replay ends when nobody asks for more."""

    ending = None
    gpus = None


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
            table.subject.learning_rate,
            table.task,
            study="replay",
            budget=_ENDLESS,
            reuse=self.reuse,
            scheduler=self.scheduler,
            candidates=self.candidates,
            sampler=self.sampler,
        )
        folder = _folder(recipe)
        space = table.space if self.contributions else _without_contributions(table.space)
        searcher = _searcher(table, space, folder, seed)
        known: set[str] = set()
        steps = 0
        for number in itertools.count():
            trial_id = str(number)
            config = searcher.suggest(trial_id)
            if not isinstance(config, dict):
                return
            entry = _entry(table, config["run"])
            trained = 0
            for epoch, (end, key) in enumerate(entry.segments):
                if not (self.reuse and key in known):
                    trained += end - (entry.segments[epoch - 1][0] if epoch else 0)
                known.add(key)
                report = _report(entry, column, epoch)
                if searcher.stops(trial_id, report):
                    break
                if report.result is None:
                    searcher.on_trial_result(trial_id, {"report": report})
            steps += trained
            searcher.on_trial_complete(trial_id, {"report": report})
            done = report.result is not None
            trials = folder.study.get_trials(deepcopy=False)
            n_baselines = sum("name" in trial.user_attrs for trial in trials)
            yield Event(steps, n_baselines + spent(trials), entry if done else None)


def _folder(recipe: Recipe) -> StudyFolder:
    # In memory, since a journal would be most of a replay's time.
    storage = InMemoryStorage()
    optuna.create_study(study_name=recipe.study, storage=storage, directions=directions(recipe))
    return StudyFolder(Path(recipe.study or ""), recipe, storage)


def _without_contributions(space: Space) -> Space:
    """The part of a space in which no contribution score has a say."""
    scored = ("mode", "ratio_of", "metric")
    dimensions = {n: d for n, d in space.config.dimensions.items() if n not in scored}
    return Space(space.config.model_copy(update={"dimensions": dimensions}))


def _searcher(table: Table, space: Space, folder: StudyFolder, seed: int) -> StudySearcher:
    recipe = folder.recipe
    first, _ = baselines(space.default(recipe.training), recipe, table.subject)
    return StudySearcher(
        folder,
        table.subject,
        first,
        Draws(space, recipe.sampler, seed, directions(recipe), []),
        parallel=1,
        halt=_NoHalt(),  # type: ignore[arg-type]
        session=Session(folder),
        view=View(),
    )


def _entry(table: Table, run: RunConfig) -> Entry:
    stages = [stage.model_dump() for stage in run.stages]
    schedule = Schedule.from_dicts(stages, table.subject.n_blocks)
    return table.of_schedule(run.training.learning_rate, schedule)


def _record(entry: Entry, column: int, epoch: int) -> dict[str, Any]:
    """What `progsearch.training.Record` says of an epoch; epochs count from 0 here."""
    step = entry.segments[epoch][0]
    return {
        "step": step,
        "fraction": step / entry.steps,
        "epoch": epoch + 1,
        "metrics": {"accuracy": entry.accuracy[column][epoch]},
        "seconds": sum(entry.seconds[column][: epoch + 1]),
    }


def _report(entry: Entry, column: int, epoch: int) -> Report:
    """What a worker tells after an epoch; the seconds are as if all steps were its own."""
    record = _record(entry, column, epoch)
    spent = {
        "timings": {"setup": 0.0, "train": record["seconds"], "evaluate": 0.0, "saved": 0.0},
        "steps_trained": record["step"],
        "peak_memory": 0,
    }
    if record["step"] < entry.steps:
        return Report(record=record, spent=spent)
    return Report(record=record, result={"metrics": dict(entry.metrics[column]), **spent})
