"""What is measured is what the model itself computes (S5-S7, S14, C4).

Each failed at commit 80686b9.
"""

import re
import shutil

import pytest
import torch
import transformers

from tests.cases.making import (
    END,
    rows,
    save_decoder_tokenizer,
    save_model,
    save_tokenizer,
    write_csv,
)

pytestmark = pytest.mark.slow


def accuracy_in_transformers(folder, lines):
    """What a user gets who loads a saved model."""
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    texts, labels = zip(*lines, strict=True)
    inputs = tokenizer(list(texts), padding=True, padding_side="right", return_tensors="pt")
    with torch.no_grad():
        found = model(**inputs).logits.argmax(-1)
    return float((found == torch.tensor(labels)).float().mean())


@pytest.mark.parametrize(
    "architecture", ["gpt2", "llama", "starcoder2"], ids=["S5-gpt2", "S5-llama", "S5-sibling"]
)
def test_texts_that_end_with_the_token_that_pads(train, tmp_path, architecture):
    model = save_decoder_tokenizer(save_model(tmp_path / "model", architecture))
    lines = [
        (f"{text} {END}" if i % 2 else text, label)
        for i, (text, label) in enumerate(rows(200, words=9))
    ]
    file = write_csv(tmp_path / "rows.csv", "text,label", lines)
    outcome = train(model, file, blocks=[], embeddings=False)
    assert outcome.code == 0
    in_training = re.search(r"^epoch 1 of 1  accuracy ([\d.]+)", outcome.stdout, re.MULTILINE)[1]
    expected = accuracy_in_transformers(tmp_path / "trained", lines)
    assert expected > 0.9
    assert outcome.metrics["accuracy"] == pytest.approx(expected)
    assert float(in_training) == pytest.approx(expected, abs=1e-4)


NAMES = ("pos", "neg", "other")


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """Makes a model that classifies all texts rightly, with its classes in the order of `NAMES`.

    The third class has texts of its own.
    """

    def make(n_classes):
        folder = tmp_path_factory.mktemp("classifier")
        lines = [(text, NAMES[1 - label]) for text, label in rows(64)]
        lines += [(f"two {END} one", "other")] * 20 if n_classes == 3 else []
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            save_tokenizer(save_model(folder, num_labels=n_classes), END)
        )
        model = transformers.AutoModelForSequenceClassification.from_pretrained(folder)
        inputs = tokenizer([text for text, _ in lines], padding=True, return_tensors="pt")
        labels = torch.tensor([NAMES.index(name) for _, name in lines])
        optimizer = torch.optim.Adam(model.parameters(), 3e-3)
        # In eval mode, since without dropout fewer steps suffice.
        for _ in range(400):
            optimizer.zero_grad()
            outputs = model(**inputs, labels=labels)
            if outputs.loss < 0.01:
                break
            outputs.loss.backward()
            optimizer.step()
        assert outputs.logits.argmax(-1).eq(labels).all()
        return model, folder, lines

    return make


def save_with_names(model, source, folder, names):
    model.config.id2label = dict(enumerate(names))
    model.config.label2id = {name: index for index, name in enumerate(names)}
    shutil.copytree(source, folder)
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    "names",
    [("pos", "neg"), ("POS", "Neg"), ("pos", "neg", "other")],
    ids=["S6", "S6-sibling-case", "S6-sibling-three"],
)
def test_a_trained_head_whose_order_is_not_that_of_the_alphabet(
    train, tmp_path, classifier, names
):
    model, source, lines = classifier(len(names))
    folder = save_with_names(model, source, tmp_path / "model", names)
    file = write_csv(tmp_path / "rows.csv", "text,label", lines)
    # So little is learned that the head stays what it is.
    outcome = train(folder, file, blocks=[], embeddings=False, learning_rate=1e-8)
    assert outcome.metrics["accuracy"] == 1.0
    saved = transformers.AutoConfig.from_pretrained(tmp_path / "trained")
    assert [name.lower() for name in saved.id2label.values()] == list(NAMES[: len(names)])


def test_a_trained_head_with_other_names_is_not_taken(train, tmp_path, classifier):
    """A sibling of S6."""
    model, source, lines = classifier(2)
    folder = save_with_names(model, source, tmp_path / "model", ("Positive", "Negative"))
    file = write_csv(tmp_path / "rows.csv", "text,label", lines)
    outcome = train(folder, file, blocks=[], embeddings=False, learning_rate=1e-8)
    assert outcome.code == 0
    assert "(2 classes: Positive, Negative) does not fit the task" in outcome.stderr


@pytest.mark.parametrize("architecture", ["xlnet", "fnet"], ids=["S7", "S7-sibling"])
def test_a_model_that_padding_on_the_right_changes(train, data, tmp_path, architecture):
    model = save_tokenizer(save_model(tmp_path / "model", architecture))
    assert "padded on the right" in train(model, *data).refusal()


@pytest.mark.parametrize(
    ("architecture", "dropouts"),
    [
        ("biogpt", ("hidden_dropout_prob", "activation_dropout")),
        ("starcoder2", ("embedding_dropout", "residual_dropout")),
    ],
    ids=["S14", "S14-sibling"],
)
def test_no_dropout_in_a_frozen_part(train, tmp_path, architecture, dropouts):
    lines = [(text, label + row / 100) for row, (text, label) in enumerate(rows(64))]
    file = write_csv(tmp_path / "rows.csv", "text,label", lines)
    found = []
    for rate in (0.0, 0.5):
        settings = dict.fromkeys(dropouts, rate)
        model = save_model(tmp_path / f"model-{rate}", architecture, **settings)
        found.append(train(save_tokenizer(model), file, blocks=[], embeddings=False).metrics)
    assert found[0]["pearson"] == found[1]["pearson"]


@pytest.mark.parametrize("architecture", ["xlnet", "fnet"], ids=["C4", "C4-sibling"])
def test_a_model_that_cannot_be_trained_is_not_scored(progsearch, data, tmp_path, architecture):
    model = save_tokenizer(save_model(tmp_path / "model", architecture))
    files = ("--train-file", data[0], "--validation-file", data[1])
    sentence = progsearch("contributions", "--model", model, *files).refusal()
    assert "padded on the right" in sentence


def test_a_model_whose_frozen_blocks_have_other_shapes(train, data, tmp_path):
    """C4, the prefix cache."""
    model = save_tokenizer(save_model(tmp_path / "model", "xlnet"))
    assert "XLNet" in train(model, *data, blocks=[1], embeddings=False).refusal()
