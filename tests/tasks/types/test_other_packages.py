import numpy as np
import pytest
import torch

from progsearch.config import TaskConfig
from progsearch.errors import TaskError
from progsearch.models.loading import load_model, load_tokenizer
from progsearch.tasks import load_task
from progsearch.tasks.split import IGNORED, Split
from progsearch.tasks.tokenising import tokenise
from progsearch.tasks.types import TASK_TYPES
from tests.support.tiny import save_tiny

TOY = "tests.e2e.toy_task_type:TokensModulo3"


@pytest.fixture
def toy(tmp_path, install_plugin):
    """The toy type's package, installed; a task of its type and a tiny model."""
    install_plugin("progsearch.task_types", {"tokens-modulo-3": TOY})
    rows = ["text", *(" ".join(["good"] * (1 + i % 5)) for i in range(24))]
    (tmp_path / "train.csv").write_text("\n".join(rows) + "\n")
    config = TaskConfig(name="toy", type="tokens-modulo-3", train_file=str(tmp_path / "train.csv"))
    return config, str(save_tiny(tmp_path / "model"))


def test_another_package_adds_a_type(toy):
    config, model = toy
    assert dict(TASK_TYPES.described())["tokens-modulo-3"].startswith("a class per token")
    data = load_task(config, load_tokenizer(model))

    assert data.metric == "token_accuracy"
    assert data.train.units.tolist() == data.train.lengths.tolist()
    batch = data.train.batch([0, 4])
    assert batch["labels"].tolist() == [[0, 0, 0, -100, -100, -100, -100], [1] * 7]
    right = np.eye(3)[data.validation.targets["labels"].numpy()]
    assert data.evaluate(right, data.validation) == {"token_accuracy": 1.0}
    assert data.majority() == pytest.approx(10 / 24, abs=0.1)


def test_its_model_has_the_head_that_it_asks_for_and_learns(toy):
    config, ref = toy
    data = load_task(config, load_tokenizer(ref))
    model = load_model(ref, data.head)
    batch = data.train.batch(range(8))
    before = model(**batch)
    assert data.keep(before, batch).shape == (8, batch["input_ids"].shape[1], 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before.loss.backward()
    optimizer.step()
    assert model(**batch).loss < before.loss


def test_a_row_without_a_target_is_left_out_of_training(toy, monkeypatch, caplog):
    config, ref = toy
    everything = load_task(config, load_tokenizer(ref)).train

    def encode(self, examples, tokenizer, max_length):
        tokens = tokenise(examples.texts, tokenizer, max_length)
        targets = np.repeat(tokens.lengths % 3, tokens.lengths)
        targets[: tokens.lengths[0]] = IGNORED
        return Split.of(tokens, {"labels": targets}, per_token=True, pad_id=0)

    monkeypatch.setattr(TASK_TYPES.get("tokens-modulo-3"), "encode", encode)
    data = load_task(config.model_copy(update={"name": "gaps"}), load_tokenizer(ref))
    assert data.train.lengths.tolist() == everything.lengths[1:].tolist()
    assert "1 of 24 training rows of gaps have no target" in caplog.text


def test_a_type_that_does_not_exist_is_refused(toy):
    config, model = toy
    wrong = config.model_copy(update={"type": "tokens-modulo-4"})
    with pytest.raises(TaskError, match=r"no task type 'tokens-modulo-4'; did you mean"):
        load_task(wrong, load_tokenizer(model))
