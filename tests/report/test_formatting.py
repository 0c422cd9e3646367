import pytest

from progsearch.numerals import duration, learning_rate, percent, size
from progsearch.report.formatting import count, in_words, signed, value_in_words
from progsearch.schedule import Schedule, Stage


def words(*stages, n_blocks=6):
    return in_words(Schedule(n_blocks, stages).to_dicts(), n_blocks)


def test_full_fine_tuning():
    assert in_words(Schedule.full(6).to_dicts(), 6) == "everything, always"


def test_the_papers_schedule():
    assert in_words(Schedule.progtuning(6, 3).to_dicts(), 6) == (
        "blocks 0–5 → 2–5 at 33 % → 4–5 at 67 % · embeddings always"
    )


def test_one_block_and_none():
    assert in_words(Schedule.last_blocks(6, 1).to_dicts(), 6) == "block 5 · embeddings never"
    assert in_words(Schedule.last_blocks(6, 0).to_dicts(), 6) == "no blocks · embeddings never"


def test_blocks_in_any_order_and_embeddings_in_the_first_stage():
    stages = (
        Stage(0.0, 0.25, (0, 1, 3, 5), embeddings=True),
        Stage(0.25, 1.0, (1, 2, 3), embeddings=False),
    )
    assert words(*stages) == "blocks 0–1, 3, 5 → 1–3 at 25 % · embeddings until 25 %"


def test_stages_that_change_nothing_are_passed_over():
    stages = (Stage(0.0, 0.5, (4, 5), False), Stage(0.5, 1.0, (4, 5), False))
    assert words(*stages) == "blocks 4–5 · embeddings never"


def test_embeddings_that_thaw_and_a_frozen_head_are_told():
    stages = (Stage(0.0, 0.5, (5,), False, head=True), Stage(0.5, 1.0, (), True, head=False))
    assert words(*stages) == (
        "blocks 5 → none at 50 % · embeddings off → on at 50 % · head until 50 %"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (percent(1.0), "100 %"),
        (percent(0.8436), "84.4 %"),
        (percent(0.00648), "0.65 %"),
        (percent(0.0), "0 %"),
        (learning_rate(1e-4), "1e-4"),
        (learning_rate(1.5e-5), "1.5e-5"),
        (learning_rate(0.5), "5e-1"),
        (signed(-1.234), "\N{MINUS SIGN}1.23 pt"),
        (signed(0.5), "+0.50 pt"),
        (count(328_400_000), "328.4M"),
        (count(1.32e15), "1.3P"),
        (count(12), "12"),
        (duration(8.24), "8.2 s"),
        (duration(59.4), "59 s"),
        (duration(200), "3 min 20 s"),
        (duration(7500), "2 h 5 min"),
        (size(1.5 * 2**30), "1.5 GiB"),
        (size(820 * 2**20), "820 MiB"),
        (value_in_words("updated_parameters", 0.25), "25.0 %"),
        (value_in_words("flops", 2e12), "2.0T"),
        (value_in_words("seconds", 61), "1 min 1 s"),
        (value_in_words("peak_memory", 2**30), "1.0 GiB"),
        (value_in_words("matthews_correlation", 0.51234), "0.5123"),
    ],
)
def test_numbers(text, expected):
    assert text == expected
