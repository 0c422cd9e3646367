"""Each use of an undocumented part of torch; a test fails by its name when an upgrade moves it."""

import pytest
import torch
from torch import nn
from transformers.modeling_outputs import SequenceClassifierOutput

from progsearch.internals import torch as internals


def test_tree_leaves_goes_through_nested_containers_and_model_outputs():
    a, b, c = torch.zeros(1), torch.ones(1), torch.full((1,), 2.0)
    output = SequenceClassifierOutput(logits=b, hidden_states=(c,))
    leaves = internals.tree_leaves([(a, {"x": output}), 5])
    assert [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)] == [a, b, c]
    assert 5 in leaves


def test_tree_map_keeps_the_containers():
    mapped = internals.tree_map(lambda value: value + 1, ([1, 2], {"x": (3,)}))
    assert mapped == ([2, 3], {"x": (4,)})


def test_torch_dispatch_mode_sees_operations_with_their_parameters():
    seen = []

    class Watch(internals.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            seen.extend(internals.tree_leaves((args, kwargs)))
            return func(*args, **(kwargs or {}))

    layer = nn.Linear(2, 2)
    with torch.no_grad(), Watch():
        layer(torch.zeros(1, 2))
    assert any(value is layer.bias for value in seen)


def test_seed_generator_gives_the_random_numbers_of_manual_seed():
    torch.manual_seed(5_000_000_123)
    expected = torch.rand(3)
    internals.seed_generator(5_000_000_123, torch.device("cpu"))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_seed_generator_seeds_a_gpu():
    device = torch.device("cuda", torch.cuda.current_device())
    torch.manual_seed(7)
    expected = torch.rand(3, device=device)
    internals.seed_generator(7, device)
    assert torch.equal(torch.rand(3, device=device), expected)


def stepped(gradient, divisor):
    parameter = nn.Parameter(torch.ones(3))
    optimizer = torch.optim.AdamW([parameter], lr=0.1, fused=True)
    for factor in (1.0, 0.25):
        parameter.grad = gradient * factor
        internals.divide_gradients(optimizer, divisor)
        optimizer.step()
    return parameter.detach()


def test_divide_gradients_is_what_a_fused_step_on_the_cpu_does():
    gradient = torch.tensor([1.0, -2.0, 8.0])
    divided = stepped(gradient, torch.tensor(4.0))
    torch.testing.assert_close(divided, stepped(gradient / 4, None))
    assert torch.equal(stepped(gradient, None), stepped(gradient, None))


def test_divide_gradients_leaves_what_was_divided_to_be_read():
    """Adam's mean is of the divided gradients."""
    parameter = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.AdamW([parameter], lr=0.1, fused=True)
    parameter.grad = torch.tensor([4.0, 8.0])
    internals.divide_gradients(optimizer, torch.tensor(2.0))
    optimizer.step()
    torch.testing.assert_close(optimizer.state[parameter]["exp_avg"], torch.tensor([0.2, 0.4]))


def test_cpu_capabilities_are_those_of_torch():
    if not hasattr(torch.cpu, "get_capabilities"):
        pytest.skip("this version of torch does not tell")
    known = internals.cpu_capabilities()
    assert known == torch.cpu.get_capabilities()
    assert any(name.startswith("num_") for name in known), "cores are counted under such names"


def test_lacks_deterministic_form_knows_the_error_that_torch_raises():
    torch.use_deterministic_algorithms(True)
    try:
        with pytest.raises(RuntimeError) as refused:
            torch.zeros(4).put_(torch.tensor([0, 0]), torch.ones(2))
    finally:
        torch.use_deterministic_algorithms(False)
    assert internals.lacks_deterministic_form(refused.value)
    assert not internals.lacks_deterministic_form(RuntimeError("CUDA error"))
