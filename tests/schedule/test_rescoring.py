import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progsearch.config import ContributionConfig
from progsearch.errors import ScheduleError
from progsearch.schedule import Schedule, ScheduleSpec, Stage
from progsearch.schedule.plan import SegmentPlan
from progsearch.schedule.rescoring import RescoringPlan, make_plan, rescored
from tests.schedule.plans import EPOCHS, STEPS_PER_EPOCH, schedules, trained_parts
from tests.schedule.test_schedule import blocks_by_stage, specs


def plan_of(schedule, metric="a metric", steps_per_epoch=STEPS_PER_EPOCH, epochs=EPOCHS):
    return RescoringPlan(schedule, steps_per_epoch, epochs, metric)


# -- which blocks are chosen -----------------------------------------------------------------


def test_new_scores_choose_the_blocks_of_one_stage():
    spec = ScheduleSpec(n_stages=3, mode="any_order", metric="fisher", rescore=True)
    plan = plan_of(spec.schedule(6, scores=[1, 2, 3, 4, 5, 6]), steps_per_epoch=10)
    assert blocks_by_stage(plan.schedule) == [(0, 1, 2, 3, 4, 5), (2, 3, 4, 5), (4, 5)]
    assert plan.choices == (10, 20)
    plan.choose(10, [6, 5, 4, 3, 2, 1])
    assert blocks_by_stage(plan.schedule) == [(0, 1, 2, 3, 4, 5), (0, 1, 2, 3), (4, 5)]
    plan.choose(20, [6, 1, 1, 9, 1, 1])
    assert blocks_by_stage(plan.schedule) == [(0, 1, 2, 3, 4, 5), (0, 1, 2, 3), (0, 3)]
    with pytest.raises(ScheduleError, match="must be finite"):
        plan.choose(10, [1, 2, math.nan, 4, 5, 6])


def test_scores_change_nothing_where_all_blocks_or_none_are_trained():
    blocks = [(1,), (0, 1), (), (1,)]
    stages = (Stage(i / 4, (i + 1) / 4, b, embeddings=False) for i, b in enumerate(blocks))
    assert plan_of(Schedule(2, tuple(stages)), steps_per_epoch=4, epochs=2).choices == (6,)


@given(
    specs(mode="any_order", ratio_of="blocks", rescore=True),
    st.integers(1, 12),
    st.randoms(use_true_random=False),
)
def test_a_stage_is_what_the_spec_gives_by_the_new_scores(spec, n_blocks, random):
    old, new = ([random.randrange(5) for _ in range(n_blocks)] for _ in range(2))
    schedule, expected = spec.schedule(n_blocks, old), spec.schedule(n_blocks, new)
    for stage in schedule.stages:
        schedule = rescored(schedule, stage, new)
    assert schedule == expected


def test_a_run_chooses_if_its_contribution_says_so():
    chosen = ContributionConfig(metric="fisher", scores=(1.0, 2.0), rescore=True)
    fixed = chosen.model_copy(update={"rescore": False})
    schedule = Schedule.full(2)
    assert type(make_plan(schedule, 4, 3, chosen)) is RescoringPlan
    assert type(make_plan(schedule, 4, 3, fixed)) is type(make_plan(schedule, 4, 3)) is SegmentPlan


# -- keys ------------------------------------------------------------------------------------


def fixed_keys(schedule):
    return dict(SegmentPlan(schedule, STEPS_PER_EPOCH, EPOCHS).segments(()))


def keys_of(schedule, metric):
    return dict(plan_of(schedule, metric).segments(()))


def realised(schedule, metric):
    """What is trained where scores follow from the metric and the steps before, in any way."""
    plan = plan_of(schedule, metric)
    for step in plan.choices:
        generator = random.Random(repr((metric, trained_parts(plan.schedule, step))))
        plan.choose(step, [generator.random() for _ in range(2)])
    return plan.schedule


@given(schedules, schedules, st.sampled_from(["one metric", "another", None]))
def test_runs_that_choose_their_blocks_have_equal_keys_only_if_their_steps_are_the_same(
    one, other, metric
):
    keys = keys_of(one, "one metric")
    other_keys = keys_of(other, metric) if metric else fixed_keys(other)
    one, other = realised(one, "one metric"), realised(other, metric) if metric else other
    for end, key in keys.items():
        for other_end, other_key in other_keys.items():
            if key == other_key:
                assert trained_parts(one, end) == trained_parts(other, other_end)


@given(schedules)
def test_up_to_its_first_choice_a_run_shares_with_those_that_choose_nothing(schedule):
    first_choice = min(plan_of(schedule).choices, default=12)
    keys, fixed = keys_of(schedule, "a metric"), fixed_keys(schedule)
    for end in keys.keys() & fixed.keys():
        assert (keys[end] == fixed[end]) == (end <= first_choice)


@given(schedules)
def test_choosing_changes_no_key(schedule):
    plan = plan_of(schedule)
    before = plan.segments(())
    for step in plan.choices:
        plan.choose(step, [2.0, 1.0])
    assert plan.segments(()) == before


def test_equal_neighbours_may_come_apart_when_they_choose_their_blocks():
    stages = (Stage(0.0, 0.25, (1,), embeddings=False), Stage(0.25, 1.0, (1,), embeddings=False))
    schedule = Schedule(2, stages)
    assert SegmentPlan(schedule, 4, 3).ends() == [4, 8, 12]
    assert plan_of(schedule).ends() == [3, 4, 8, 12]
