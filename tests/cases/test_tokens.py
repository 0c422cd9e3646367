"""What a model reads is what its tokenizer gives and what it has room for (S4, C1-C3, C7).

Each failed at commit 80686b9.
"""

import random

import pytest
import transformers

from tests.cases.making import (
    WORDS,
    rows,
    save_decoder_tokenizer,
    save_model,
    save_tokenizer,
    write_csv,
)

pytestmark = pytest.mark.slow

LONG = [("good film " * 60, 1)]


@pytest.mark.parametrize("first", ["left", "right"])
def test_tokenizers_that_differ_in_the_side_they_cut(train, bert, copy_of, tmp_path, first):
    """S4. The last of eleven words tells the class; six are read."""
    draw = random.Random(0)
    lines = [(f"{' '.join(draw.choices(WORDS[4:], k=10))} {text.split()[-1]}", label)
             for text, label in rows(64)]  # fmt: skip
    file = write_csv(tmp_path / "rows.csv", "text,label", lines)
    for side in sorted(["left", "right"], key=lambda side: side != first):
        model = save_tokenizer(copy_of(bert, side), truncation_side=side)
        accuracy = train(model, file, max_length=8, epochs=4).metrics["accuracy"]
        assert accuracy == 1.0 if side == "left" else accuracy < 0.7


@pytest.mark.parametrize("first", [True, False])
def test_tokenizers_that_differ_in_special_tokens(train, bert, copy_of, tmp_path, first):
    """A sibling of S4: whether `[SEP]` in a text is the separator or a word in brackets."""
    lines = [(f"film {('[SEP]', '[ SEP ]')[label]} {'a ' * (i % 3)}", label)
             for i, (_, label) in enumerate(rows(64))]  # fmt: skip
    file = write_csv(tmp_path / "rows.csv", "text,label", lines)
    for split in (first, not first):
        words = ("[", "]", "sep")
        model = save_tokenizer(copy_of(bert, str(split)), *words, split_special_tokens=split)
        accuracy = train(model, file, epochs=4).metrics["accuracy"]
        assert accuracy < 0.7 if split else accuracy == 1.0


@pytest.mark.parametrize(
    ("architecture", "positions", "long_split", "max_length"),
    [
        ("bert", 64, "train", 128),
        ("bert", 64, "validation", 128),
        # Its positions begin after the padding token's.
        ("roberta", 63, "train", 64),
        ("electra", 64, "validation", 100),
        ("gpt2", 64, "train", 65),
    ],
    ids=["C1-train", "C1-validation", "C1-roberta", "C1-sibling", "C1-sibling-gpt2"],
)
def test_texts_longer_than_the_model(
    train, data, tmp_path, architecture, positions, long_split, max_length
):
    model = save_tokenizer(save_model(tmp_path / "model", architecture))
    long = write_csv(tmp_path / "long.csv", "text,label", [*LONG, *rows(30)])
    files = (long, data[1]) if long_split == "train" else (data[0], long)
    outcome = train(model, *files, max_length=max_length)
    assert outcome.code == 0
    assert f"examples are cut to {positions} tokens" in outcome.stderr


@pytest.mark.parametrize("architecture", ["gpt2", "llama"], ids=["C2-padding", "C2-sibling"])
def test_a_padding_token_without_an_embedding(train, data, tmp_path, architecture):
    size = len(WORDS) + 2
    model = save_decoder_tokenizer(save_model(tmp_path / "model", architecture, vocab_size=size))
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    tokenizer.save_pretrained(model)
    sentence = train(model, *data).refusal()
    assert f"has the id {size} and the model has {size} token embeddings" in sentence


@pytest.mark.parametrize("architecture", ["bert", "gpt2"], ids=["C2-vocabulary", "C2-sibling"])
def test_tokens_without_an_embedding(train, data, tmp_path, architecture):
    size = len(WORDS) + 2
    model = save_tokenizer(save_model(tmp_path / "model", architecture, vocab_size=size))
    sentence = train(model, *data).refusal()
    assert f"have ids up to {size + 2} " in sentence
    assert f"the model has {size} token embeddings" in sentence


@pytest.mark.parametrize("architecture", ["roberta", "bert"], ids=["C3", "C3-sibling"])
def test_more_token_types_than_the_model_has(train, tmp_path, architecture):
    model = save_tokenizer(save_model(tmp_path / "model", architecture, type_vocab_size=1))
    lines = [(text, text, label) for text, label in rows(40)]
    outcome = train(model, write_csv(tmp_path / "pairs.csv", "a,b,label", lines))
    assert outcome.code == 0
    assert "token types are left out" in outcome.stderr
    saved = transformers.AutoTokenizer.from_pretrained(tmp_path / "trained")
    assert "token_type_ids" not in saved("a film", "a plot")


@pytest.mark.parametrize(
    ("escape", "split"),
    [("\\ud83d", "train"), ("\\ude00", "validation")],
    ids=["C7", "C7-sibling"],
)
def test_half_a_character(train, bert, data, tmp_path, escape, split):
    lines = [f'{{"text": "{text}", "label": {label}}}' for text, label in rows(20)]
    lines[5] = f'{{"text": "good {escape} film", "label": 1}}'
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(lines) + "\n")
    files = (str(file), data[1]) if split == "train" else (data[0], str(file))
    assert f"{file}, line 6 holds half a character" in train(bert, *files).refusal()
