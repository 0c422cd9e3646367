"""Keys: what is shared is what must be shared."""

from hypothesis import given

from progsearch.schedule import Schedule, Stage
from progsearch.schedule.plan import Lineage, SegmentPlan
from tests.schedule.plans import EPOCHS, STEPS_PER_EPOCH, schedules, trained_parts


def keys_of(schedule, root=()):
    return dict(SegmentPlan(schedule, STEPS_PER_EPOCH, EPOCHS).segments(root))


@given(schedules, schedules)
def test_two_runs_share_a_segment_exactly_if_their_steps_so_far_are_the_same(one, other):
    keys, other_keys = keys_of(one), keys_of(other)
    for end, key in keys.items():
        for other_end, other_key in other_keys.items():
            same = trained_parts(one, end) == trained_parts(other, other_end)
            assert (key == other_key) == same


def test_all_that_determines_the_weights_is_in_the_key():
    one, other = (keys_of(Schedule.full(2), root=("seed", seed)) for seed in (0, 1))
    assert one != other


def test_a_run_is_cut_at_the_ends_of_epochs_and_of_stages_that_differ():
    stages = [(0.0, 0.25, (0, 1)), (0.25, 0.4, (1,)), (0.4, 1.0, (1,))]
    schedule = Schedule(2, tuple(Stage(a, b, blocks, embeddings=False) for a, b, blocks in stages))
    assert SegmentPlan(schedule, 4, 3).ends() == [3, 4, 8, 12]


def test_a_lineage_says_where_the_weights_of_each_step_come_from():
    plan = SegmentPlan(Schedule.full(2), STEPS_PER_EPOCH, EPOCHS)
    lineage = Lineage(["pretrained"], ["root"], plan)
    assert lineage.origin(0) == ["pretrained"]
    assert [(end, lineage.key(end)) for end in plan.ends()] == list(plan.segments(["root"]))
    assert lineage.origin(4) == [lineage.key(4)]
