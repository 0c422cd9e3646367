import pytest

from progsearch.strategy.remaining_work import Work

RUN = ((10, "a"), (20, "b"), (30, "c")), (4.0, 2.0, 1.0)


def test_what_is_trained_is_not_left():
    work = Work(reuse=True)
    assert work.seconds_left(*RUN) == 7
    work.add([(10, "a"), (20, "b"), (30, "x")], done=20)
    assert work.seconds_left(*RUN) == 1


def test_steps_that_were_not_reached_are_left():
    work = Work(reuse=True)
    work.add(RUN[0], done=10)
    assert work.seconds_left(*RUN) == 3


def test_without_reuse_all_is_left():
    work = Work(reuse=False)
    work.add(RUN[0], done=20)
    assert work.seconds_left(*RUN) == 7


def test_what_a_running_trial_made_is_not_left_to_it():
    assert Work(reuse=False).seconds_left(*RUN, done=10) == 3


def test_seconds_are_those_of_the_machine():
    work = Work(reuse=True)
    work.measure(seconds=6.0, flops=2.0)
    work.measure(seconds=2.0, flops=2.0)
    assert work.seconds_left(*RUN) == pytest.approx(14)
