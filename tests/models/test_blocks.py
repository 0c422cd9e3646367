import pytest
import torch

from progsearch.models.blocks import (
    as_output,
    hidden_input,
    hidden_output,
    tuple_size,
    with_hidden,
)

STATES, OTHERS = torch.zeros(1, 2, 3), torch.ones(1, 2, 3)


def test_a_block_is_given_its_states_by_place_or_by_name():
    assert hidden_input((STATES, 2), {}) is hidden_input((), {"hidden_states": STATES}) is STATES


@pytest.mark.parametrize("output", [STATES, (STATES,), (STATES, "attention")])
def test_states_are_taken_out_and_put_back(output):
    assert hidden_output(output) is STATES
    changed = with_hidden(output, OTHERS)
    assert hidden_output(changed) is OTHERS
    assert tuple_size(changed) == tuple_size(output)
    made = as_output(OTHERS, tuple_size(output))
    assert hidden_output(made) is OTHERS
    assert type(made) is type(output)
