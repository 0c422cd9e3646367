import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from progsearch.costs import steps_per_epoch
from progsearch.engine.batches import (
    Batch,
    common_width,
    epoch_batches,
    evaluation_batches,
    optimizer_steps,
    shares,
)
from tests.support.runs import tagged_split, tiny_split

LENGTHS = np.random.default_rng(0).integers(3, 60, size=333)


@given(st.integers(1, 400), st.integers(1, 50), st.integers(1, 4), st.integers(0, 5))
def test_an_epoch_holds_every_example_once(n_examples, batch_size, accumulation, epoch):
    batches = epoch_batches(LENGTHS[:n_examples], batch_size, seed=3, epoch=epoch)
    assert sorted(np.concatenate(batches)) == list(range(min(n_examples, len(LENGTHS))))
    assert {len(batch) for batch in batches[:-1]} <= {batch_size}
    steps = list(optimizer_steps(batches, accumulation))
    assert len(steps) == steps_per_epoch(min(n_examples, len(LENGTHS)), batch_size, accumulation)


def test_the_order_follows_from_seed_and_epoch():
    def order(seed, epoch):
        return np.concatenate(epoch_batches(LENGTHS, 16, seed, epoch)).tolist()

    assert order(0, 0) == order(0, 0)
    assert order(0, 0) != order(0, 1)
    assert order(0, 0) != order(1, 0)


def test_batches_are_near_uniform_in_length():
    def padding(batches):
        return sum(LENGTHS[b].max() * len(b) for b in batches) / LENGTHS.sum() - 1

    shuffled = np.random.default_rng(1).permutation(len(LENGTHS))
    plain = [shuffled[i : i + 16] for i in range(0, len(shuffled), 16)]
    assert padding(epoch_batches(LENGTHS, 16, 0, 0)) < 0.1 < padding(plain)


@pytest.mark.parametrize(("device", "tokens"), [("cpu", 2048), ("cuda", 16384)])
def test_evaluation_looks_at_every_example_once(device, tokens):
    batches = evaluation_batches(LENGTHS, torch.device(device))
    assert sorted(np.concatenate(batches)) == list(range(len(LENGTHS)))
    sizes = [len(batch) * LENGTHS[batch].max() for batch in batches]
    assert max(sizes) <= tokens
    assert all(size > 0.8 * tokens for size in sizes[:-1])


def test_an_example_that_is_longer_than_a_batch_is_one_alone():
    batches = evaluation_batches(np.array([5, 9000, 3, 4000]), torch.device("cpu"))
    assert [list(batch) for batch in batches] == [[1], [3], [0, 2]]


def test_few_widths_come_up_and_padding_stays_small():
    most = 512
    widths = {longest: common_width(longest, most) for longest in range(1, most + 1)}
    for longest, width in widths.items():
        assert longest <= width <= most
        assert width % 8 == 0
        assert width - longest < max(8, longest / 8)
    assert len(set(widths.values())) == 32
    assert common_width(508, 510) == 510


def test_a_batch_knows_its_tokens_and_whether_it_is_padded():
    split = tiny_split()
    indices = np.array([2, 5, 7])
    batch = Batch.of(split, indices)
    assert batch.width == split.lengths[indices].max()
    assert batch.tokens == 3 * batch.width
    assert batch.units == 3
    assert batch.is_padded == (len(set(split.lengths[indices])) > 1)
    assert not Batch.of(split, indices[:1]).is_padded
    assert Batch(split, indices[:1], batch.width + 1).is_padded


def test_the_loss_of_a_step_is_the_mean_over_its_units():
    split = tiny_split(5)
    rows = [torch.arange(4), torch.arange(4, 5)]
    batches = [Batch.of(split, part.numpy()) for part in rows]
    assert shares(batches, rows) == [0.8, 0.2]
    assert shares(batches[:1], rows[:1]) == [1.0]


def test_target_tokens_are_counted_by_the_rows_that_are_given():
    """A recorded step has the batch that it was recorded with, and other rows."""
    split = tagged_split(24)
    recorded = [Batch.of(split, np.arange(4)), Batch.of(split, np.arange(4, 8))]
    rows = [torch.arange(8, 12), torch.arange(12, 16)]
    units = [int(split.units[part.numpy()].sum()) for part in rows]
    # The bits that a product with a number has.
    expected = [torch.tensor(count / sum(units)) for count in units]
    found = [torch.as_tensor(share) for share in shares(recorded, rows)]
    assert all(map(torch.equal, found, expected))
