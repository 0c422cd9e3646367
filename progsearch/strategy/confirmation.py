"""Which runs a confirmation needs, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from optuna.trial import FrozenTrial

from progsearch.config import Recipe, RunConfig, parse, with_seed
from progsearch.report.data import StudyReport
from progsearch.schedule import Schedule, ScheduleSpec
from progsearch.space.settings import Choice
from progsearch.strategy.candidates import Candidate, candidate, first_of
from progsearch.strategy.problem import Subject
from progsearch.study.confirmed_runs import ConfirmedRuns
from progsearch.study.trial import FULL, PAPER, Trial


@dataclass(frozen=True)
class Job:
    """A trial's schedule that is to be trained with another seed.

    Attributes:
        trial: The trial.
        candidate: Its run with the new seed.
    """

    trial: FrozenTrial
    candidate: Candidate

    @property
    def seed(self) -> int:
        """The new seed."""
        return self.candidate.run.training.seed


@dataclass
class RunningJob:
    """A job that a worker has, with what it reported so far."""

    job: Job
    records: list[dict[str, Any]] = field(default_factory=list)

    @property
    def done(self) -> int:
        """Steps it is known to have behind it."""
        return int(self.records[-1]["step"]) if self.records else 0


def to_confirm(report: StudyReport, picks: Sequence[str] = ()) -> list[FrozenTrial]:
    """The trials to train again, each once.

    The front, best metric first, and the baselines; with ``picks`` only what these choose and
    the baselines that all are compared with, full fine-tuning and the paper's schedule.

    Raises:
        StudyError: Something of ``picks`` chooses no trial; see `progsearch.study.front.pick`.
    """
    named = {t.user_attrs["name"]: t for t in report.usable if "name" in t.user_attrs}
    if picks:
        chosen = [report.pick(how) for how in picks]
        baselines = [named[name] for name in (FULL, PAPER) if name in named]
    else:
        chosen, baselines = report.front, list(named.values())
    return list({trial.number: trial for trial in (*chosen, *baselines)}.values())


def new_seeds(recipe: Recipe, number: int) -> list[int]:
    """The first seeds after those that the study's own trials were trained with."""
    first = recipe.training.seed + recipe.seeds
    return list(range(first, first + number))


def missing(
    trials: Sequence[FrozenTrial], seeds: Sequence[int], kept: ConfirmedRuns
) -> list[tuple[FrozenTrial, int]]:
    """The trials and seeds that have no result yet; those that failed have none."""
    known = {(run.trial, run.seed) for run in kept.runs if run.reason is None}
    return [
        (trial, seed) for seed in seeds for trial in trials if (trial.number, seed) not in known
    ]


def job_of(trial: FrozenTrial, seed: int, recipe: Recipe, subject: Subject) -> Job:
    """The run of ``trial`` with another seed."""
    run = parse(RunConfig, trial.user_attrs["run"], f"trial {trial.number}")
    run = with_seed(run, seed)
    schedule = Schedule.from_dicts([stage.model_dump() for stage in run.stages], subject.n_blocks)
    made = candidate(Choice(ScheduleSpec(), run.method, run.training), recipe, subject, schedule)
    # The trial's own config, so that the schedule is trained as it was found.
    return Job(trial, replace(made, run=run))


class JobQueue:
    """Hands out jobs in the order of `first_of`, but none that would wait for a running one.

    How long a job takes is what its trial took, less the first steps that jobs of this session
    have made already.

    Args:
        jobs: What is to be trained.
        recipe: Says what jobs share.
    """

    def __init__(self, jobs: Iterable[Job], recipe: Recipe) -> None:
        self._left = list(jobs)
        self._recipe = recipe
        self._made: set[str] = set()

    def take(self, running: Sequence[RunningJob]) -> Job | None:
        """The next job; where all that are left would wait, one of them; None at the end."""
        if not self._left:
            return None
        for other in running:
            self._made |= {k for end, k in other.job.candidate.segments if end <= other.done}
        free = [job for job in self._left if not self._would_wait(job, running)] or self._left
        runs = [job.candidate for job in free]
        seconds = [self._seconds_left(job) for job in free]
        others = [(other.job.candidate, other.done) for other in running]
        job = free[first_of(runs, seconds, self._recipe, self._made, others)]
        self._left.remove(job)
        return job

    def finished(self, job: Job) -> None:
        """All steps of ``job`` are made."""
        self._made |= {key for _, key in job.candidate.segments}

    def _would_wait(self, job: Job, running: Sequence[RunningJob]) -> bool:
        return self._recipe.reuse and any(
            job.candidate.would_wait(other.job.candidate.segments, other.done) for other in running
        )

    def _seconds_left(self, job: Job) -> float:
        segments = job.candidate.segments
        made = [end for end, key in segments if key in self._made] if self._recipe.reuse else []
        return Trial(job.trial).seconds * (1 - max(made, default=0) / segments[-1][0])
