import numpy as np
import pytest
import torch
from transformers import BertForTokenClassification

from progsearch.engine.batches import evaluation_batches
from progsearch.engine.evaluation import in_split_order
from progsearch.schedule import Schedule
from progsearch.tasks import Split
from tests.support.runs import DEVICE, four_block_bert, tiny_engine, tiny_split

LENGTHS = np.array([3, 1, 4, 1, 5, 2])


def test_outputs_per_example_come_back_in_the_order_of_the_split():
    batches = [np.array([4, 2]), np.array([0, 5, 1, 3])]
    kept = [torch.from_numpy(batch).float()[:, None] for batch in batches]
    found = in_split_order(kept, batches, LENGTHS, per_token=False)
    assert found.tolist() == [[0], [1], [2], [3], [4], [5]]


def test_outputs_per_token_come_back_packed_in_the_order_of_the_split():
    batches = [np.array([4, 2]), np.array([0, 5, 1, 3])]
    kept = [
        torch.tensor([[10.0 * i + place] for i in batch for place in range(LENGTHS[i])])
        for batch in batches
    ]
    found = in_split_order(kept, batches, LENGTHS, per_token=True)
    expected = [[10.0 * i + place] for i, n in enumerate(LENGTHS) for place in range(n)]
    assert found.tolist() == expected


def test_predictions_are_in_the_order_of_the_split():
    engine, model = tiny_engine(Schedule.full(4), four_block_bert())
    split = tiny_split(seed=5)
    logits = engine.predict(split)
    model.eval()
    for index in (0, 7, 23):
        with torch.no_grad():
            alone = model(**split.batch([index], DEVICE)).logits[0].cpu()
        torch.testing.assert_close(logits[index], alone, rtol=1e-4, atol=1e-5)


def test_what_is_kept_is_chosen_by_the_caller():
    engine, _ = tiny_engine(Schedule.full(4), four_block_bert())
    split = tiny_split(seed=5)
    classes = engine.predict(split, lambda output, batch: output.logits.argmax(-1))
    assert torch.equal(classes, engine.predict(split).argmax(-1))


def split_per_token(seed=5):
    """A split with one of three classes per token."""
    of_examples = tiny_split(seed=seed)
    generator = np.random.default_rng(seed)
    ids = np.concatenate([of_examples.batch([i])["input_ids"][0] for i in range(len(of_examples))])
    labels = generator.integers(0, 3, size=len(ids))
    return Split(ids, of_examples.lengths, {"labels": labels}, per_token=True)


@pytest.mark.parametrize("depth", [0, 2])
def test_predictions_per_token_are_packed_without_padding(depth, monkeypatch):
    """Several batches of several widths, with and without the prefix cache."""
    monkeypatch.setattr("progsearch.engine.batches._TOKENS_ON_CPU", 40)
    config = four_block_bert().config
    config.num_labels = 3
    model = BertForTokenClassification(config)
    split = split_per_token()
    engine, model = tiny_engine(Schedule.last_blocks(4, 4 - depth), model, split=split)
    engine.advance(1)
    assert len(evaluation_batches(split.lengths, torch.device("cpu"))) > 4
    found = engine.predict(split)
    assert found.shape == (split.lengths.sum(), 3)
    model.eval()
    starts = np.cumsum(split.lengths) - split.lengths
    for index in (0, 7, 23):
        with torch.no_grad():
            alone = model(**split.batch([index], DEVICE)).logits[0].cpu()
        mine = found[starts[index] : starts[index] + split.lengths[index]]
        torch.testing.assert_close(mine, alone, rtol=1e-4, atol=1e-5)
