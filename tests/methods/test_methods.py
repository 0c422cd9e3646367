"""What holds for every method, and how methods and stages combine."""

import copy

import pytest
import torch

from progsearch.config import METHODS
from progsearch.methods import Method
from progsearch.models.anatomy import find_anatomy
from progsearch.models.trainable import TrainableParameters
from progsearch.schedule import Stage
from tests.methods.test_bitfit import WITHOUT_BIASES
from tests.support.applying import applied, steps
from tests.support.tiny import TINY, tiny_batch, tiny_model

BUILT_IN = ["full", "lora", "bitfit", "adapter"]
PAIRS = [
    (name, method)
    for name in TINY
    for method in BUILT_IN
    if not (method == "bitfit" and name in WITHOUT_BIASES)
]


@pytest.mark.parametrize(("name", "method"), PAIRS)
def test_the_outputs_do_not_change_at_first(name, method):
    plain = tiny_model(name)
    model, anatomy, _ = applied(name, method)
    with torch.no_grad():
        difference = model(**tiny_batch()).logits - plain(**tiny_batch()).logits
    assert difference.abs().max() <= 1e-6
    assert find_anatomy(model) == anatomy


@pytest.mark.parametrize(("name", "method"), PAIRS)
def test_each_trained_parameter_is_trained_in_its_part(name, method):
    model, anatomy, trainable = applied(name, method)
    for block, names in enumerate(trainable.blocks):
        assert names
        assert {anatomy.part_of(n) for n in names} == {block}
    assert {anatomy.part_of(n) for n in trainable.embeddings} <= {"embeddings"}
    assert set(trainable.head) == {n for n, _ in anatomy.parameters(model, "head")}
    required = {n for n, p in model.named_parameters() if p.requires_grad}
    full = Stage(0, 1, tuple(range(anatomy.n_blocks)), embeddings=True)
    assert trainable.names(full) == required


@pytest.mark.parametrize("method", BUILT_IN)
@pytest.mark.parametrize("name", ["bert", "gpt2", "qwen2", "deberta-v2"])
@pytest.mark.parametrize(
    "stage",
    [
        Stage(0, 1, (1, 2), embeddings=True),
        Stage(0, 1, (0, 2), embeddings=False),
        Stage(0, 1, (1,), embeddings=False, head=False),
        Stage(0, 1, (), embeddings=False),
    ],
    ids=["prefix", "hole", "one block", "head"],
)
def test_a_stage_changes_the_weights_of_its_parts_and_no_others(name, method, stage):
    model, anatomy, trainable = applied(name, method)
    names = trainable.names(stage)
    # Padding's embedding and unused positions have no gradient, so whole tensors are compared.
    changed = steps(model, names)
    assert changed <= names
    parts = {anatomy.part_of(n) for n in changed}
    expected = {*stage.trainable_blocks}
    expected |= {"embeddings"} if stage.embeddings and trainable.embeddings else set()
    expected |= {"head"} if stage.head else set()
    assert parts == expected


@pytest.mark.parametrize("method", ["lora", "adapter"])
@pytest.mark.parametrize("name", ["bert", "llama", "gpt2"])
def test_added_parameters_get_gradients_only_while_their_block_is_trained(name, method):
    model, _, trainable = applied(name, method)
    stage = Stage(0, 1, (1,), embeddings=False)
    for parameter_name, parameter in model.named_parameters():
        parameter.requires_grad_(parameter_name in trainable.names(stage))
    model(**tiny_batch()).loss.backward()
    with_gradient = {n for n, p in model.named_parameters() if p.grad is not None}
    assert with_gradient == {*trainable.blocks[1], *trainable.head}


@pytest.mark.parametrize("method", ["lora", "adapter"])
def test_the_seed_decides_what_is_added(method):
    def added(seed):
        torch.rand(1)  # moves the global state on, which must not matter
        model, _, trainable = applied("bert", method, seed)
        parameters = dict(model.named_parameters())
        return torch.cat([parameters[n].flatten() for block in trainable.blocks for n in block])

    first, again, other = added(0), added(0), added(1)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("method", BUILT_IN)
def test_applying_leaves_the_random_state_alone(method):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    applied("bert", method)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("method", BUILT_IN)
def test_copies_share_nothing(method):
    model, _, trainable = applied("bert", method)
    twin = copy.deepcopy(model)
    steps(model, trainable.names(Stage(0, 1, (0, 1, 2), embeddings=True)))
    with torch.no_grad():
        logits = twin(**tiny_batch()).logits
        expected = tiny_model("bert")(**tiny_batch()).logits
    torch.testing.assert_close(logits, expected)


def test_names_of_a_stage():
    trainable = TrainableParameters(
        embeddings=("e",), blocks=(("a0", "b0"), ("a1",), ("a2",)), head=("h",)
    )
    assert trainable.names(Stage(0, 1, (0, 2), embeddings=False)) == {"a0", "b0", "a2", "h"}
    assert trainable.names(Stage(0, 1, (), embeddings=True, head=False)) == {"e"}


def test_every_method_has_a_description_and_an_implementation():
    assert [method.name for method in METHODS] == ["full", "lora", "qlora", "bitfit", "adapter"]
    assert all(issubclass(method, Method) and method.description for method in METHODS)
