from progsearch.schedule import Schedule
from progsearch.schedule.plan import Lineage, SegmentPlan


def lineage(**settings):
    plan = SegmentPlan(Schedule.full(3), steps_per_epoch=4, epochs=3)
    return Lineage(["pretrained"], ["root"], plan, **settings)


def test_one_process_is_left_out_of_keys():
    made = lineage()
    assert made.key(8) == made.plan.keys(["root"], [8])[0]


def test_each_number_of_processes_has_keys_of_its_own():
    assert len({lineage(ranks=ranks).key(8) for ranks in (1, 2, 3)}) == 3
    # What the pre-trained model computes does not depend on it.
    assert lineage(ranks=2).origin(0) == lineage().origin(0)


def test_steps_of_others_have_their_keys_and_steps_after_them_new_ones():
    mixed = lineage(ranks=2, others=(4, 1))
    assert mixed.key(4) == lineage().key(4)
    own, theirs = lineage(ranks=2), lineage()
    assert mixed.key(8) not in {own.key(8), theirs.key(8), lineage(ranks=2, others=(8, 1)).key(8)}
    assert [mixed.made_by_others(step) for step in (3, 4, 5, 8)] == [True, True, False, False]


def test_steps_that_are_trained_again_are_those_of_the_run():
    mixed = lineage(ranks=2, others=(8, 1))
    mixed.train_from(4)
    assert mixed.key(8) == lineage(ranks=2, others=(4, 1)).key(8)
    # Later steps change nothing of that.
    mixed.train_from(8)
    assert mixed.others == (4, 1)
    mixed.train_from(0)
    assert mixed.key(8) == lineage(ranks=2).key(8)
