"""The project's own search on the table: its source of trials, driven without training."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import optuna
from optuna.storages import InMemoryStorage

from progsearch.config import Recipe, SchedulerName
from progsearch.report.data import study_report
from progsearch.space.space import Space
from progsearch.strategy.references import Reference, make_references
from progsearch.strategy.samplers import Draw, Draws
from progsearch.strategy.source import (
    Assignment,
    Decision,
    Failed,
    Finished,
    Progress,
    Stopped,
    TrialSource,
)
from progsearch.strategy.study_source import StudySource
from progsearch.study.dominance import directions
from progsearch.study.folder import StudyFolder
from progsearch.study.info import StudyInfo
from progsearch.study.metadata import keep_info, keep_recipe
from progsearch.study.progress import spent, tuned
from progsearch.study.results import Outcome, Record, Spent, Timings
from progsearch.study.trial import Trial
from progsearch.study.view import View

from .answer import Answer, answer_of_report
from .points import Family, recipe_of, with_setting
from .strategies import Event
from .table import Entry, Table

ENDLESS = 1_000_000
# After so many draws of a sampler that the table does not hold, the next ones are random.
_TRIES = 20


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
        family: What is searched besides the default space: rotation, or scoring again.
        budget: When the search ends; it is then resumed with one that does not.
        front_seeds: Seeds of the places on the front, as far as the search sees so many.
    """

    reuse: bool = True
    scheduler: SchedulerName | None = None
    candidates: int | None = None
    sampler: str = "ehvi"
    contributions: bool = True
    family: Family = "default"
    budget: int = ENDLESS
    front_seeds: int = 3

    def __call__(self, table: Table, seen: Sequence[int], seed: int) -> Iterator[Event]:
        """See `Strategy`."""
        recipe = recipe_of(
            table.problem.learning_rate,
            table.task,
            study="replay",
            budget=self.budget,
            reuse=self.reuse,
            scheduler=self.scheduler,
            candidates=self.candidates,
            sampler=self.sampler,
            front_seeds=min(self.front_seeds, len(seen)),
        )
        folder = _folder(recipe, table)
        space = table.space if self.contributions else _without_contributions(table.space)
        space = with_setting(space, self.family, (False, True))
        replay, n_trials = _Replay(table, seen, self.reuse), 0.0

        def answer() -> Answer:
            return answer_of_report(study_report(folder.study), table)

        for budget in dict.fromkeys((self.budget, ENDLESS)):
            folder.recipe = folder.recipe.model_copy(update={"budget": budget})
            source = _source(table, space, folder, seed)
            while isinstance(assignment := source.next(), Assignment):
                entry = replay.train(assignment, source)
                n_trials = _whole_trials(folder.trials())
                yield Event(
                    replay.steps, replay.flops, n_trials, entry, answer, missing=replay.missing
                )
            source.close()
            yield Event(replay.steps, replay.flops, n_trials, None, answer, True, replay.missing)


@dataclass
class _Replay:
    """Answers assignments from the table.

    Attributes:
        table: The table.
        seen: The seed of the table for each seed of a run, from that of the study on.
        reuse: Whether work that was done is not done again.
        steps: Optimizer steps trained so far.
        flops: What they cost.
        missing: Runs that were asked for and that the table does not hold; they fail.
    """

    table: Table
    seen: Sequence[int]
    reuse: bool
    steps: int = 0
    flops: float = 0.0
    missing: int = 0
    _known: set[tuple[int, str]] = field(default_factory=set)

    def train(self, assignment: Assignment, source: TrialSource) -> Entry | None:
        """Make a run; returns its training if it came to its end."""
        entry, number = self.table.of_run(assignment.run), assignment.run.training.seed
        if entry is None or number >= len(self.seen):
            self.missing += 1
            source.ended(assignment, Failed("the table does not hold this run"))
            return None
        seed = self.seen[number]
        end: Finished | Failed | Stopped = Stopped()
        for epoch in range(len(entry.segments)):
            self._spend(entry, seed, epoch)
            message = _message(entry, seed, epoch, self.table.problem.metric)
            if not isinstance(message, Progress):
                end = message
                break
            if source.report(assignment, message) is Decision.STOP:
                break
        source.ended(assignment, end)
        return entry if isinstance(end, Finished) else None

    def _spend(self, entry: Entry, seed: int, epoch: int) -> None:
        end, key = entry.segments[epoch]
        if not (self.reuse and (seed, key) in self._known):
            self.steps += end - (entry.segments[epoch - 1][0] if epoch else 0)
            self.flops += entry.segment_flops[epoch]
        self._known.add((seed, key))


def _message(entry: Entry, seed: int, epoch: int, metric: str) -> Progress | Finished | Failed:
    """What a worker sends after an epoch (from 0 on); seconds as if all steps were its own."""
    failure = entry.failures.get(seed)
    if failure is not None and epoch >= failure.epochs:
        return Failed(failure.reason)
    step = entry.segments[epoch][0]
    seconds = sum(entry.seconds[seed][: epoch + 1])
    metrics = {metric: entry.curve[seed][epoch]}
    constant = entry.constant[seed][epoch]
    record = Record(step, step / entry.steps, epoch + 1, metrics, seconds, constant)
    used = Spent(Timings(train=seconds), step, peak_memory=0)
    if step < entry.steps:
        return Progress(record, used)
    return Finished(record, Outcome(dict(entry.metrics[seed]), used))


class _TableDraws(Draws):
    """Gives the points that a table holds."""

    def __init__(self, table: Table, space: Space, folder: StudyFolder, seed: int) -> None:
        recipe = folder.recipe
        sides = directions(len(recipe.objectives))
        super().__init__(space, recipe.sampler, seed, sides)
        self._table = table

    def draw(self, *, at_random: bool = False) -> Draw | None:
        """See `Draws.draw`."""
        for attempt in itertools.count():
            found = super().draw(at_random=at_random or attempt >= _TRIES)
            if found is None or self._table.of_values(found.values) is not None:
                break
            self.throw_away(found.number)
        return found


def _folder(recipe: Recipe, table: Table) -> StudyFolder:
    # In memory, since a journal would be most of a replay's time.
    storage, problem = InMemoryStorage(), table.problem
    study = optuna.create_study(
        study_name=recipe.study, storage=storage, directions=directions(len(recipe.objectives))
    )
    keep_recipe(study, recipe)
    keep_info(study, StudyInfo(metric=problem.metric, majority=problem.majority))
    return StudyFolder(Path(recipe.study or ""), recipe, storage)


def _whole_trials(trials: Sequence[Trial]) -> float:
    """What trials come to in whole ones, with the references, which cost no budget."""
    repeats = sum(trial.is_baseline and trial.repeats is not None for trial in trials)
    # Rounded, so that three thirds make one.
    return round(spent(trials) + sum(tuned(trials).values()) + repeats, 6)


def _without_contributions(space: Space) -> Space:
    """The part of a space in which no contribution score has a say."""
    scored = ("mode", "ratio_of", "metric")
    dimensions = {n: d for n, d in space.config.dimensions.items() if n not in scored}
    return Space(space.config.model_copy(update={"dimensions": dimensions}))


def _source(table: Table, space: Space, folder: StudyFolder, seed: int) -> StudySource:
    recipe = folder.recipe
    references = make_references(space, recipe, table.problem).all
    return StudySource(
        folder,
        table.problem,
        [_as_held(reference, table) for reference in references],
        _TableDraws(table, space, folder, seed),
        view=View(),
    )


def _as_held(reference: Reference, table: Table) -> Reference:
    """A reference at the learning rates at which the table holds it.

    It is tuned beyond the ends of its list only if the table holds such a rate. One that the
    table does not hold at all is asked for at the default rate, and fails.
    """
    low, high = reference.rates[0], reference.rates[-1]
    held = sorted(e.learning_rate for e in table.entries if e.baseline == reference.name)
    rates = tuple(rate for rate in held if low <= rate <= high)
    is_tuned = len(rates) > 1 and len(held) > len(rates)
    return replace(reference, rates=rates or (table.problem.learning_rate,), is_tuned=is_tuned)
