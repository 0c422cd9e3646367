import pytest

from progsearch.errors import ScheduleError
from progsearch.schedule import Schedule, ScheduleSpec
from progsearch.space.settings import choice_of
from progsearch.space.space import Space
from progsearch.strategy.candidates import baselines, candidate, first_of
from tests.support.fakes import SCORES, freezing, recipe, subject


def made(space="progtuning", n_blocks=6, schedule=None, **values):
    given = recipe()
    choice = choice_of(values, given.training)
    return candidate(choice, given, subject(Space.load(space), n_blocks), schedule)


def test_a_candidate_is_a_whole_run():
    found = made(n_stages=2, mode="any_order", metric="taylor", learning_rate=2e-4)
    expected = ScheduleSpec(n_stages=2, mode="any_order", metric="taylor")
    assert found.schedule == expected.schedule(6, SCORES["taylor"])
    assert found.run.model == "some-model"
    assert found.run.training.learning_rate == 2e-4
    assert found.run.training.batch_size == 8
    assert found.run.contribution.metric == "taylor"
    assert found.run.contribution.scores == SCORES["taylor"]
    assert [stage.trainable_blocks for stage in found.run.stages] == [
        stage.trainable_blocks for stage in found.schedule.stages
    ]
    # 3 of 6 blocks of 50, half of the time; embeddings 100, head 10.
    assert found.cost.updated_parameters == pytest.approx((410 + 260) / 2 / 410)


def test_scores_that_a_schedule_does_not_use_are_not_part_of_its_run():
    assert made(n_stages=2, metric="taylor").run.contribution is None


RESCORED = {"n_stages": 3, "mode": "any_order", "metric": "taylor"}


def test_a_run_that_is_to_choose_its_blocks_says_so():
    found, fixed = made(**RESCORED, rescore=True), made(**RESCORED)
    assert found.run.contribution.rescore
    assert not fixed.run.contribution.rescore
    # As far as it is known beforehand, it is the same.
    assert (found.schedule, found.cost) == (fixed.schedule, fixed.cost)


def test_runs_that_choose_their_blocks_claim_only_what_they_are_sure_to_share():
    found, fixed = made(**RESCORED, rescore=True), made(**RESCORED)
    assert found.key != fixed.key
    # 30 steps in stages of 10: all blocks are trained up to step 10.
    assert [end for end, _ in found.segments] == [10, 20, 30]
    assert [a == b for a, b in zip(found.segments, fixed.segments, strict=True)] == [
        True, False, False
    ]  # fmt: skip
    assert found.would_wait(fixed.segments, 0) and not found.would_wait(fixed.segments, 10)
    assert made(**RESCORED, rescore=True, learning_rate=2e-4).key != found.key
    assert made(**RESCORED | {"metric": "block_influence"}, rescore=True).key != found.key


def test_without_a_later_choice_there_is_nothing_to_tell_apart():
    one_stage = RESCORED | {"n_stages": 1}
    assert made(**one_stage, rescore=True).key == made(**one_stage).key == made(n_stages=1).key


def test_a_choice_may_part_stages_that_are_planned_alike():
    alike = RESCORED | {"curve": "linear", "initial_freeze": 0.5, "stage_growth": 2.0}
    found, fixed = made(**alike, rescore=True), made(**alike)
    assert [end for end, _ in fixed.segments] == [10, 20, 30]
    assert [end for end, _ in found.segments] == [4, 10, 13, 20, 30]
    assert found.key != fixed.key


def test_the_key_is_that_of_the_training():
    key = made(n_stages=3).key
    assert made(schedule=Schedule.progtuning(6, 3)).key == key
    assert made(n_stages=3, metric="taylor").key == key
    assert made(n_stages=3, learning_rate=2e-4).key != key
    assert made(n_stages=2).key != key
    assert made(n_stages=3, embeddings="never").key != key
    # One stage or three, all trained: the same.
    assert made(n_stages=1).key == made(n_stages=3, curve="linear", initial_freeze=0.0).key


def test_stage_ends_that_round_to_the_same_steps_are_the_same_training():
    # 30 steps: a third is step 10 either way.
    assert made(n_stages=3).key == made(n_stages=3, stage_growth=1.001).key


def test_embeddings_of_which_a_method_trains_nothing_make_no_difference():
    keys = {made("peft", method="lora", n_stages=2, embeddings=e).key for e in ("always", "never")}
    assert len(keys) == 1
    keys = {
        made("peft", method="bitfit", n_stages=2, embeddings=e).key for e in ("always", "never")
    }
    assert len(keys) == 2


def test_settings_of_another_method_make_no_difference():
    assert made("peft", method="lora").key == made("peft", method="lora", adapter_size=32).key
    assert made("peft", method="lora").key != made("peft", method="lora", lora_rank=4).key
    assert made("peft", method="lora").key != made("peft", method="lora", lora_alpha=4.0).key


def test_what_does_not_fit_the_model_is_refused():
    with pytest.raises(ScheduleError, match="at most 2"):
        made(n_blocks=2, n_stages=3)


def baselines_of(n_blocks, epochs):
    given = recipe(training={"epochs": epochs})
    space = Space.load("quick")
    return baselines(space.default(given.training), given, subject(space, n_blocks))


def test_the_baselines():
    found, left_out = baselines_of(12, epochs=4)
    assert {name: baseline.schedule for name, baseline in found.items()} == {
        "full": Schedule.full(12),
        "progtuning-3": Schedule.progtuning(12, 3),
        "progtuning-4": Schedule.progtuning(12, 4),
        "last-quarter": Schedule.last_blocks(12, 3),
        "head-only": Schedule.last_blocks(12, 0),
    }
    assert left_out == []


def test_three_epochs_make_the_two_paper_baselines_one():
    assert list(baselines_of(12, epochs=3)[0]) == [
        "full", "progtuning-3", "last-quarter", "head-only"
    ]  # fmt: skip
    assert "progtuning-1" not in baselines_of(12, epochs=1)[0]


def test_baselines_that_do_not_fit_are_left_out_and_said_so():
    found, left_out = baselines_of(2, epochs=4)
    assert list(found) == ["full", "last-quarter", "head-only"]
    assert found["last-quarter"].schedule == Schedule.last_blocks(2, 1)
    assert left_out == [
        f"the baseline progtuning-{n} is left out: the model has only 2 blocks" for n in (3, 4)
    ]


def run_of(*depths, **values):
    """See `freezing`."""
    return made(schedule=freezing(*depths), **values)


def first(runs, seconds, trained=(), running=(), **settings):
    return runs[first_of(runs, seconds, recipe(**settings), set(trained), running)]


def test_the_longest_run_goes_first():
    full, last = made(schedule=Schedule.full(6)), run_of(4, 4, 4)
    assert first([last, full], [1.0, 2.0]) is full
    assert first([last, full], [2.0, 2.0], reuse=False) is last
    assert first([last, full], [2.0, 1.0]) is last


def test_of_runs_that_go_on_from_the_same_step_the_one_that_freezes_least_does():
    full, late = made(schedule=Schedule.full(6)), run_of(None, None, 4)
    early, steady = run_of(None, 4, 4), run_of(None, 3, 6)
    other = run_of(None, None, None, learning_rate=2e-4)
    runs, seconds = [other, early, steady, late], [1.0, 3.0, 2.0, 2.0]
    trained = [full.segments[0][1]]
    assert first(runs, seconds, trained) is steady
    assert first(runs[:2], seconds[:2], trained) is early, "the other begins elsewhere"
    assert first(runs, seconds, trained, reuse=False) is early
    assert first(runs, seconds, trained, prefix_cache=False) is early
    same = [run_of(None, 3, 6), run_of(None, 3, 3), early]
    assert first(same, [1.0, 2.0, 3.0], trained) is same[1]


def test_what_a_running_run_is_computing_is_not_computed_beside_it():
    full, late = made(schedule=Schedule.full(6)), run_of(None, None, 4)
    early, steady = run_of(None, 4, 4), run_of(None, 3, 6)
    runs, seconds, trained = [early, late], [3.0, 1.0], [full.segments[0][1]]
    assert first(runs, seconds, trained, [(steady, 0)]) is late
    assert first(runs, seconds, trained, [(steady, 10)]) is late
    # It has passed all examples by, and its states are there.
    assert first(runs, seconds, trained, [(steady, 20)]) is early
    assert first([early], [3.0], trained, [(steady, 0)]) is early, "better twice than not at all"
    # It computes more than is wanted here, or with other weights.
    assert first([steady, late], [3.0, 1.0], trained, [(early, 0)]) is steady
    assert first(runs, seconds, trained, [(run_of(None, 3, 6, learning_rate=2e-4), 0)]) is early
    assert first(runs, seconds, trained, [(full, 0)]) is early, "it freezes nothing"


def test_pre_trained_blocks_compute_the_same_whatever_the_learning_rate():
    runs = [run_of(4, 4, 4), made(schedule=Schedule.full(6))]
    other = run_of(4, 4, 4, learning_rate=2e-4)
    assert first(runs, [3.0, 1.0], running=[(other, 0)]) is runs[1]
    assert first(runs[:1], [3.0], running=[(other, 0)]) is runs[0]
    lora = made("peft", schedule=other.schedule, method="lora")
    assert first(runs[:1] + [run_of(5, 5, 5)], [3.0, 1.0], running=[(lora, 0)]) is runs[0]
    # Under another method the blocks compute something else.
    assert first([run_of(5, 5, 5), lora], [3.0, 1.0]).run.method.name == "full"
    assert first([run_of(5, 5, 5), other], [3.0, 1.0]) is other


def test_where_a_run_goes_on():
    run = run_of(None, 4, 6)
    (_, one), (_, two), (_, three) = run.segments
    assert run.next_step(set()) == (None, 0)
    assert run.next_step({one}) == run.next_step(set(), done=10) == (one, 4)
    # Stored without what comes before it: those steps are to be trained.
    assert run.next_step({two}) == (None, 0)
    assert run.next_step({one, two, three}) == (two, 6)
