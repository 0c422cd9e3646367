import pytest

from progsearch.schedule import Schedule, Stage
from progsearch.schedule.short import in_short


def of(*stages):
    return in_short(Schedule(6, stages).to_dicts(), 6)


@pytest.mark.parametrize(
    ("schedule", "short"),
    [
        (Schedule.full(6), "full"),
        (Schedule.progtuning(6, 3), "full > emb+2-5 > emb+4-5"),
        (Schedule.last_blocks(6, 2), "4-5"),
        (Schedule.last_blocks(6, 0), "head"),
    ],
)
def test_a_schedule_in_a_few_characters(schedule, short):
    assert in_short(schedule.to_dicts(), 6) == short


def test_gaps_embeddings_and_frozen_heads_are_told():
    everything = Stage(0.0, 0.25, (0, 1, 2, 3, 4, 5), embeddings=True)
    gaps = Stage(0.25, 0.5, (0, 2, 3, 5), embeddings=False)
    headless = Stage(0.5, 0.75, (5,), embeddings=True, head=False)
    assert of(everything, gaps, headless, Stage(0.75, 1.0, (), embeddings=False)) == (
        "full > 0,2-3,5 > emb+5 without head > head"
    )


def test_stages_that_train_the_same_are_told_once():
    halves = (Stage(0.0, 0.5, (5,), embeddings=False), Stage(0.5, 1.0, (5,), embeddings=False))
    assert of(*halves) == "5"
