"""Prepares Ray, the model and the task, and runs a source of trials to its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from progsearch.config import MethodConfig, Recipe
from progsearch.errors import Interrupted, MachineFailed
from progsearch.paths import is_of_the_machine, reason_of
from progsearch.strategy.problem import Problem
from progsearch.strategy.source import TrialSource
from progsearch.study.folder import StudyFolder
from progsearch.study.view import ConfirmGoal, SearchGoal, View
from progsearch.workers.adapter import run_source
from progsearch.workers.cluster import Machines, machines, starts_here, with_memory_for
from progsearch.workers.halt import Halt, signals_as_ctrl_c
from progsearch.workers.inspection import inspection


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
    view.preparing("starting Ray")
    here = starts_here(recipe)
    with inspection(recipe, methods, metrics) as answer, machines(recipe) as there:
        message = f"loading {recipe.task.name} and {recipe.model}"
        if metrics:
            message += f", scoring blocks by {', '.join(metrics)}"
        view.preparing(message)
        problem = answer(there)
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


@contextmanager
def interruptible(message: str) -> Iterator[None]:
    """While active, Ctrl-C ends the work with ``message``, which says how to continue."""
    try:
        with signals_as_ctrl_c():
            yield
    except KeyboardInterrupt:
        raise Interrupted(message) from None


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


def run_to_end(
    source: TrialSource,
    goal: SearchGoal | ConfirmGoal,
    folder: StudyFolder,
    found: Machines,
    *,
    halt: Halt,
    resume_message: str,
    view: View,
) -> None:
    """Train what a source hands out, until it has no more or until the halt.

    Args:
        source: Hands out the runs.
        goal: What is to be trained.
        folder: The study.
        found: The machines.
        halt: Ends it early.
        resume_message: The message if someone stops it.
        view: Told what happens.

    Raises:
        Interrupted: Someone stopped it; what is done is saved.
        MachineFailed: The study's disk is full or broken; finished work is saved.
    """
    view.started(folder, goal)
    kind = "session" if isinstance(goal, SearchGoal) else "confirm"
    name = f"{kind}-{1 + len(list(folder.ray.glob(f'{kind}-*')))}"
    with interruptible(resume_message), _disk_failures(folder):
        try:
            ending = run_source(source, name, folder, found, halt, view.note)
        finally:
            source.close()
    view.finished(ending)
    if ending == "interrupted":
        raise Interrupted(resume_message)
