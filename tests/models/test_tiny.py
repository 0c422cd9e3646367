"""The stand-ins behave as the tests that use them take for granted."""

import pytest
import torch

from tests.support.tiny import TINY, tiny_batch, tiny_model


@pytest.fixture(params=TINY)
def model(request):
    return TINY[request.param]()


def test_padding_changes_no_logit(model):
    batch = tiny_batch()
    lengths = batch["attention_mask"].sum(1)
    assert lengths.min() < lengths.max()
    with torch.no_grad():
        together = model(**batch).logits
        for row, length in enumerate(lengths):
            alone = model(input_ids=batch["input_ids"][row : row + 1, :length]).logits
            torch.testing.assert_close(together[row : row + 1], alone, atol=1e-5, rtol=1e-4)


def test_labels_give_the_loss_of_the_logits(model):
    batch = tiny_batch()
    with torch.no_grad():
        output = model(**batch)
    expected = torch.nn.functional.cross_entropy(output.logits, batch["labels"])
    torch.testing.assert_close(output.loss, expected)


def test_training_is_repeatable_for_a_seed(model):
    model.train()

    def gradients():
        torch.manual_seed(0)
        model.zero_grad()
        model(**tiny_batch()).loss.backward()
        return [p.grad.clone() for p in model.parameters() if p.grad is not None]

    assert all(map(torch.equal, gradients(), gradients()))


@pytest.mark.parametrize("name", TINY)
def test_weights_follow_the_seed(name):
    first, again, other = (
        torch.cat([p.flatten() for p in tiny_model(name, seed=seed).parameters()])
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
