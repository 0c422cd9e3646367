import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from progsearch.config import RunConfig, StageConfig, TaskConfig
from progsearch.errors import ConfigError, ScheduleError
from progsearch.schedule import MAX_STAGES, Schedule, ScheduleSpec, Stage
from progsearch.schedule import files as export

blocks_counts = st.integers(1, 48)
scores_lists = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=24)


def is_monotone(schedule):
    """Whether nothing that is frozen thaws again."""
    return all(
        set(later.trainable_blocks) <= set(earlier.trainable_blocks)
        and later.embeddings <= earlier.embeddings
        and later.head <= earlier.head
        for earlier, later in pairwise(schedule.stages)
    )


@st.composite
def specs(draw, /, **fixed):
    values = {
        "n_stages": draw(st.integers(1, MAX_STAGES)),
        "stage_growth": draw(st.floats(0.1, 10)),
        "initial_freeze": draw(st.floats(0, 1)),
        "curve": draw(st.sampled_from(["linear", "cubic", "step"])),
        "ratio_of": draw(st.sampled_from(["blocks", "contribution"])),
        "embeddings": draw(st.sampled_from(["always", "first_stage", "never"])),
        "mode": draw(st.sampled_from(["prefix", "any_order"])),
        "metric": "fisher",
    } | fixed
    values.setdefault("final_freeze", draw(st.floats(values["initial_freeze"], 1)))
    return ScheduleSpec(**values)


@st.composite
def schedules(draw):
    """Any schedule at all, also such as no spec gives."""
    n_blocks = draw(st.integers(1, 12))
    ends = sorted(draw(st.lists(st.integers(1, 99), max_size=5, unique=True)))
    bounds = [0.0, *(end / 100 for end in ends), 1.0]
    stages = []
    for start, end in pairwise(bounds):
        blocks = tuple(sorted(draw(st.sets(st.integers(0, n_blocks - 1)))))
        embeddings = draw(st.booleans())
        head = draw(st.booleans()) or not (blocks or embeddings)
        stages.append(Stage(start, end, blocks, embeddings, head))
    return Schedule(n_blocks, tuple(stages))


def blocks_by_stage(schedule):
    return [stage.trainable_blocks for stage in schedule.stages]


# -- the paper's schedule --------------------------------------------------------------------


def test_progtuning_by_hand():
    schedule = Schedule.progtuning(12, 3)
    assert blocks_by_stage(schedule) == [
        tuple(range(12)),
        tuple(range(4, 12)),
        tuple(range(8, 12)),
    ]
    assert [(s.start, s.end) for s in schedule.stages] == [(0, 1 / 3), (1 / 3, 2 / 3), (2 / 3, 1)]
    assert all(stage.embeddings and stage.head for stage in schedule.stages)


def test_the_remainder_goes_to_the_last_part():
    # 14 blocks in 4 parts of 3, and 2 more in the last.
    assert blocks_by_stage(Schedule.progtuning(14, 4)) == [
        tuple(range(14)),
        tuple(range(3, 14)),
        tuple(range(6, 14)),
        tuple(range(9, 14)),
    ]


@given(blocks_counts, st.data())
def test_every_block_is_in_exactly_one_part(n_blocks, data):
    n_stages = data.draw(st.integers(1, n_blocks))
    schedule = Schedule.progtuning(n_blocks, n_stages)
    kept = [set(blocks) for blocks in blocks_by_stage(schedule)] + [set()]
    parts = [earlier - later for earlier, later in pairwise(kept)]
    assert sorted(block for part in parts for block in part) == list(range(n_blocks))
    assert [len(part) for part in parts[:-1]] == [n_blocks // n_stages] * (n_stages - 1)
    assert len(parts[-1]) == n_blocks // n_stages + n_blocks % n_stages
    assert is_monotone(schedule)


@pytest.mark.parametrize("n_stages", [0, -1, 13])
def test_progtuning_needs_a_block_for_each_stage(n_stages):
    with pytest.raises(ScheduleError, match=r"n_stages must lie in 1\.\.12"):
        Schedule.progtuning(12, n_stages)


def test_the_default_spec_is_the_papers_schedule():
    assert ScheduleSpec().schedule(12) == Schedule.progtuning(12, 3)
    assert ScheduleSpec(n_stages=4).schedule(14) == Schedule.progtuning(14, 4)
    assert ScheduleSpec(n_stages=1).schedule(12) == Schedule.full(12)


def test_the_other_baselines():
    assert Schedule.full(3).stages == (Stage(0.0, 1.0, (0, 1, 2), embeddings=True),)
    assert Schedule.last_blocks(4, 1).stages == (Stage(0.0, 1.0, (3,), embeddings=False),)
    head_only = Schedule.last_blocks(4, 0).stages
    assert head_only == (Stage(0.0, 1.0, (), embeddings=False, head=True),)
    with pytest.raises(ScheduleError):
        Schedule.last_blocks(4, 5)


# -- what stages must be ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([], "at least one stage"),
        ([Stage(0.1, 1, (0,), True)], "stages.0.start must be 0, where the stage before ends"),
        ([Stage(0, 0.5, (0,), True)], "stages.0.end must be 1, got 0.5"),
        ([Stage(0, 1.5, (0,), True)], "stages.0.end must be 1, got 1.5"),
        (
            [Stage(0, 0.5, (0,), True), Stage(0.6, 1, (0,), True)],
            "stages.1.start must be 0.5, where the stage before ends, got 0.6",
        ),
        (
            [Stage(0, 0.5, (0,), True), Stage(0.4, 1, (0,), True)],
            "stages.1.start must be 0.5, where the stage before ends, got 0.4",
        ),
        (
            [Stage(0, 0.5, (0,), True), Stage(0.5, 0.5, (0,), True), Stage(0.5, 1, (0,), True)],
            "stages.1.end must be greater than its start 0.5",
        ),
        ([Stage(0, 1, (4,), True)], r"stages.0.trainable_blocks must lie in 0..3, got \[4\]"),
        ([Stage(0, 1, (-1, 2), True)], r"must lie in 0..3, got \[-1, 2\]"),
        ([Stage(0, 1, (2, 1), True)], "must ascend without repeats"),
        ([Stage(0, 1, (1, 1), True)], "must ascend without repeats"),
        ([Stage(0, 1, (), False, head=False)], "stages.0 trains nothing"),
        ([Stage(math.nan, 1, (0,), True)], "stages.0.start must be 0"),
        ([Stage(0, math.nan, (0,), True)], "stages.0.end must be greater"),
    ],
)
def test_stages_that_form_no_schedule(stages, message):
    with pytest.raises(ScheduleError, match=message):
        Schedule(4, tuple(stages))


def test_a_schedule_needs_blocks():
    with pytest.raises(ScheduleError, match="at least 1 block"):
        Schedule(0, (Stage(0, 1, (), True),))


def test_rounded_fractions_of_a_file_are_accepted():
    thirds = (Stage(0, 0.3333333, (0, 1), True), Stage(0.333333, 1, (1,), True))
    assert Schedule(2, thirds).spans(300) == [(0, 100, thirds[0]), (100, 300, thirds[1])]


# -- steps -----------------------------------------------------------------------------------


@given(schedules(), st.integers(1, 5000))
def test_spans_cover_every_step_once(schedule, total_steps):
    spans = schedule.spans(total_steps)
    assert spans[0][0] == 0
    assert spans[-1][1] == total_steps
    assert all(first < end for first, end, _ in spans)
    assert all(earlier[1] == later[0] for earlier, later in pairwise(spans))
    order = [schedule.stages.index(stage) for _, _, stage in spans]
    assert order == sorted(set(order))
    for first, end, stage in spans:
        if total_steps >= 100:
            assert abs(first - stage.start * total_steps) <= 0.5 + 1e-6 * total_steps
            assert abs(end - stage.end * total_steps) <= 0.5 + 1e-6 * total_steps


def test_stages_without_a_step_are_left_out():
    schedule = Schedule.progtuning(6, 6)
    spans = schedule.spans(2)
    assert [(first, end) for first, end, _ in spans] == [(0, 1), (1, 2)]


# -- identity and files ----------------------------------------------------------------------


@given(schedules())
def test_dicts_hold_the_whole_schedule(schedule):
    assert Schedule.from_dicts(schedule.to_dicts(), schedule.n_blocks) == schedule


@given(schedules(), st.data())
def test_a_stage_cut_in_two_is_the_same_training(schedule, data):
    index = data.draw(st.integers(0, len(schedule.stages) - 1))
    stage = schedule.stages[index]
    middle = (stage.start + stage.end) / 2
    halves = (
        Stage(stage.start, middle, *stage.trains),
        Stage(middle, stage.end, *stage.trains),
    )
    cut = Schedule(
        schedule.n_blocks, (*schedule.stages[:index], *halves, *schedule.stages[index + 1 :])
    )
    assert cut.key() == schedule.key()
    assert cut.canonical() == schedule.canonical()


@given(schedules(), schedules())
def test_keys_tell_schedules_apart(one, other):
    assume((one.n_blocks, one.canonical()) != (other.n_blocks, other.canonical()))
    assert one.key() != other.key()


@given(schedules())
def test_canonical_neighbours_differ(schedule):
    canonical = schedule.canonical()
    assert all(a.trains != b.trains for a, b in pairwise(canonical.stages))
    assert canonical.canonical() == canonical
    assert is_monotone(schedule) == is_monotone(canonical)


def test_a_key_is_the_same_on_every_machine():
    assert Schedule.progtuning(12, 3).key() == "5feab6e8e1c6cafc"


@pytest.fixture
def config():
    schedule = Schedule.progtuning(6, 3)
    return RunConfig(
        progsearch_version="0.1.0",
        model="minilm-l6",
        task=TaskConfig(name="mrpc"),
        stages=tuple(StageConfig(**stage) for stage in schedule.to_dicts()),
    )


def test_a_schedule_comes_from_an_exported_file(config, tmp_path):
    path = tmp_path / "best.yaml"
    export.write_config(config, path)
    assert Schedule.from_file(path) == Schedule.progtuning(6, 3)
    assert Schedule.from_file(path, n_blocks=8).n_blocks == 8


def test_the_files_costs_tell_how_many_blocks_the_model_has(config, tmp_path):
    last_frozen = [StageConfig(start=0, end=1, trainable_blocks=(0, 1), embeddings=True)]
    edited = config.model_copy(update={"stages": tuple(last_frozen), "costs": {"n_blocks": 6}})
    export.write_config(edited, tmp_path / "best.yaml")
    assert Schedule.from_file(tmp_path / "best.yaml").n_blocks == 6


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"best\.yaml"):
        Schedule.from_file(tmp_path / "best.yaml")


# -- specs -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n_stages": 0}, r"n_stages must lie in 1\.\.6, got 0"),
        ({"n_stages": 7}, r"n_stages must lie in 1\.\.6, got 7"),
        ({"stage_growth": 0}, "stage_growth must lie in 0.1..10"),
        ({"stage_growth": math.nan}, "stage_growth must lie in 0.1..10"),
        ({"initial_freeze": -0.1}, "initial_freeze must lie in 0..1"),
        ({"initial_freeze": math.nan}, "initial_freeze must lie in 0..1"),
        ({"initial_freeze": 0.5, "final_freeze": 0.4}, r"final_freeze must lie in 0.5"),
        ({"final_freeze": 1.1}, "final_freeze must lie in 0"),
        ({"curve": "exponential"}, "curve must be one of parts, linear, cubic, step"),
        ({"ratio_of": "layers"}, "ratio_of must be one of blocks, contribution"),
        ({"embeddings": "sometimes"}, "embeddings must be one of always, first_stage, never"),
        ({"mode": "suffix"}, "mode must be one of prefix, any_order"),
        ({"rotate": True}, "rotate needs mode any_order"),
        ({"window_at": 1.5}, "window_at must lie in 0..1"),
        ({"mode": "window", "ratio_of": "contribution"}, "mode window needs ratio_of blocks"),
        ({"mode": "any_order"}, "metric must be set"),
        ({"rescore": True}, "rescore needs mode any_order and ratio_of blocks"),
        (
            {"rescore": True, "mode": "any_order", "metric": "taylor", "ratio_of": "contribution"},
            "rescore needs mode any_order and ratio_of blocks",
        ),
        (
            {"rescore": True, "mode": "any_order", "metric": "taylor", "rotate": True},
            "rescore and rotate contradict each other",
        ),
        ({"ratio_of": "contribution", "curve": "linear"}, "metric must be set"),
    ],
)
def test_values_no_spec_can_have(values, message):
    with pytest.raises(ScheduleError, match=message):
        ScheduleSpec(**values)


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        ("linear", [0.2, 0.4, 0.6, 0.8]),
        # 0.2 + 0.6 (1 - (1 - t/3)^3)
        ("cubic", [0.2, 0.2 + 0.6 * 19 / 27, 0.2 + 0.6 * 26 / 27, 0.8]),
        ("step", [0.2, 0.8, 0.8, 0.8]),
    ],
)
def test_curves_by_hand(curve, expected):
    spec = ScheduleSpec(n_stages=4, initial_freeze=0.2, final_freeze=0.8, curve=curve)
    assert spec.ratios() == pytest.approx(expected)
    counts = [10 - len(blocks) for blocks in blocks_by_stage(spec.schedule(10))]
    assert counts == [math.floor(ratio * 10 + 1e-9) for ratio in expected]


def test_one_stage_has_the_starting_ratio():
    spec = ScheduleSpec(n_stages=1, initial_freeze=0.5, final_freeze=1.0, curve="linear")
    assert blocks_by_stage(spec.schedule(4)) == [(2, 3)]


def test_no_block_is_lost_to_rounding():
    spec = ScheduleSpec(n_stages=4, initial_freeze=0.25, final_freeze=0.75, curve="linear")
    assert spec.ratios()[2] * 12 < 7  # by one unit in the last place
    assert [len(b) for b in blocks_by_stage(spec.schedule(12))] == [9, 7, 5, 3]


def test_stage_lengths():
    def lengths(**values):
        return [s.end - s.start for s in ScheduleSpec(**values).schedule(12).stages]

    assert lengths(n_stages=3, stage_growth=1.0) == pytest.approx([1 / 3] * 3)
    assert lengths(n_stages=3, stage_growth=2.0) == pytest.approx([1 / 7, 2 / 7, 4 / 7])
    assert lengths(n_stages=2, stage_growth=0.25) == pytest.approx([0.8, 0.2])


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("always", [True, True, True]),
        ("first_stage", [True, False, False]),
        ("never", [False, False, False]),
    ],
)
def test_embeddings_policy(policy, expected):
    schedule = ScheduleSpec(n_stages=3, embeddings=policy).schedule(6)
    assert [stage.embeddings for stage in schedule.stages] == expected


def test_any_order_freezes_the_least_contributing_blocks():
    spec = ScheduleSpec(
        n_stages=3,
        initial_freeze=0.25,
        final_freeze=0.75,
        curve="linear",
        mode="any_order",
        metric="fisher",
    )
    schedule = spec.schedule(4, scores=[0.3, 0.1, 0.9, 0.2])
    assert blocks_by_stage(schedule) == [(0, 2, 3), (0, 2), (2,)]


def test_equal_scores_freeze_the_lower_block_first():
    spec = ScheduleSpec(n_stages=3, mode="any_order", metric="fisher")
    assert spec.schedule(6, [1.0] * 6) == ScheduleSpec(n_stages=3).schedule(6)


@pytest.mark.parametrize(
    "n_stages, growth, epochs, expected",
    [
        (2, 0.5, 3, [2, 1]),
        (2, 2.0, 3, [1, 2]),
        (3, 0.5, 3, [1, 1, 1]),
        (3, 10.0, 4, [1, 1, 2]),
        (3, 0.1, 4, [2, 1, 1]),
        (3, 2.0, 7, [1, 2, 4]),
    ],
)
def test_whole_epochs(n_stages, growth, epochs, expected):
    spec = ScheduleSpec(n_stages=n_stages, stage_growth=growth, whole_epochs=True)
    lengths = [(s.end - s.start) * epochs for s in spec.schedule(6, epochs=epochs).stages]
    assert lengths == pytest.approx(expected)


def test_fewer_epochs_than_stages_leave_the_ends_where_they_are():
    spec = ScheduleSpec(n_stages=3, whole_epochs=True)
    assert spec.schedule(6, epochs=2) == ScheduleSpec(n_stages=3).schedule(6)


def test_whole_epochs_need_the_number_of_epochs():
    with pytest.raises(ScheduleError, match="epochs must be given"):
        ScheduleSpec(whole_epochs=True).schedule(6)


@pytest.mark.parametrize(
    ("scores", "frozen"),
    [
        # The first three blocks hold 0.4 of the contribution, the fourth would make it 0.7.
        ([1, 1, 2, 3, 3], 3),
        ([6, 1, 1, 1, 1], 0),
        ([0, 0, 0, 1, 9], 4),
        # Negative scores: block 1 counts as nothing, the others as what they have more than it.
        ([0, -1, 0, 0, 0], 3),
        ([0, 0, 0, 0, 0], 2),
        ([-2, -2, -2, -2, -2], 2),
    ],
)
def test_a_share_of_the_contribution(scores, frozen):
    spec = ScheduleSpec(
        n_stages=1, initial_freeze=0.5, curve="linear", ratio_of="contribution", metric="fisher"
    )
    assert blocks_by_stage(spec.schedule(5, scores)) == [tuple(range(frozen, 5))]


def test_the_share_counts_the_least_contributing_blocks_in_any_order():
    spec = ScheduleSpec(
        n_stages=1,
        initial_freeze=0.5,
        curve="linear",
        ratio_of="contribution",
        mode="any_order",
        metric="fisher",
    )
    assert blocks_by_stage(spec.schedule(5, [6, 1, 1, 1, 1])) == [(0,)]


def test_rotation_gives_every_block_its_turn():
    spec = ScheduleSpec(
        n_stages=3,
        initial_freeze=2 / 3,
        final_freeze=2 / 3,
        curve="linear",
        mode="any_order",
        rotate=True,
        metric="depth",
    )
    schedule = spec.schedule(6, scores=[1, 2, 3, 4, 5, 6])
    # The most contributing pair first, then the next ones.
    assert blocks_by_stage(schedule) == [(4, 5), (2, 3), (0, 1)]
    assert not is_monotone(schedule)


@given(
    specs(mode="any_order", curve="linear", rotate=True, ratio_of="blocks"),
    st.integers(1, 24),
    st.randoms(use_true_random=False),
)
def test_rotation_keeps_the_counts(spec, n_blocks, random):
    scores = [random.random() for _ in range(n_blocks)]
    rotating = spec.schedule(n_blocks, scores)
    still = ScheduleSpec(**{**vars(spec), "rotate": False}).schedule(n_blocks, scores)
    assert [len(b) for b in blocks_by_stage(rotating)] == [len(b) for b in blocks_by_stage(still)]
    assert rotating.stages[0] == still.stages[0]


@given(specs(), scores_lists)
@example(ScheduleSpec(n_stages=6, curve="linear", final_freeze=1.0), [0.0])
def test_a_frozen_block_stays_frozen(spec, scores):
    assert is_monotone(spec.schedule(len(scores), scores))


@given(specs(mode="prefix"), scores_lists)
def test_prefix_mode_freezes_a_prefix(spec, scores):
    n_blocks = len(scores)
    for blocks in blocks_by_stage(spec.schedule(n_blocks, scores)):
        assert blocks == tuple(range(n_blocks - len(blocks), n_blocks))


@given(specs(ratio_of="blocks"), scores_lists)
def test_ratios_are_shares_of_the_blocks(spec, scores):
    n_blocks = len(scores)
    for ratio, blocks in zip(
        spec.ratios(), blocks_by_stage(spec.schedule(n_blocks, scores)), strict=True
    ):
        frozen = n_blocks - len(blocks)
        assert frozen <= ratio * n_blocks + 1e-5
        assert frozen + 1 > ratio * n_blocks - 1e-5


@given(specs(ratio_of="contribution", mode="any_order"), st.lists(st.floats(0, 1e6), min_size=1))
def test_frozen_blocks_hold_at_most_their_share(spec, scores):
    assume(sum(scores) > 0)
    schedule = spec.schedule(len(scores), scores)
    for ratio, blocks in zip(spec.ratios(), blocks_by_stage(schedule), strict=True):
        frozen = [score for block, score in enumerate(scores) if block not in blocks]
        assert sum(frozen) <= ratio * sum(scores) * (1 + 1e-5) + 1e-9


@given(
    specs(ratio_of="blocks"),
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=24, unique=True),
    st.floats(0.1, 100),
)
def test_the_unit_of_the_scores_does_not_matter(spec, scores, factor):
    scaled = [score * factor for score in scores]
    assume(len(set(scaled)) == len(scaled))
    assert spec.schedule(len(scores), scores) == spec.schedule(len(scores), scaled)


def test_scores_that_do_not_fit():
    spec = ScheduleSpec(mode="any_order", metric="fisher")
    with pytest.raises(ScheduleError, match="needs block scores"):
        spec.schedule(3)
    with pytest.raises(ScheduleError, match="2 block scores do not fit 3 blocks"):
        spec.schedule(3, [1.0, 2.0])
    with pytest.raises(ScheduleError, match="must be finite"):
        spec.schedule(3, [1.0, math.nan, 2.0])


def test_more_stages_than_blocks():
    with pytest.raises(ScheduleError, match=r"at most 3 \(blocks\) with curve parts, got 4"):
        ScheduleSpec(n_stages=4).schedule(3)
    # A ratio may leave neighbouring stages equal.
    spec = ScheduleSpec(n_stages=4, curve="linear", final_freeze=0.5)
    assert len(spec.schedule(2).canonical().stages) == 2


def test_scores_are_not_asked_for_where_they_do_not_matter():
    assert not ScheduleSpec(ratio_of="contribution").uses_scores
    assert ScheduleSpec(ratio_of="contribution").schedule(6) == Schedule.progtuning(6, 3)


untyped: Any = Stage


@pytest.mark.parametrize(
    ("n_blocks", "stages", "message"),
    [
        ("4", (untyped(0, 1, (0,), True),), "n_blocks must be a whole number, got '4'"),
        (4, untyped(0, 1, (0,), True), "stages must be a tuple of Stage, got Stage"),
        (4, [{"start": 0, "end": 1}], "stages must be a tuple of Stage"),
        (4, None, "stages must be a tuple of Stage, got None"),
        (4, (untyped("0", 1, (0,), True),), r"stages\.0\.start must be a number, got '0'"),
        (4, (untyped(0, None, (0,), True),), r"stages\.0\.end must be a number, got None"),
        (4, (untyped(0, 1, (0.5,), True),), r"whole numbers, such as \(0, 1\), got \(0\.5,\)"),
        (4, (untyped(0, 1, 3, True),), r"trainable_blocks must be whole numbers"),
        (4, (untyped(0, 1, (True,), True),), r"trainable_blocks must be whole numbers"),
    ],
)
def test_wrong_types_are_a_sentence(n_blocks, stages, message):
    with pytest.raises(ScheduleError, match=message):
        Schedule(n_blocks, stages)


@pytest.mark.parametrize("n_trained", [-1, 5])
def test_last_blocks_are_blocks_of_the_model(n_trained):
    with pytest.raises(ScheduleError, match=rf"n_trained must lie in 0\.\.4 .*got {n_trained}"):
        Schedule.last_blocks(4, n_trained)


@pytest.mark.parametrize(
    ("at", "blocks"),
    [(0.0, range(6)), (0.5, range(2, 8)), (1.0, range(4, 10))],
)
def test_a_window_trains_consecutive_blocks(at, blocks):
    spec = ScheduleSpec(
        n_stages=1, mode="window", window_at=at, curve="linear", initial_freeze=0.4
    )
    assert spec.schedule(10).stages[0].trainable_blocks == tuple(blocks)
    assert not spec.uses_scores


@settings(max_examples=30)
@given(
    specs(mode="window", ratio_of="blocks", rotate=False, rescore=False),
    st.integers(6, 30),
    st.floats(0, 1),
)
def test_every_window_is_one_and_as_large_as_a_prefix_leaves(spec, n_blocks, at):
    window = replace(spec, window_at=at).schedule(n_blocks, epochs=3)
    prefix = replace(spec, mode="prefix").schedule(n_blocks, epochs=3)
    for ours, theirs in zip(window.stages, prefix.stages, strict=True):
        blocks = ours.trainable_blocks
        assert blocks == tuple(range(blocks[0], blocks[-1] + 1)) if blocks else True
        assert len(blocks) == len(theirs.trainable_blocks)
    assert replace(spec, window_at=1.0).schedule(n_blocks, epochs=3) == prefix


def test_the_middle_is_between_a_fifth_and_four_fifths_of_the_depth():
    assert Schedule.middle(10).stages[0].trainable_blocks == tuple(range(2, 8))
    assert Schedule.middle(24).stages[0].trainable_blocks == tuple(range(5, 19))
    assert [len(Schedule.middle(n).stages[0].trainable_blocks) for n in (1, 2, 3)] == [1, 2, 1]
