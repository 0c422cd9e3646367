"""A saved model is evaluated as users load it, before its metrics are written."""

import json

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, BertTokenizerFast, PreTrainedModel

from progsearch.config import TaskConfig, plain, write_yaml
from progsearch.errors import NothingUsable
from progsearch.schedule import Schedule
from progsearch.tasks import Split, understand
from progsearch.training import TrainingRun, load_trained, save_run, saved_check
from tests.support.plugins import write_plugin
from tests.support.runs import DEVICE, config_of, finish
from tests.support.tiny import save_tiny

# The texts differ in length, so that batches of 32 are padded.
WORDS = ("good", "bad")


def written_metrics(folder):
    """What metrics.json says, without the table of classes."""
    written = json.loads((folder / "metrics.json").read_text())
    written.pop("per_class", None)
    return written


@pytest.fixture
def made(tmp_path):
    """Makes a config for an architecture and a method."""

    def make(architecture="bert", method="full", numbers=False, **training):
        model = save_tiny(tmp_path / "model", WORDS, architecture, pad_token_id=0)
        labels = (0.5, 2.25) if numbers else ("no", "yes")
        rows = [f"{' '.join([WORDS[i % 2]] * (1 + i % 7))},{labels[i % 2]}" for i in range(40)]
        file = tmp_path / "rows.csv"
        file.write_text("\n".join(["text,label", *rows]) + "\n")
        files = {"train_file": str(file), "validation_file": str(file)}
        task = TaskConfig(name="own", type="regression" if numbers else None, **files)
        return config_of((str(model), task), method=method, **{"epochs": 1} | training)

    return make


def saved(config, folder):
    run = TrainingRun.from_config(config)
    finish(run)
    return run, save_run(run, folder)


@pytest.fixture
def broken(monkeypatch):
    """Changes a model as it is saved."""

    def breaking(change):
        save_model = PreTrainedModel.save_pretrained

        def save(model, folder, **options):
            before = {name: value.clone() for name, value in model.state_dict().items()}
            with torch.no_grad():
                change(model)
            save_model(model, folder, **options)
            model.load_state_dict(before)

        monkeypatch.setattr(PreTrainedModel, "save_pretrained", save)

    return breaking


@pytest.mark.parametrize("architecture", ["bert", "roberta", "gpt2", "llama", "deberta-v2"])
@pytest.mark.parametrize("method", ["full", "lora", "adapter"])
def test_what_transformers_makes_of_a_saved_model_is_what_was_measured(
    made, tmp_path, architecture, method, monkeypatch
):
    seen = []
    compare = saved_check._differing_rows

    def watched(*given):
        seen.append(given)
        return compare(*given)

    monkeypatch.setattr(saved_check, "_differing_rows", watched)
    _, metrics = saved(made(architecture, method), tmp_path / "out")
    assert written_metrics(tmp_path / "out") == metrics
    ((found, outputs, split),) = seen
    assert found.shape == outputs.shape == (len(split), 2)
    assert abs(found - outputs).max() < 1e-5


def test_numbers_are_compared_too(made, tmp_path, broken):
    config = made(numbers=True)
    saved(config, tmp_path / "out")
    broken(lambda model: model.classifier.bias.add_(0.01))
    with pytest.raises(NothingUsable, match=r"on 40 of 40 validation rows \(pearson"):
        saved(config, tmp_path / "other")


def test_other_weights_are_seen_whatever_the_metric_says(made, tmp_path, broken):
    """The classes of all rows stay the same."""
    broken(lambda model: model.classifier.weight.mul_(1.01))
    config = made(epochs=4, learning_rate=1e-2)
    with pytest.raises(NothingUsable, match=r"on \d+ of 40 validation rows \(accuracy 1.0000 ins"):
        saved(config, tmp_path / "out")
    assert (tmp_path / "out" / "model.safetensors").is_file()
    assert not (tmp_path / "out" / "metrics.json").exists()


def test_rows_that_padding_changes_are_seen(made, tmp_path, monkeypatch):
    """Makes the model depend on its padding."""
    embed = torch.nn.Embedding.forward
    config = made()
    run = TrainingRun.from_config(config)
    finish(run)
    plain_outputs = saved_check._outputs

    def outputs(model, tokenizer, task, split):
        weight = model.get_input_embeddings().weight

        def forward(module, ids):
            found = embed(module, ids)
            is_padded = module.weight is weight and bool((ids == 0).any())
            return found.roll(1, -1) if is_padded else found

        monkeypatch.setattr(torch.nn.Embedding, "forward", forward)
        return plain_outputs(model, tokenizer, task, split)

    monkeypatch.setattr(saved_check, "_outputs", outputs)
    with pytest.raises(NothingUsable, match="gives other outputs in transformers"):
        save_run(run, tmp_path / "out")


ROWS = Split(np.full(6, 5), np.array([1, 2, 3]), {"labels": np.zeros(3, dtype=np.int64)})
TOKENS = Split(
    np.full(6, 5), np.array([1, 2, 3]), {"labels": np.zeros(6, dtype=np.int64)}, per_token=True
)


@pytest.mark.parametrize(
    ("outputs", "found", "rows"),
    [
        # Rounding is relative to the largest output, and absolute if all outputs are small.
        ([[0.0, 0.0], [0.0, 900.0], [0.0, 0.0]], [[0.5, 0.0], [0.0, 900.0], [0.0, 0.0]], 0),
        ([[0.0, 0.0], [0.0, 0.1], [0.0, 0.0]], [[5e-4, 0.0], [0.0, 0.1], [0.0, 0.0]], 0),
        ([[0.0, 0.0], [0.0, 0.1], [0.0, 0.0]], [[2e-3, 0.0], [0.0, 0.1], [0.0, 0.0]], 1),
        # One output of a row is enough.
        ([[0.0, 0.0]] * 3, [[0.0, 0.1], [0.1, 0.0], [0.0, 0.0]], 2),
        ([[np.nan, 0.0]] * 3, [[np.nan, 0.0], [0.0, 0.0], [np.nan, 0.0]], 1),
    ],
)
def test_rows_whose_outputs_differ_by_more_than_rounding(outputs, found, rows):
    assert saved_check._differing_rows(np.array(found), np.array(outputs), ROWS) == rows


def test_rows_with_tokens_whose_outputs_differ():
    found = np.array([[0.0], [1.0], [1.0], [0.0], [0.0], [0.0]])
    assert saved_check._differing_rows(found, np.zeros((6, 1)), TOKENS) == 1


def test_a_full_gpu_does_not_cost_the_metrics(made, tmp_path, monkeypatch):
    plain_outputs, devices = saved_check._outputs, []

    def outputs(model, tokenizer, task, split):
        devices.append(model.device.type)
        if len(devices) == 1:
            raise torch.OutOfMemoryError
        return plain_outputs(model, tokenizer, task, split)

    monkeypatch.setattr(saved_check, "_outputs", outputs)
    saved(made(), tmp_path / "out")
    assert devices == [DEVICE.type, "cpu"]
    assert (tmp_path / "out" / "metrics.json").is_file()


def test_another_tokenizer_is_seen(made, tmp_path, monkeypatch):
    config = made()
    run = TrainingRun.from_config(config)
    finish(run)
    other = BertTokenizerFast(vocab={"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "good": 4})
    run.tokenizer = other
    with pytest.raises(NothingUsable, match="gives other tokens than the one"):
        save_run(run, tmp_path / "out")
    assert not (tmp_path / "out" / "metrics.json").exists()


@pytest.mark.parametrize("method", ["lora", "adapter"])
def test_a_model_that_transformers_cannot_load_is_kept_in_its_folder(
    made, tmp_path, monkeypatch, method
):
    """An error of the check is none of the folder."""
    load, config = AutoTokenizer.from_pretrained, made(method=method)
    run = TrainingRun.from_config(config)
    finish(run)

    def fail(*_, **__):
        raise OSError("Can't load the tokenizer.\nIs it complete?")

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", fail)
    monkeypatch.setenv("PROGSEARCH_CACHE", str(tmp_path / "cache"))
    with pytest.raises(NothingUsable, match="cannot be loaded to check it ") as error:
        save_run(run, tmp_path / "out")
    assert f"saved in {tmp_path / 'out'} cannot" in str(error.value)
    assert "(Can't load the tokenizer. Is it complete?), so no metrics" in str(error.value)
    assert "written to" not in str(error.value)
    assert not (tmp_path / "cache" / "unsaved").exists()
    monkeypatch.setattr(AutoTokenizer, "from_pretrained", load)
    kept = load_trained(tmp_path / "out").state_dict()
    assert all(
        torch.equal(kept[name], value.cpu()) for name, value in run.model.state_dict().items()
    )
    assert not (tmp_path / "out" / "metrics.json").exists()
    assert "results" not in (tmp_path / "out" / "schedule.yaml").read_text()


def test_targets_per_token(tmp_path, monkeypatch, broken):
    toy = {"tokens-modulo-3": "tests.e2e.toy_task_type:TokensModulo3"}
    write_plugin(tmp_path, "progsearch.task_types", toy)
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "rows.csv"
    file.write_text("\n".join(["text", *(" ".join(["good"] * (1 + i % 5)) for i in range(40))]))
    task = TaskConfig(name="toy", type="tokens-modulo-3", train_file=str(file))
    config = config_of((str(save_tiny(tmp_path / "model")), task), Schedule.full(3), epochs=1)
    _, metrics = saved(config, tmp_path / "out")
    assert written_metrics(tmp_path / "out") == metrics
    broken(lambda model: model.classifier.bias[0].add_(1.0))
    with pytest.raises(NothingUsable, match=r"on 40 of 40 validation rows \(token_accuracy"):
        saved(config, tmp_path / "other")


def test_a_second_model_in_the_same_folder_is_the_one_that_is_loaded(made, tmp_path, broken):
    saved(made(), tmp_path / "out")
    assert load_trained(tmp_path / "out").config.id2label == {0: "no", 1: "yes"}
    second, _ = saved(made(numbers=True), tmp_path / "out")
    loaded = load_trained(tmp_path / "out")
    # The labels are 0.5 and 2.25, half of the rows each, so their standard deviation is 0.875.
    trained = second.model.classifier.weight.cpu()
    assert torch.allclose(loaded.classifier.weight, 0.875 * trained, rtol=1e-5)
    broken(lambda model: model.classifier.bias.add_(1.0))
    with pytest.raises(NothingUsable):
        saved(made(), tmp_path / "out")
    # The previous model's metrics would be taken for its own.
    assert not (tmp_path / "out" / "metrics.json").exists()


def test_the_command_says_it_and_ends_with_1(made, tmp_path, broken, capsys, monkeypatch):
    from progsearch import cli

    write_yaml(tmp_path / "best.yaml", plain(made()))
    broken(lambda model: model.classifier.bias[0].add_(1.0))
    command = ["progsearch", "train", str(tmp_path / "best.yaml")]
    monkeypatch.setattr("sys.argv", [*command, "--output-dir", str(tmp_path / "out"), "--quiet"])
    with pytest.raises(SystemExit) as leaving:
        cli.main()
    assert leaving.value.code == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    (error,) = [line for line in captured.err.splitlines() if line.startswith("Error:")]
    assert "gives other outputs in transformers" in error
    assert (tmp_path / "out" / "config.json").is_file()


@pytest.mark.parametrize("architecture", ["bert", "gpt2", "llama"])
def test_a_tokenizer_that_pads_left_is_saved_padding_right_as_the_model_was_trained(
    made, tmp_path, architecture
):
    config = made(architecture)
    settings = tmp_path / "model" / "tokenizer_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"padding_side": "left"}))
    _, metrics = saved(config, tmp_path / "out")
    assert written_metrics(tmp_path / "out") == metrics
    assert AutoTokenizer.from_pretrained(tmp_path / "out").padding_side == "right"


def test_texts_cut_to_the_positions_of_the_model_are_cut_so_in_the_check(made, tmp_path):
    config = made()
    file = tmp_path / "rows.csv"
    file.write_text(file.read_text() + f"{' '.join(['good'] * 100)},yes\n")
    run, metrics = saved(config, tmp_path / "out")
    assert run.task.max_length == 64
    assert written_metrics(tmp_path / "out") == metrics
    assert understand(run.task, run.tokenizer).splits["train"].cut > 0.1
