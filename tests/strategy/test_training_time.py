from progsearch.strategy.training_time import TrainingTime

RUN = ((10, "a"), (20, "b"), (30, "c")), (4.0, 2.0, 1.0)


def test_what_is_trained_is_not_left():
    time = TrainingTime(reuse=True)
    assert time.left(*RUN) == 7
    time.add_trained([(10, "a"), (20, "b"), (30, "x")], done=20)
    assert time.left(*RUN) == 1


def test_steps_that_were_not_reached_are_left():
    time = TrainingTime(reuse=True)
    time.add_trained(RUN[0], done=10)
    assert time.left(*RUN) == 3


def test_without_reuse_all_is_left():
    time = TrainingTime(reuse=False)
    time.add_trained(RUN[0], done=20)
    assert time.left(*RUN) == 7


def test_what_a_running_trial_made_is_not_left_to_it():
    assert TrainingTime(reuse=False).left(*RUN, done=10) == 3
