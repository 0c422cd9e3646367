"""Prepares Ray, the model and the task, and runs a source of trials to its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from progsearch.config import MethodConfig, Recipe
from progsearch.driver.possible import check_libraries
from progsearch.errors import Interrupted, MachineFailed
from progsearch.paths import is_of_the_machine, reason_of
from progsearch.signals import Stopped, interrupted, stopped_by_signals
from progsearch.strategy.problem import Problem
from progsearch.strategy.source import TrialSource
from progsearch.study.folder import StudyFolder
from progsearch.study.view import ConfirmGoal, Ending, SearchGoal, View
from progsearch.workers.adapter import run_source
from progsearch.workers.cluster import Machines, machines, starts_here, with_memory_for
from progsearch.workers.doctor.before import check_nodes
from progsearch.workers.halt import Halt
from progsearch.workers.inspection import inspection
from progsearch.workers.watch import RayLost, Stuck

# How often Ray is started again.
_MOST_STARTS = 3


@dataclass(frozen=True)
class Ready:
    """What the first run requires.

    Attributes:
        problem: The model and the task.
        machines: The machines for the runs, on a started Ray.
    """

    problem: Problem
    machines: Machines


@contextmanager
def ready(
    recipe: Recipe, methods: Sequence[MethodConfig], metrics: Sequence[str], view: View
) -> Iterator[Ready]:
    """While active, Ray runs; yields what must be known before the first run.

    Args:
        recipe: Names the model, the task and the machines.
        methods: Those that runs may use.
        metrics: The contribution metrics that runs may need.
        view: Shows the current step.

    Raises:
        ProgsearchError: One of them cannot be used.
    """
    check_libraries(recipe, methods)
    view.preparing("starting Ray")
    here = starts_here(recipe)
    with inspection(recipe, methods, metrics) as answer, machines(recipe) as there:
        if recipe.address is not None:
            view.preparing("checking the nodes of the cluster")
            check_nodes(recipe, there, view.note)
        view.preparing(f"inspecting {recipe.task.name} and {recipe.model}")
        problem = answer(there, view.step)
        for remark in problem.remarks:
            view.note(remark)
        for line in problem.understood.lines() if problem.understood else ():
            view.note(line)
        found = with_memory_for(there, recipe, problem) if here else there
        if found.parallel < there.parallel:
            view.note(
                f"{found.parallel} parallel trials instead of {there.parallel}, limited by memory"
            )
        yield Ready(problem, found)


@dataclass
class Continuation:
    """How interrupted work continues.

    Attributes:
        message: Says it to the user.
        study: The folder of the study, if there is one.
    """

    message: str
    study: Path | None = None

    def error(self, number: int | None) -> Interrupted:
        """The error that ends the work after a signal."""
        error = interrupted(self.message, number)
        error.study = self.study
        return error


@contextmanager
def interruptible(message: str, study: Path | None = None) -> Iterator[Continuation]:
    """While active, signals such as Ctrl-C end the work with ``message``.

    Args:
        message: Says how to continue.
        study: The folder of the study, if there is one.

    Yields:
        Both, to be changed once more is saved.
    """
    continuation = Continuation(message, study)
    try:
        with stopped_by_signals():
            yield continuation
    except Stopped as stop:
        raise continuation.error(stop.number) from None
    except KeyboardInterrupt:
        raise continuation.error(None) from None


@contextmanager
def _disk_failures(folder: StudyFolder) -> Iterator[None]:
    """While active, a full or broken disk ends the work with a clear message."""
    try:
        yield
    except OSError as error:
        if not is_of_the_machine(error):
            raise
        raise MachineFailed(
            f"{folder.path} cannot be written: {reason_of(error)}; finished work is saved, so "
            f"make room and continue: a search with `{folder.resume_line}`, a confirmation with "
            "the same command"
        ) from error


def _run(
    source: TrialSource,
    kind: str,
    folder: StudyFolder,
    found: Machines,
    halt: Halt,
    view: View,
    saved: str,
) -> Ending:
    """Train what a source hands out; if Ray is lost, start it again and go on."""
    n_lost = 0
    while True:
        name = f"{kind}-{1 + len(list(folder.ray.glob(f'{kind}-*')))}"
        try:
            return run_source(source, name, folder, found, halt, view.note, saved)
        except Stuck as stuck:
            raise MachineFailed(f"{stuck}; {saved}") from stuck
        except RayLost as lost:
            n_lost += 1
            if halt.ending is not None:
                return halt.ending
            if found.start_again is None or n_lost > _MOST_STARTS:
                times = f", for the {n_lost}th time" if n_lost > 1 else ""
                raise MachineFailed(f"{lost}{times}; {saved}") from lost
            view.note(f"{lost}; starting Ray again, what ran is run again from its stored steps")
            try:
                found.start_again()
            except MachineFailed as error:
                raise MachineFailed(f"{lost}, and {error}; {saved}") from error


def run_to_end(
    source: TrialSource,
    goal: SearchGoal | ConfirmGoal,
    folder: StudyFolder,
    found: Machines,
    *,
    halt: Halt,
    saved: str,
    view: View,
) -> None:
    """Train what a source hands out, until it has no more or until the halt.

    Args:
        source: Hands out the runs.
        goal: What is to be trained.
        folder: The study.
        found: The machines.
        halt: Ends it early.
        saved: Says what is saved and how to continue, if the work ends early.
        view: Told what happens.

    Raises:
        Interrupted: Someone stopped it; what is done is saved.
        MachineFailed: The study's disk is full or broken, Ray was lost for good, or nothing
            moves any more; finished work is saved.
    """
    view.started(folder, goal)
    kind = "session" if isinstance(goal, SearchGoal) else "confirm"
    with interruptible(f"interrupted; {saved}", folder.path) as end, _disk_failures(folder):
        try:
            ending = _run(source, kind, folder, found, halt, view, saved)
        finally:
            source.close()
    view.finished(ending)
    if ending == "interrupted":
        raise end.error(halt.signal)
