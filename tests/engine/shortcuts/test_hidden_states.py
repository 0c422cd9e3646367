import numpy as np
import torch

from progsearch.engine.shortcuts.hidden_states import HiddenStates
from tests.support.runs import tiny_split


def test_states_come_back_as_they_were_put():
    split = tiny_split()
    hidden = torch.randn(3, int(split.lengths[[4, 2, 9]].max()), 8)
    states = HiddenStates(split.lengths, 2, hidden)
    indices = np.array([4, 2, 9])
    assert not states.has(indices).any()
    states.put(indices, hidden)
    assert states.has(indices).all() and not states.complete
    back = states.get(torch.from_numpy(indices), hidden.shape[1])
    for row, index in enumerate(indices):
        length = split.lengths[index]
        assert torch.equal(back[row, :length], hidden[row, :length])
        assert not back[row, length:].any()
