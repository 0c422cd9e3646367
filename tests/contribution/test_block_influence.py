import pytest
import torch

from progsearch.contribution import get_metric
from tests.support.probes import tiny_probe
from tests.support.tiny import tiny_model


@pytest.mark.parametrize("architecture", ["bert", "mpnet", "gpt2", "llama"])
def test_equals_one_minus_the_cosine_of_the_models_own_hidden_states(architecture):
    # Large weights, so that blocks differ and padding would show.
    model = tiny_model(architecture, initializer_range=0.3)
    probe = tiny_probe(model)
    cosines = [[], [], []]
    for batch in probe.batches:
        with torch.no_grad():
            states = model(**batch, output_hidden_states=True).hidden_states
        for block in range(3):
            for example, length in enumerate(batch["attention_mask"].sum(1)):
                for token in range(length):
                    before = states[block][example, token]
                    after = states[block + 1][example, token]
                    cosines[block].append(torch.cosine_similarity(before, after, dim=0))
    expected = [1 - torch.stack(values).mean().item() for values in cosines]
    scores = get_metric("block_influence").scores(probe)
    # Decoders report the last state only after the final norm, which belongs to the head.
    n_comparable = 2 if architecture in ("gpt2", "llama") else 3
    assert scores[:n_comparable] == pytest.approx(expected[:n_comparable], rel=1e-4)


def test_a_block_that_changes_nothing_has_no_influence():
    model = tiny_model("llama")
    block = model.model.layers[1]
    block.self_attn.o_proj.weight.data.zero_()
    block.mlp.down_proj.weight.data.zero_()
    scores = get_metric("block_influence").scores(tiny_probe(model))
    assert scores[1] == pytest.approx(0, abs=1e-9)
    assert min(scores[0], scores[2]) > 1e-4


def test_a_token_whose_embedding_is_zero_has_no_direction():
    model = tiny_model("llama")
    probe = tiny_probe(model)
    token = int(probe.batches[0]["input_ids"][0, 0])
    model.model.embed_tokens.weight.data[token] = 0
    scores = get_metric("block_influence").scores(probe)
    assert all(0 <= score <= 2 for score in scores)
