"""The runs on new seeds that confirm a study: which, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from progsearch.config import Recipe
from progsearch.config.limits import Limits
from progsearch.strategy.candidates import Candidate, with_other_seed
from progsearch.strategy.order import next_in_order
from progsearch.strategy.problem import Problem
from progsearch.strategy.repeats import FIRST_OF_CONFIRMATIONS
from progsearch.strategy.source import (
    MOST_RETRIES,
    WAIT,
    Assignment,
    Decision,
    Ended,
    Failed,
    Finished,
    Lost,
    Progress,
    Stopped,
    TrialSource,
    Wait,
)
from progsearch.study.confirmed_runs import ConfirmedRun, ConfirmedRuns, write_confirmed
from progsearch.study.front import allowed, front_of, pick, references_of, usable
from progsearch.study.trial import FULL, PAPER, Trial
from progsearch.study.view import Run, View


@dataclass(frozen=True)
class Job:
    """A trial's schedule that is to be trained with another seed.

    Attributes:
        trial: The trial.
        candidate: Its run with the new seed.
    """

    trial: Trial
    candidate: Candidate

    @property
    def seed(self) -> int:
        """The new seed."""
        return self.candidate.run.training.seed


@dataclass
class RunningJob:
    """A job that a worker has.

    Attributes:
        job: The job.
        done: The steps that it is known to have made.
        had_company: Whether others ran beside it.
    """

    job: Job
    done: int = 0
    had_company: bool = False


def to_confirm(trials: Sequence[Trial], limits: Limits, picks: Sequence[str] = ()) -> list[Trial]:
    """The trials to train again, each once.

    The front, best metric first, and the references; with ``picks`` only what these choose and
    the references that all are compared with, full fine-tuning and the paper's schedule.

    Args:
        trials: All trials of a study.
        limits: The limits that trials on the front must satisfy.
        picks: Rules, numbers and names; see `progsearch.study.front.pick`.

    Raises:
        StudyError: Something of ``picks`` chooses no trial.
    """
    found = usable(trials)
    named = references_of(found)
    if picks:
        chosen = [pick(trials, how, limits) for how in picks]
        references = [named[name] for name in (FULL, PAPER) if name in named]
    else:
        chosen = front_of(allowed(found, limits))
        references = list(named.values())
    return list({trial.number: trial for trial in (*chosen, *references)}.values())


def new_seeds(recipe: Recipe, number: int) -> list[int]:
    """The first seeds that the study's own trials are never trained with."""
    first = recipe.training.seed + FIRST_OF_CONFIRMATIONS
    return list(range(first, first + number))


def missing(
    trials: Sequence[Trial], seeds: Sequence[int], kept: ConfirmedRuns
) -> list[tuple[Trial, int]]:
    """The trials and seeds that have no result yet; those that failed have none."""
    known = {(run.trial, run.seed) for run in kept.runs if run.reason is None}
    return [
        (trial, seed) for seed in seeds for trial in trials if (trial.number, seed) not in known
    ]


def job_of(trial: Trial, seed: int, recipe: Recipe, problem: Problem) -> Job:
    """The run of ``trial`` with another seed."""
    return Job(trial, with_other_seed(trial, seed, recipe, problem))


class JobQueue:
    """Hands out jobs in the order of `next_in_order`, but none that would wait for a running one.

    The time of a job is estimated from that of its trial, less the first steps that jobs of this
    session have trained already.

    Args:
        jobs: What is to be trained.
        recipe: Says what jobs share.
    """

    def __init__(self, jobs: Iterable[Job], recipe: Recipe) -> None:
        self._left = list(jobs)
        self._recipe = recipe
        self._made: set[str] = set()

    def take(self, running: Sequence[RunningJob]) -> Job | None:
        """The next job; if all that are left would wait, one of them; None at the end."""
        if not self._left:
            return None
        for other in running:
            self._made |= {k for end, k in other.job.candidate.segments if end <= other.done}
        free = [job for job in self._left if not self._would_wait(job, running)] or self._left
        runs = [job.candidate for job in free]
        seconds = [self._seconds_left(job) for job in free]
        others = [(other.job.candidate, other.done) for other in running]
        job = free[next_in_order(runs, seconds, self._recipe, self._made, others)]
        self._left.remove(job)
        return job

    def put_back(self, job: Job) -> None:
        """Hand out ``job`` once more."""
        self._left.append(job)

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
        return job.trial.seconds * (1 - max(made, default=0) / segments[-1][0])


class ConfirmationSource(TrialSource):
    """Searches nothing: it hands out the jobs of a queue and keeps their results.

    Args:
        queue: The jobs.
        folder: The study that keeps the results.
        kept: The existing results.
        view: Told what happens.

    Attributes:
        kept: All results so far.
    """

    def __init__(self, queue: JobQueue, folder: Path, kept: ConfirmedRuns, view: View) -> None:
        self.kept = kept
        self._queue = queue
        self._folder = folder
        self._view = view
        self._running: dict[Assignment, RunningJob] = {}
        self._lost: list[Job] = []
        # Jobs that had too little memory beside others; made one by one at the end.
        self._alone: list[Job] = []

    def next(self) -> Assignment | Wait | Ended:
        """The next job of the queue, to be scored on test data as well."""
        job = self._queue.take(list(self._running.values()))
        if job is None and self._running:
            return WAIT  # what runs may be lost and handed out again
        if job is None and self._alone:
            job = self._alone.pop()
        if job is None:
            return Ended("budget")
        assignment = Assignment(job.trial.number, job.candidate.run, test=True)
        self._running[assignment] = RunningJob(job)
        for other in self._running.values():
            other.had_company |= len(self._running) > 1
        self._view.run_started(Run(job.trial, job.seed))
        return assignment

    def report(self, assignment: Assignment, progress: Progress) -> Decision:
        """Note the run's progress; every run continues."""
        running = self._running[assignment]
        running.done = progress.record.step
        self._view.record(Run(running.job.trial, running.job.seed), progress.record)
        return Decision.CONTINUE

    def ended(self, assignment: Assignment, how: Finished | Failed | Stopped | Lost) -> None:
        """Keep the result, or the reason why there is no result."""
        running = self._running.pop(assignment)
        job = running.job
        match how:
            case Finished(record=record, outcome=outcome):
                self._queue.finished(job)
                run = ConfirmedRun(
                    trial=job.trial.number,
                    seed=job.seed,
                    metrics=outcome.metrics,
                    test_metrics=outcome.test_metrics,
                    per_class=outcome.per_class,
                    constant=record.constant,
                    **outcome.spent.to_dict(),
                )
                self._keep(job, run)
            case Failed(reason=reason, memory=True) if running.had_company:
                self._alone.append(job)
                self._note_again(job, reason)
            case Failed(reason=reason):
                self._keep_failure(job, reason)
            case Lost(reason=reason) if self._lost.count(job) < MOST_RETRIES:
                self._lost.append(job)
                self._queue.put_back(job)
                self._note_again(job, reason)
            case Lost(reason=reason):
                self._keep_failure(job, reason)
            case Stopped():
                raise AssertionError("no run of a confirmation is stopped")

    def _note_again(self, job: Job, reason: str) -> None:
        self._view.note(f"{Run(job.trial, job.seed).label} is run again: {reason}")

    def _keep_failure(self, job: Job, reason: str) -> None:
        self._keep(job, ConfirmedRun(trial=job.trial.number, seed=job.seed, reason=reason))

    def _keep(self, job: Job, run: ConfirmedRun) -> None:
        self.kept = self.kept.having(run)
        write_confirmed(self._folder, self.kept)
        self._view.run_ended(Run(job.trial, job.seed, kept=run))
