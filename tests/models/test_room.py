"""Measured input limits: models run up to their limits and fail beyond them."""

from __future__ import annotations

import pytest
import torch
import transformers

from progsearch.models import room as module
from progsearch.models.head import Head
from progsearch.models.room import Room, length_limit, measure_room, room_of
from tests.support.tiny import TINY, save_tiny, tiny_model

# Tables have 64 positions; RoBERTa's and MPNet's start after the padding token, 0 and 1.
POSITIONS = {
    **dict.fromkeys(("bert", "distilbert", "electra", "gpt2", "opt"), 64),
    "roberta": 63,
    "mpnet": 62,
}


def runs(model, length, **inputs):
    tokens = torch.randint(9, 60, (1, length), generator=torch.Generator().manual_seed(0))
    try:
        with torch.no_grad():
            model(input_ids=tokens, **inputs)
    except (IndexError, RuntimeError):
        return False
    return True


@pytest.mark.parametrize("architecture", sorted(TINY))
def test_positions_are_those_that_a_model_can_read(architecture):
    model = TINY[architecture]()
    room = measure_room(model)
    assert (room.tokens, room.positions) == (64, POSITIONS.get(architecture))
    if room.positions is None:
        assert room.usual_positions == 64
        assert runs(model, 80)
    else:
        assert runs(model, room.positions)
        assert not runs(model, room.positions + 1)


@pytest.mark.parametrize("padding", [0, 1, 5])
def test_the_padding_token_is_no_place(padding):
    model = tiny_model("roberta", pad_token_id=padding)
    # The tokenizer's padding token, as set by `load_model`.
    model.config.pad_token_id = 3
    room = measure_room(model)
    assert room.positions == 64 - padding - 1
    assert runs(model, room.positions)
    assert not runs(model, room.positions + 1)


# Relative positions with a table of absolute ones, tables that are not `nn.Embedding`, and
# experts selected by an index.
@pytest.mark.parametrize(
    ("kind", "positions"),
    [
        ("DebertaV2", 64),
        ("CTRL", 64),
        ("GPTJ", 64),
        ("RoFormer", 64),
        ("BioGpt", 64),
        ("Mixtral", None),
        ("Falcon", None),
    ],
)
def test_other_architectures(kind, positions):
    config = getattr(transformers, f"{kind}Config")()
    small = {
        **dict.fromkeys(("hidden_size", "n_embd", "embedding_size"), 32),
        **dict.fromkeys(("num_hidden_layers", "n_layer", "num_attention_heads", "n_head"), 2),
        **dict.fromkeys(("vocab_size", "max_position_embeddings", "n_positions"), 64),
        **{"intermediate_size": 32, "dff": 32, "rotary_dim": 8, "num_key_value_heads": 2},
        **{"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "num_local_experts": 2},
    }
    known = {key: value for key, value in small.items() if hasattr(config, key)}
    model = getattr(transformers, f"{kind}ForSequenceClassification")(type(config)(**known))
    room = measure_room(model.eval())
    assert (room.tokens, room.positions) == (64, positions)
    assert runs(model, positions or 80)
    assert positions is None or not runs(model, positions + 1)


def test_a_model_without_any_limit():
    config = transformers.XLNetConfig(vocab_size=64, d_model=32, n_layer=2, n_head=2, d_inner=32)
    model = transformers.XLNetForSequenceClassification(config).eval()
    room = measure_room(model)
    assert (room.tokens, room.positions, room.usual_positions) == (64, None, None)
    assert runs(model, 80)


def tiny_mpt():
    config = transformers.MptConfig(
        d_model=32, n_heads=2, n_layers=2, max_seq_len=64, vocab_size=64, expansion_ratio=2
    )
    return transformers.MptForSequenceClassification(config).eval()


def test_a_limit_that_no_table_shows_is_found_by_running():
    model = tiny_mpt()
    room = measure_room(model)
    assert (room.positions, room.usual_positions) == (None, 64)
    assert length_limit(model, 64, 65) == 64
    assert runs(model, 64) and not runs(model, 65)


def test_a_length_on_which_a_model_runs_is_no_limit():
    assert length_limit(tiny_model("llama"), 64, 100) is None


def test_a_model_that_cannot_run_at_all_has_no_limit(monkeypatch):
    model = tiny_mpt()
    monkeypatch.setattr(model.transformer, "forward", None)
    assert length_limit(model, 64, 100) is None


@pytest.mark.parametrize("longest", [64, 65, 100])
def test_a_length_is_tried_once_and_only_beyond_the_config(tmp_path, monkeypatch, longest):
    monkeypatch.setenv("PROGSEARCH_CACHE", str(tmp_path / "cache"))
    tiny_mpt().save_pretrained(tmp_path / "model")
    tried, run = [], module._runs

    def watched(model, length):
        tried.append(length)
        return run(model, length)

    monkeypatch.setattr(module, "_runs", watched)
    rooms = {room_of(str(tmp_path / "model"), Head(2), 0, longest) for _ in range(2)}
    assert {room.positions for room in rooms} == {None if longest == 64 else 64}
    assert tried == ([] if longest == 64 else [longest, 64])


@pytest.mark.parametrize(
    ("architecture", "overrides", "types"),
    [
        ("bert", {}, 2),
        ("bert", {"type_vocab_size": 3}, 3),
        ("roberta", {"type_vocab_size": 1}, 1),
        ("distilbert", {}, 0),
        ("llama", {}, 0),
        ("deberta-v2", {}, None),
    ],
)
def test_token_types(architecture, overrides, types):
    assert measure_room(tiny_model(architecture, **overrides)).token_types == types


def test_a_model_is_left_as_it_was():
    model = tiny_model("bert").train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    measure_room(model)
    assert model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_it_is_measured_once(tmp_path, monkeypatch):
    monkeypatch.setenv("PROGSEARCH_CACHE", str(tmp_path / "cache"))
    folder = save_tiny(tmp_path / "model", type_vocab_size=1)
    first = room_of(str(folder), Head(2), 0, 100)
    assert first == Room(
        tokens=64, positions=64, usual_positions=None, token_types=1, output="affine"
    )
    monkeypatch.setattr(module, "measure_room", lambda model: pytest.fail("measured again"))
    assert room_of(str(folder), Head(3), 0, 100) == first
