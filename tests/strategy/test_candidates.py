import pytest

from progsearch.errors import ScheduleError
from progsearch.schedule import Schedule, ScheduleSpec
from progsearch.space.settings import choice_of
from progsearch.space.space import Space
from progsearch.strategy.candidates import candidate
from tests.support.fakes import SCORES, freezing, problem, recipe


def made(space="progtuning", n_blocks=6, schedule=None, **values):
    given = recipe()
    choice = choice_of(values, given.training)
    return candidate(choice, given, problem(Space.load(space), n_blocks), schedule)


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
    assert found.costs.updated_parameters == pytest.approx((410 + 260) / 2 / 410)


def test_scores_that_a_schedule_does_not_use_are_not_part_of_its_run():
    assert made(n_stages=2, metric="taylor").run.contribution is None


RESCORED = {"n_stages": 3, "mode": "any_order", "metric": "taylor"}


def test_a_run_that_is_to_choose_its_blocks_says_so():
    found, fixed = made(**RESCORED, rescore=True), made(**RESCORED)
    assert found.run.contribution.rescore
    assert not fixed.run.contribution.rescore
    # As far as it is known beforehand, it is the same.
    assert (found.schedule, found.costs) == (fixed.schedule, fixed.costs)


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


def test_where_a_run_goes_on():
    run = made(schedule=freezing(None, 4, 6))
    (_, one), (_, two), (_, three) = run.segments
    assert run.next_step(set()) == (None, 0)
    assert run.next_step({one}) == run.next_step(set(), done=10) == (one, 4)
    # Stored without what comes before it: those steps are to be trained.
    assert run.next_step({two}) == (None, 0)
    assert run.next_step({one, two, three}) == (two, 6)
