import pytest

from progsearch.errors import MethodError
from tests.support.applying import applied

# ModernBERT, Llama, Qwen3 and Gemma have no biases to train.
WITHOUT_BIASES = {"modernbert", "llama", "qwen3", "gemma", "gemma2"}


def test_biases_of_layers_and_norms_are_trained():
    _, _, trainable = applied("bert", "bitfit")
    assert trainable.embeddings == ("bert.embeddings.LayerNorm.bias",)
    block = "bert.encoder.layer.1."
    assert set(trainable.blocks[1]) == {
        block + name
        for name in (
            "attention.self.query.bias",
            "attention.self.key.bias",
            "attention.self.value.bias",
            "attention.output.dense.bias",
            "attention.output.LayerNorm.bias",
            "intermediate.dense.bias",
            "output.dense.bias",
            "output.LayerNorm.bias",
        )
    }


def test_a_matrix_called_bias_is_none():
    _, _, trainable = applied("mpnet", "bitfit")
    assert "mpnet.encoder.relative_attention_bias.weight" not in trainable.embeddings


def test_few_biases_are_enough():
    _, _, trainable = applied("qwen2", "bitfit")
    assert [name.rpartition("self_attn.")[2] for name in trainable.blocks[0]] == [
        "q_proj.bias",
        "k_proj.bias",
        "v_proj.bias",
    ]


@pytest.mark.parametrize("name", sorted(WITHOUT_BIASES))
def test_bitfit_needs_biases(name):
    with pytest.raises(MethodError, match="the blocks of .* have none"):
        applied(name, "bitfit")
