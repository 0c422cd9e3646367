"""From a point of the space to the run of a trial."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from progsearch.config import ContributionConfig, Recipe, RunConfig, StageConfig, with_seed
from progsearch.costs import steps_per_epoch
from progsearch.schedule import Schedule, ScheduleSpec
from progsearch.schedule.rescoring import make_plan
from progsearch.space.settings import Choice
from progsearch.strategy.features import Vector, features
from progsearch.strategy.problem import Problem
from progsearch.study.trial import Plan, Trial
from progsearch.version import __version__


@dataclass(frozen=True)
class Candidate(Plan):
    """A run that a trial may make."""

    @cached_property
    def vector(self) -> Vector:
        """See `features`; cached, since a candidate is valued again for each trial."""
        return features(self.run, self.schedule.n_blocks)

    def would_wait(self, segments: Iterable[tuple[int, str]], done: int) -> bool:
        """Whether this run needs steps that another is training or about to train.

        Args:
            segments: The other run's.
            done: Steps that the other has made, which this one finds stored.
        """
        theirs = {key for _, key in segments}
        return any(key in theirs and end > done for end, key in self.segments)

    def next_step(self, trained: Container[str], done: int = 0) -> tuple[str | None, int]:
        """The point from which this run continues, and the number of blocks frozen there.

        The point is the key of the last segment before it; None is the beginning. Blocks count
        only if the embeddings are frozen, too.

        Args:
            trained: The keys of the segments that need no training.
            done: Steps that the run has made.
        """
        start, first = None, 0
        for end, key in self.segments[:-1]:
            if end > done and key not in trained:
                break
            start, first = key, end
        stage = self.schedule.stage_at(first, self.segments[-1][0])
        return start, stage.frozen_prefix(self.schedule.n_blocks)


def candidate(
    choice: Choice, recipe: Recipe, problem: Problem, schedule: Schedule | None = None
) -> Candidate:
    """The run that ``choice`` describes.

    Args:
        choice: A point of the space.
        recipe: Gives the model, the task and what the space does not vary.
        problem: The recipe's model and task.
        schedule: Replaces the schedule of the choice's spec.

    Raises:
        ScheduleError: The choice does not fit the model, such as more equal parts than blocks.
    """
    spec, method, training = choice.spec, choice.method, choice.training
    contribution = None
    if schedule is None and spec.uses_scores:
        assert spec.metric is not None, "a spec that uses scores names their metric"
        contribution = ContributionConfig(
            metric=spec.metric,
            scores=problem.contributions[spec.metric],
            rescore=spec.rescore,
        )
    if schedule is None:
        scores = contribution.scores if contribution else None
        schedule = spec.schedule(problem.n_blocks, scores, training.epochs)
    model_cost = problem.costs[method.cost_key]
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
    epoch = steps_per_epoch(problem.examples, training.batch_size, training.gradient_accumulation)
    plan = make_plan(schedule, epoch, training.epochs, contribution)
    total_steps = plan.total_steps
    segments = plan.segments((method.own_fields(), training.decisive()))
    ends = [end for end, _ in segments]
    flops = [
        (end - first) * model_cost.flops_in(schedule.stage_at(first, total_steps))
        for first, end in zip([0, *ends], ends, strict=False)
    ]
    return Candidate(
        schedule=schedule,
        run=run,
        costs=model_cost.of(schedule, training.epochs, problem.examples, total_steps, training),
        key=segments[-1][1],
        segments=segments,
        segment_flops=tuple(part * problem.examples / epoch for part in flops),
    )


def with_other_seed(trial: Trial, seed: int, recipe: Recipe, problem: Problem) -> Candidate:
    """The run of ``trial`` with another seed, by the schedule that it was trained with."""
    run = with_seed(trial.run, seed)
    schedule = Schedule.from_dicts([stage.model_dump() for stage in run.stages], problem.n_blocks)
    made = candidate(Choice(ScheduleSpec(), run.method, run.training), recipe, problem, schedule)
    # The trial's own config, so that the schedule is trained as it was found.
    return replace(made, run=run)
