import pytest
import torch
import transformers
from peft import LoraConfig, TaskType, get_peft_model
from torch import nn
from transformers import AutoModelForSequenceClassification, BertConfig

from progsearch.errors import ModelError
from progsearch.models.anatomy import find_anatomy
from tests.support.tiny import HIDDEN, TINY, VOCABULARY, tiny_batch, tiny_model

# By hand, from transformers' source: where blocks lie, and what is before and behind them.
EXPECTED = {
    "bert": ("bert.encoder.layer", {"bert.embeddings"}, {"bert.pooler", "dropout", "classifier"}),
    "roberta": ("roberta.encoder.layer", {"roberta.embeddings"}, {"classifier"}),
    "distilbert": (
        "distilbert.transformer.layer",
        {"distilbert.embeddings"},
        {"pre_classifier", "dropout", "classifier"},
    ),
    "electra": (
        "electra.encoder.layer",
        {"electra.embeddings", "electra.embeddings_project"},
        {"classifier"},
    ),
    "mpnet": (
        "mpnet.encoder.layer",
        {"mpnet.embeddings", "mpnet.encoder.relative_attention_bias"},
        {"classifier"},
    ),
    # The convolution stands between block 0 and block 1, whose input needs it.
    "deberta-v2": (
        "deberta.encoder.layer",
        {
            "deberta.embeddings",
            "deberta.encoder.rel_embeddings",
            "deberta.encoder.LayerNorm",
            "deberta.encoder.conv",
        },
        {"pooler", "dropout", "classifier"},
    ),
    "modernbert": (
        "model.layers",
        {"model.embeddings", "model.rotary_emb"},
        {"model.final_norm", "head", "drop", "classifier"},
    ),
    "gpt2": (
        "transformer.h",
        {"transformer.wte", "transformer.wpe", "transformer.drop"},
        {"transformer.ln_f", "score"},
    ),
    "gpt_neox": (
        "gpt_neox.layers",
        {"gpt_neox.embed_in", "gpt_neox.emb_dropout", "gpt_neox.rotary_emb"},
        {"gpt_neox.final_layer_norm", "score"},
    ),
    "opt": (
        "model.decoder.layers",
        {
            "model.decoder.embed_tokens",
            "model.decoder.embed_positions",
            "model.decoder.project_in",
        },
        {"model.decoder.final_layer_norm", "model.decoder.project_out", "score"},
    ),
    **dict.fromkeys(
        ["llama", "qwen2", "qwen3", "gemma", "gemma2"],
        ("model.layers", {"model.embed_tokens", "model.rotary_emb"}, {"model.norm", "score"}),
    ),
}


@pytest.fixture(params=TINY)
def model(request):
    return TINY[request.param]()


@pytest.mark.parametrize("name", TINY)
def test_parts_of_every_architecture(name):
    anatomy = find_anatomy(TINY[name]())
    blocks, embeddings, head = EXPECTED[name]
    assert anatomy.blocks == tuple(f"{blocks}.{index}" for index in range(3))
    assert set(anatomy.embeddings) == embeddings
    assert set(anatomy.head) == head


def test_each_parameter_is_in_exactly_one_part(model):
    anatomy = find_anatomy(model)
    parts = ["embeddings", *range(anatomy.n_blocks), "head"]
    listed = [name for part in parts for name, _ in anatomy.parameters(model, part)]
    assert sorted(listed) == sorted(name for name, _ in model.named_parameters())
    assert all(anatomy.parameters(model, part) for part in parts)


def test_modules_of_the_parts_hold_all_dropout(model):
    # What the parts' modules do not hold would keep its dropout when everything is frozen.
    anatomy = find_anatomy(model)
    model.train()
    for part in ["embeddings", *range(anatomy.n_blocks), "head"]:
        for module in anatomy.modules(model, part):
            module.eval()
    assert not [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Dropout) and module.training
    ]


def test_embeddings_and_lower_blocks_decide_the_input_of_a_block(model):
    """What the parts claim, by gradients: a block's input depends on what is below and no more."""
    anatomy = find_anatomy(model)
    seen = []
    block = model.get_submodule(anatomy.blocks[1])
    hook = block.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(args[0] if args else kwargs["hidden_states"]),
        with_kwargs=True,
    )
    model(**tiny_batch())
    hook.remove()
    seen[0].square().sum().backward()
    reached = {anatomy.part_of(n) for n, p in model.named_parameters() if p.grad is not None}
    assert reached == {"embeddings", 0}


def test_finding_leaves_no_trace(model):
    block = find_anatomy(model).blocks[0]
    model.train().get_submodule(block).eval()
    modes = [module.training for module in model.modules()]
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    find_anatomy(model)
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_blocks_are_in_the_order_they_run():
    class Backwards(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(VOCABULARY, HIDDEN)
            self.blocks = nn.ModuleList(nn.Linear(HIDDEN, HIDDEN) for _ in range(4))
            # Registered before its use and on the wrong side of the blocks' list.
            self.scale = nn.Parameter(torch.ones(HIDDEN))
            self.shift = nn.Parameter(torch.zeros(HIDDEN))
            self.unused = nn.Linear(HIDDEN, 2)

        def forward(self, input_ids):
            x = self.embed(input_ids) + self.shift
            for block in reversed(self.blocks):
                x = block(x)
            return x * self.scale

    anatomy = find_anatomy(Backwards())
    assert anatomy.blocks == ("blocks.3", "blocks.2", "blocks.1", "blocks.0")
    assert set(anatomy.embeddings) == {"embed", "shift"}
    assert set(anatomy.head) == {"scale", "unused"}
    assert anatomy.part_of("blocks.3.weight") == 0
    assert anatomy.part_of("shift") == "embeddings"


def test_a_peft_model_has_the_same_parts():
    plain = tiny_model("bert")
    config = LoraConfig(task_type=TaskType.SEQ_CLS, target_modules=["query", "value"])
    wrapped = get_peft_model(tiny_model("bert"), config)
    anatomy = find_anatomy(wrapped)
    prefix = "base_model.model."
    assert anatomy.blocks == tuple(prefix + name for name in find_anatomy(plain).blocks)
    block = anatomy.blocks[1]
    assert anatomy.part_of(f"{block}.attention.self.query.lora_A.default.weight") == 1
    trained = {n: p for n, p in wrapped.named_parameters() if "modules_to_save" in n}
    assert {anatomy.part_of(name) for name in trained} == {"head"}


def test_a_model_without_weights_in_memory():
    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(BertConfig())
    anatomy = find_anatomy(model)
    assert anatomy.n_blocks == 12
    assert sum(p.numel() for _, p in anatomy.parameters(model, 0)) == 7_087_872


def test_one_block_is_enough():
    anatomy = find_anatomy(tiny_model("bert", num_hidden_layers=1))
    assert anatomy.blocks == ("bert.encoder.layer.0",)


def test_an_unknown_parameter_is_a_bug_of_the_caller():
    with pytest.raises(KeyError, match="nowhere.weight"):
        find_anatomy(tiny_model("bert")).part_of("nowhere.weight")


SMALL = {"vocab_size": VOCABULARY, "num_labels": 2}


def classifier(config_class, **fields):
    config = getattr(transformers, config_class)(**SMALL, **fields)
    return AutoModelForSequenceClassification.from_config(config)


def test_albert_shares_one_block():
    model = classifier(
        "AlbertConfig",
        hidden_size=HIDDEN,
        embedding_size=16,
        num_hidden_layers=5,
        num_attention_heads=2,
        intermediate_size=48,
    )
    with pytest.raises(ModelError, match="runs one shared block 5 times"):
        find_anatomy(model)


@pytest.mark.parametrize(
    ("config_class", "fields"),
    [
        ("T5Config", {"d_model": HIDDEN, "d_kv": 16, "d_ff": 48, "num_layers": 2, "num_heads": 2}),
        (
            "BartConfig",
            {
                "d_model": HIDDEN,
                "encoder_layers": 2,
                "decoder_layers": 2,
                "encoder_attention_heads": 2,
                "decoder_attention_heads": 2,
                "encoder_ffn_dim": 48,
                "decoder_ffn_dim": 48,
            },
        ),
    ],
)
def test_encoder_decoders_have_no_single_row(config_class, fields):
    with pytest.raises(ModelError, match="has an encoder and a decoder"):
        find_anatomy(classifier(config_class, **fields))


def test_layers_in_several_lists_have_no_single_row():
    model = classifier("XLMConfig", emb_dim=HIDDEN, n_layers=3, n_heads=2)
    with pytest.raises(ModelError, match="more than one stack of blocks"):
        find_anatomy(model)


def test_weights_tied_between_blocks():
    model = tiny_model("bert")
    layers = model.bert.encoder.layer
    layers[2].output.dense.weight = layers[0].output.dense.weight
    with pytest.raises(ModelError, match="shares weights between the blocks"):
        find_anatomy(model)


def test_a_model_without_blocks():
    model = nn.Sequential(nn.Embedding(VOCABULARY, HIDDEN), nn.Linear(HIDDEN, 2))
    with pytest.raises(ModelError, match="no list of modules of one class"):
        find_anatomy(model)


def test_a_block_that_is_never_called():
    model = tiny_model("bert")
    original = model.bert.encoder.forward
    layers = model.bert.encoder.layer

    def skipping(*args, **kwargs):
        model.bert.encoder.layer = nn.ModuleList([layers[0], layers[2]])
        try:
            return original(*args, **kwargs)
        finally:
            model.bert.encoder.layer = layers

    model.bert.encoder.forward = skipping
    with pytest.raises(ModelError, match=r"never calls its block bert.encoder.layer.1"):
        find_anatomy(model)


def test_a_model_that_takes_no_tokens():
    model = classifier("BertConfig", hidden_size=HIDDEN, num_attention_heads=2, type_vocab_size=2)
    model.bert.embeddings.word_embeddings = nn.Embedding(2, HIDDEN)
    with pytest.raises(ModelError, match="cannot be run on input_ids"):
        find_anatomy(model)
