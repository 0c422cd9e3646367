"""From a point of the space to the run of a trial, and the runs that every study starts with."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from progsearch.config import ContributionConfig, Recipe, RunConfig, StageConfig, plain
from progsearch.costs import RunCost, steps_per_epoch
from progsearch.errors import ScheduleError
from progsearch.schedule import Schedule
from progsearch.schedule.rescoring import make_plan
from progsearch.space.settings import Choice
from progsearch.strategy.features import Vector, features
from progsearch.strategy.problem import Subject
from progsearch.version import __version__


@dataclass(frozen=True)
class Candidate:
    """A run that a trial may make.

    Attributes:
        schedule: Its stages.
        run: Its config, whole.
        cost: What it costs.
        key: Equal for candidates that come to the same training.
        segments: End step and key of each segment; equal keys are the same work.
        flops: FLOPs of each segment.
    """

    schedule: Schedule
    run: RunConfig
    cost: RunCost
    key: str
    segments: tuple[tuple[int, str], ...]
    flops: tuple[float, ...]

    @cached_property
    def vector(self) -> Vector:
        """See `features`; kept, since a candidate is weighed again for each trial."""
        return features(plain(self.run), self.schedule.n_blocks)

    @cached_property
    def costs(self) -> dict[str, Any]:
        """`cost` as data; kept for the same reason."""
        return self.cost.to_dict()

    def would_wait(self, segments: Iterable[tuple[int, str]], done: int) -> bool:
        """Whether this run needs steps that another is just making or about to make.

        Args:
            segments: The other run's.
            done: Steps that the other has behind it, which this one finds stored.
        """
        theirs = {key for _, key in segments}
        return any(key in theirs and end > done for end, key in self.segments)

    def next_step(self, trained: Container[str], done: int = 0) -> tuple[str | None, int]:
        """Where this run goes on, and how many blocks are frozen with the embeddings there.

        The key of the last segment before says where; None is the beginning.

        Args:
            trained: The keys of the segments that need no training.
            done: The run has these steps behind it.
        """
        start, first = None, 0
        for end, key in self.segments[:-1]:
            if end > done and key not in trained:
                break
            start, first = key, end
        stage = self.schedule.stage_at(first, self.segments[-1][0])
        return start, stage.frozen_prefix(self.schedule.n_blocks)

    def attributes(self) -> dict[str, Any]:
        """The user attributes of a trial that makes this run."""
        return {
            "schedule": self.schedule.to_dicts(),
            "key": self.key,
            "run": plain(self.run),
            "costs": self.costs,
            "segments": [list(segment) for segment in self.segments],
            "segment_flops": list(self.flops),
        }


def first_of(
    runs: Sequence[Candidate],
    seconds: Sequence[float],
    recipe: Recipe,
    trained: Container[str],
    running: Iterable[tuple[Candidate, int]],
) -> int:
    """The index of the run that goes first where all of ``runs`` are to be made.

    The longest, so that the workers end together. But what frozen blocks compute is to be
    computed once, if the recipe has it kept: of the runs that go on from the same step, the one
    with the fewest frozen blocks goes first, since the others can start from what its blocks
    compute; and those come later that need what a running one is just computing.

    Args:
        runs: At least one.
        seconds: What is left to train of each.
        recipe: What runs share.
        trained: The keys of the segments that need no training.
        running: Runs that are being made, and the steps that each has behind it.
    """
    every = range(len(runs))
    if not (recipe.reuse and recipe.prefix_cache):
        return max(every, key=lambda index: seconds[index])

    def place(run: Candidate, done: int = 0) -> tuple[tuple[str | None, str], int]:
        start, frozen = run.next_step(trained, done)
        # At the beginning the blocks are the pre-trained ones, whatever else differs.
        return (start, run.run.method.cost_key), frozen

    places = [place(run) for run in runs]
    computing = [place(other, done) for other, done in running]
    free = [
        index
        for index, (start, frozen) in enumerate(places)
        if not any(start == theirs and 0 < fewer <= frozen for theirs, fewer in computing)
    ] or every
    longest = max(free, key=lambda index: seconds[index])
    start, frozen = places[longest]
    beside = [i for i in free if places[i][0] == start and 0 < places[i][1] < frozen]
    return min(beside, key=lambda index: (places[index][1], -seconds[index]), default=longest)


def candidate(
    choice: Choice, recipe: Recipe, subject: Subject, schedule: Schedule | None = None
) -> Candidate:
    """The run that ``choice`` stands for.

    Args:
        choice: A point of the space.
        recipe: Gives the model, the task and what the space does not vary.
        subject: The recipe's model and task.
        schedule: Takes the place of the one that the choice's spec gives.

    Raises:
        ScheduleError: The choice does not fit the model, such as more equal parts than blocks.
    """
    spec, method, training = choice.spec, choice.method, choice.training
    contribution = None
    if schedule is None and spec.uses_scores:
        assert spec.metric is not None, "a spec that uses scores names their metric"
        contribution = ContributionConfig(
            metric=spec.metric,
            scores=subject.contributions[spec.metric],
            rescore=spec.rescore,
        )
    if schedule is None:
        scores = contribution.scores if contribution else None
        schedule = spec.schedule(subject.n_blocks, scores, training.epochs)
    model_cost = subject.costs[method.cost_key]
    if not model_cost.embeddings.trainable:
        # Whether a schedule trains embeddings of which LoRA trains nothing makes no difference.
        stages = (replace(stage, embeddings=False) for stage in schedule.stages)
        schedule = Schedule(schedule.n_blocks, tuple(stages))
    run = RunConfig(
        progsearch_version=__version__,
        model=recipe.model,
        task=recipe.task,
        method=method,
        training=training,
        contribution=contribution,
        stages=tuple(StageConfig(**stage) for stage in schedule.to_dicts()),
    )
    epoch = steps_per_epoch(subject.examples, training.batch_size, training.gradient_accumulation)
    plan = make_plan(schedule, epoch, training.epochs, contribution)
    total_steps = plan.total_steps
    segments = plan.segments((method.own_fields(), training.model_dump()))
    ends = [end for end, _ in segments]
    flops = [
        (end - first) * model_cost.flops_in(schedule.stage_at(first, total_steps))
        for first, end in zip([0, *ends], ends, strict=False)
    ]
    return Candidate(
        schedule=schedule,
        run=run,
        cost=model_cost.of(schedule, training.epochs, subject.examples, total_steps),
        key=segments[-1][1],
        segments=segments,
        flops=tuple(part * subject.examples / epoch for part in flops),
    )


def baselines(
    default: Choice, recipe: Recipe, subject: Subject
) -> tuple[dict[str, Candidate], list[str]]:
    """The runs that every study starts with, by name, and a sentence for each that does not fit.

    Full fine-tuning; the paper's schedule of 3 stages and of one stage an epoch; the last
    quarter of the blocks with the head; the head alone.

    Args:
        default: The method and training settings of all of them.
        recipe: The study.
        subject: Its model and task.
    """
    n_blocks, epochs = subject.n_blocks, recipe.training.epochs
    schedules: dict[str, Callable[[], Schedule]] = {
        "full": lambda: Schedule.full(n_blocks),
        "progtuning-3": lambda: Schedule.progtuning(n_blocks, 3),
        f"progtuning-{epochs}": lambda: Schedule.progtuning(n_blocks, epochs),
        "last-quarter": lambda: Schedule.last_blocks(n_blocks, max(1, n_blocks // 4)),
        "head-only": lambda: Schedule.last_blocks(n_blocks, 0),
    }
    found: dict[str, Candidate] = {}
    left_out = []
    for name, schedule in schedules.items():
        try:
            made = candidate(default, recipe, subject, schedule())
        except ScheduleError:
            left_out.append(
                f"the baseline {name} is left out: the model has only {n_blocks} blocks"
            )
            continue
        # With one epoch, progtuning-1 is full fine-tuning under another name.
        if made.key not in {other.key for other in found.values()}:
            found[name] = made
    return found, left_out
