import pytest

from tests.support.applying import applied
from tests.support.tiny import TINY


@pytest.mark.parametrize("name", TINY)
def test_everything_is_trained(name):
    model, _, trainable = applied(name, "full")
    trained = {*trainable.embeddings, *trainable.head}.union(*trainable.blocks)
    assert trained == {n for n, _ in model.named_parameters()}
