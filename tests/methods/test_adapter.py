import pytest
import torch
from torch import nn
from torch.nn import functional as F

from progsearch.config import method_of
from progsearch.errors import MethodError
from progsearch.methods import apply_method
from progsearch.methods.bottleneck import Bottleneck
from progsearch.methods.linear import residual_writers
from progsearch.models.anatomy import find_anatomy
from progsearch.schedule import Stage
from tests.support.applying import applied, steps
from tests.support.tiny import HIDDEN, TINY, VOCABULARY, tiny_batch, tiny_model

# By hand, from transformers' source: the output projections of attention and feed-forward.
PROJECTIONS = {
    **dict.fromkeys(["bert", "roberta", "electra"], ("attention.output.dense", "output.dense")),
    "deberta-v2": ("attention.output.dense", "output.dense"),
    "mpnet": ("attention.attn.o", "output.dense"),
    "distilbert": ("attention.out_lin", "ffn.lin2"),
    "modernbert": ("attn.Wo", "mlp.Wo"),
    "gpt2": ("attn.c_proj", "mlp.c_proj"),
    "gpt_neox": ("attention.dense", "mlp.dense_4h_to_h"),
    "opt": ("self_attn.out_proj", "fc2"),
    **dict.fromkeys(
        ["llama", "qwen2", "qwen3", "gemma", "gemma2"], ("self_attn.o_proj", "mlp.down_proj")
    ),
}


@pytest.mark.parametrize("name", TINY)
def test_adapters_sit_on_the_output_projections(name):
    _, anatomy, trainable = applied(name, "adapter")
    for index, block in enumerate(anatomy.blocks):
        assert set(trainable.blocks[index]) == {
            f"{block}.{layer}.adapter.{half}.{kind}"
            for layer in PROJECTIONS[name]
            for half in ("down", "up")
            for kind in ("weight", "bias")
        }
    assert trainable.embeddings == ()


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_the_way_attention_is_computed_does_not_matter(implementation):
    model = tiny_model("bert", attn_implementation=implementation)
    layer = model.bert.encoder.layer[2]
    expected = [layer.attention.output.dense, layer.output.dense]
    assert residual_writers(model, find_anatomy(model))[2] == expected


def test_parallel_attention_and_feed_forward():
    for parallel in (True, False):
        model = tiny_model("gpt_neox", use_parallel_residual=parallel)
        layer = model.gpt_neox.layers[0]
        expected = [layer.attention.dense, layer.mlp.dense_4h_to_h]
        assert residual_writers(model, find_anatomy(model))[0] == expected


@pytest.mark.parametrize("fused", [True, False])
def test_values_that_attention_mixes_are_not_written_by_their_layer(fused):
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.value = nn.Linear(HIDDEN, HIDDEN)
            self.up = nn.Linear(HIDDEN, 48)
            self.down = nn.Linear(48, HIDDEN)

        def forward(self, x):
            value = self.value(x)
            if fused:
                head = (slice(None), None)
                x = x + F.scaled_dot_product_attention(x[head], x[head], value[head])[:, 0]
            else:
                x = x + (x @ x.transpose(-1, -2)).softmax(-1) @ value
            return x + self.down(F.gelu(self.up(x)))

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(VOCABULARY, HIDDEN)
            self.blocks = nn.ModuleList(Block() for _ in range(2))

        def forward(self, input_ids):
            x = self.embed(input_ids)
            for block in self.blocks:
                x = block(x)
            return x

    model = Model()
    assert residual_writers(model, find_anatomy(model)) == [[b.down] for b in model.blocks]


def test_looking_for_them_leaves_no_trace():
    model = tiny_model("bert").train()
    model.bert.embeddings.requires_grad_(False)
    required = [p.requires_grad for p in model.parameters()]
    residual_writers(model, find_anatomy(model))
    assert [p.requires_grad for p in model.parameters()] == required
    assert all(module.training for module in model.modules())
    assert all(p.grad is None for p in model.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_the_names_and_weights_of_the_model_stay():
    plain = tiny_model("bert")
    model, _, trainable = applied("bert", "adapter")
    added = {name for block in trainable.blocks for name in block}
    state = model.state_dict()
    assert state.keys() - added == plain.state_dict().keys()
    steps(model, trainable.names(Stage(0, 1, (0, 1, 2), embeddings=True)))
    for name, value in plain.state_dict().items():
        if name not in trainable.head:
            assert torch.equal(state[name], value)


def test_an_adapter_is_the_published_bottleneck():
    adapter = Bottleneck(HIDDEN, 6)
    torch.nn.init.normal_(adapter.up.weight)
    torch.nn.init.normal_(adapter.up.bias)
    x = torch.randn(2, 3, HIDDEN)
    hidden = F.gelu(x @ adapter.down.weight.T + adapter.down.bias)
    torch.testing.assert_close(adapter(x), x + hidden @ adapter.up.weight.T + adapter.up.bias)


def test_the_adapter_works_on_the_projection_before_the_residual_is_added():
    model, _, _ = applied("bert", "adapter")
    dense = model.bert.encoder.layer[1].output.dense
    with torch.no_grad():
        dense.adapter.up.bias.fill_(0.25)
        x = torch.randn(1, 4, dense.in_features)
        torch.testing.assert_close(dense(x), F.linear(x, dense.weight, dense.bias) + 0.25)


def test_trained_adapters_come_back_from_their_weights():
    model, _, trainable = applied("bert", "adapter")
    steps(model, trainable.names(Stage(0, 1, (0, 1, 2), embeddings=True)))
    fresh, _, _ = applied("bert", "adapter", seed=9)
    fresh.load_state_dict(model.state_dict())
    with torch.no_grad():
        assert torch.equal(fresh(**tiny_batch()).logits, model(**tiny_batch()).logits)


def test_blocks_without_linear_layers_on_the_residual_stream():
    # I-BERT computes with quantised layers of its own.
    from transformers import IBertConfig, IBertForSequenceClassification

    model = IBertForSequenceClassification(
        IBertConfig(
            vocab_size=64,
            hidden_size=HIDDEN,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=48,
        )
    )
    with pytest.raises(MethodError, match="no linear layer in ibert.encoder.layer.0"):
        apply_method(model, find_anatomy(model), method_of("adapter"))
