"""Every mistake a user can make ends in one sentence on stderr, and exit code 2."""

import json

import pytest

from progsearch.config import Recipe, TaskConfig, write_yaml
from progsearch.study.folder import create_study
from tests.support.tiny import save_tiny


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write_csv(path, rows):
    path.write_text("\n".join(",".join(row) for row in rows) + "\n")
    return path


def test_wrong_task(refused):
    assert "did you mean bbc-headlines?" in refused("run", "--task", "bbc-headline")


def test_no_task(refused):
    assert "--task" in refused("run", "--budget", 3)


def test_wrong_space(refused):
    message = refused("run", "--task", "mrpc", "--space", "papre")
    assert "papre" in message and "paper" in message


def test_a_grid_of_a_space_without_end(refused, tmp_path):
    rate = {"type": "float", "low": 1e-5, "high": 1e-3, "log": True}
    write_yaml(tmp_path / "rates.yaml", {"dimensions": {"learning_rate": rate}})
    arguments = ("--task", "bbc-headlines", "--space", "rates.yaml", "--sampler", "grid")
    assert "dimensions.learning_rate: a grid needs a step" in refused("run", *arguments)


def test_an_earlier_study_that_is_not_there(refused):
    message = refused("run", "--task", "bbc-headlines", "--warm-start", "yesterday")
    assert "there is no study 'yesterday'" in message


def test_wrong_model(refused):
    assert "./no-such-folder" in refused("run", "--task", "mrpc", "--model", "./no-such-folder")


@pytest.fixture
def model(tmp_path, capsys):
    folder = save_tiny(tmp_path / "model")
    # transformers shows its progress on stderr.
    capsys.readouterr()
    return folder


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.safetensors", b"version https://git-lfs.github.com/spec/v1\n", "LFS pointer"),
        ("model.safetensors", None, "holds no weights"),
        ("tokenizer.json", None, "holds no tokenizer"),
        ("adapter_config.json", b"{}", "PEFT adapter"),
        ("config.json", b'{"quantization_config": {"quant_method": "awq"}}', "is quantised"),
    ],
)
def test_a_model_that_is_not_whole(refused, model, name, content, message):
    (model / name).unlink(missing_ok=True)
    if content is not None:
        (model / name).write_bytes(content)
    assert message in refused("run", "--task", "mrpc", "--model", model)


@pytest.fixture
def commands(model, tmp_path):
    """The arguments of each command that reads a model."""
    train = write_csv(tmp_path / "train.csv", [("text", "label")] + [("a", "0"), ("b", "1")] * 9)
    write_yaml(
        "best.yaml",
        {
            "progsearch_version": "0.1.0",
            "model": str(model),
            "task": {"name": "mine", "train_file": str(train), "validation_file": str(train)},
            "stages": [{"start": 0, "end": 1, "trainable_blocks": [0], "embeddings": False}],
        },
    )
    return {
        "run": ("--train-file", train, "--model", model),
        "contributions": ("--train-file", train, "--model", model),
        "selfcheck": ("--model", model),
        "train": ("best.yaml", "--output-dir", "out"),
    }


def broken_link(model):
    (model / "model.safetensors").symlink_to("gone")
    return "is a link to gone, which is missing"


def adapter_alone(model):
    (model / "adapter_config.json").write_text('{"base_model_name_or_path": "someone/base"}')
    return "not the model it belongs to, someone/base"


def parts_without_index(model):
    (model / "model-00001-of-00002.safetensors").touch()
    return "but not the model.safetensors.index.json that names them"


@pytest.mark.parametrize("fault", [broken_link, adapter_alone, parts_without_index])
@pytest.mark.parametrize("tokenizer", [True, False])
def test_every_command_names_the_same_fault_of_a_folder(
    refused, commands, model, fault, tokenizer
):
    (model / "model.safetensors").unlink()
    if not tokenizer:
        (model / "tokenizer.json").unlink()
    reason = fault(model)
    sentences = {refused(command, *arguments) for command, arguments in commands.items()}
    assert len(sentences) == 1
    assert reason in sentences.pop()


@pytest.mark.parametrize("command", ["contributions", "train"])
def test_weights_of_another_model(progsearch, commands, model, command):
    settings = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(settings | {"num_hidden_layers": 12}))
    outcome = progsearch(command, *commands[command])
    assert outcome.code == 2
    # Messages on the data come before.
    (error,) = [line for line in outcome.stderr.splitlines() if line.startswith("Error: ")]
    assert "do not fit a BertForSequenceClassification" in error
    assert outcome.stderr.endswith(f"{error}\n")


def test_wrong_metric(refused):
    arguments = ("contributions", "--task", "bbc-headlines", "--metric", "fischer")
    assert "did you mean fisher?" in refused(*arguments)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--budget", 0),
        ("--seeds", 0),
        ("--epochs", 0),
        ("--time", "soon"),
        ("--objective", "speed"),
        ("--method", "full,lorra"),
        ("--precision", "fp8"),
        ("--sampler", "annealing"),
        ("--scheduler", "asha"),
        ("--candidates", 0),
        ("--study", "a/b"),
    ],
)
def test_impossible_values_of_options(refused, option, value):
    message = refused("run", "--task", "bbc-headlines", option, value)
    assert message.startswith(f"Error: {option}: ")


@pytest.mark.parametrize(
    ("option", "value"),
    [("--budget", 0), ("--parallel", 0), ("--gpus-per-trial", -1), ("--processes-per-trial", 0)],
)
def test_impossible_values_for_resume(refused, option, value):
    message = refused("resume", "any", option, value)
    assert message.startswith(f"Error: {option}: must be ") and str(value) in message


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--seeds", 0),
        ("--parallel", 0),
        ("--gpus-per-trial", 1.5),
        ("--processes-per-trial", 0),
        ("--margin", "soon"),
        ("--margin", "0"),
        ("--margin", "1"),
        ("--margin", "-1pt"),
    ],
)
def test_impossible_confirmations(refused, option, value):
    arguments = {"--seeds": 2} | {option: value}
    message = refused("confirm", "any", *[f"{o}={v}" for o, v in arguments.items()])
    assert message.startswith(f"Error: {option}: must be ")
    assert str(value) in message


def test_a_study_without_a_result_cannot_be_confirmed(refused, tmp_path):
    create_study(Recipe(task=TaskConfig(name="bbc-headlines"), study="mine"), tmp_path / "studies")
    message = refused("confirm", "mine", "--seeds", 2)
    assert "nothing to confirm" in message and "`progsearch resume mine`" in message


def test_missing_data_column(refused, tmp_path):
    train = write_csv(tmp_path / "train.csv", [("text", "label"), ("good", "1"), ("bad", "0")])
    message = refused("run", "--train-file", train, "--label-column", "stars")
    assert "stars" in message and "text" in message and "label" in message


def test_labels_unseen_in_training(refused, tmp_path):
    train = write_csv(tmp_path / "train.csv", [("text", "label"), ("a", "yes"), ("b", "no")] * 1)
    dev = write_csv(tmp_path / "dev.csv", [("text", "label"), ("c", "yes"), ("d", "maybe")])
    assert "maybe" in refused("run", "--train-file", train, "--validation-file", dev)


def test_a_study_name_taken(refused, tmp_path):
    recipe = Recipe(task=TaskConfig(name="bbc-headlines"), study="mine")
    create_study(recipe, tmp_path / "studies")
    message = refused("run", "--task", "bbc-headlines", "--study", "mine")
    assert "`progsearch resume mine`" in message


@pytest.mark.parametrize("command", ["resume", "status", "report", "dashboard"])
def test_a_study_that_is_not_there(refused, command):
    assert "there is no study 'nowhere'" in refused(command, "nowhere")


def test_confirming_a_study_that_is_not_there(refused):
    assert "there is no study 'nowhere'" in refused("confirm", "nowhere", "--seeds", 2)


def test_no_file(refused):
    assert "no such file" in refused("validate", "missing.yaml")
    assert "no such file" in refused("train", "missing.yaml", "--output-dir", "model")
    assert "no such file" in refused("run", "missing.yaml")


def test_what_was_probably_meant_is_named(refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reviews.csv").write_text("text,label\na,b\n")
    for command in (
        ("train", "review.csv", "--output-dir", "model"),
        ("run", "--train-file", "review.csv"),
    ):
        assert "did you mean" in (message := refused(*command)) and "reviews.csv?" in message
    assert "is not a schedule file" in refused("train", "reviews.csv", "--output-dir", "model")
    assert "data is given with --train-file" in refused("run", "reviews.csv")
    assert "--min-metric: must be at most 1: write 85% or 0.85" in refused(
        "run", "--task", "mrpc", "--min-metric", "85"
    )


def test_a_corrupt_config(refused, tmp_path):
    (tmp_path / "best.yaml").write_text("model: [minilm-l6\nstages: }")
    message = refused("train", "best.yaml", "--output-dir", "model")
    assert "best.yaml" in message and "line 2" in message
    assert not (tmp_path / "model").exists()


def test_unknown_key_of_a_space(refused, tmp_path):
    write_yaml("space.yaml", {"dimensions": {"n_stage": {"type": "int", "low": 1, "high": 3}}})
    message = refused("run", "--task", "bbc-headlines", "--space", "space.yaml")
    assert "space.yaml: dimensions.n_stage: " in message and "n_stages" in message


def test_impossible_value_of_a_space(refused, tmp_path):
    write_yaml("space.yaml", {"dimensions": {"n_stages": {"type": "int", "low": 0, "high": 3}}})
    message = refused("run", "--task", "bbc-headlines", "--space", "space.yaml")
    assert "space.yaml: dimensions.n_stages.low: must lie in 1..6" in message


@pytest.mark.parametrize(
    ("group", "option", "place"),
    [
        ("samplers", ("--sampler", "theirs"), "--sampler: "),
        ("methods", ("--method", "theirs"), "--method: "),
        ("task_types", ("--type", "theirs"), "task type "),
    ],
)
def test_a_class_of_another_package_that_is_none_of_its_kind(
    refused, install_plugin, group, option, place
):
    """The kind and the name are said once."""
    install_plugin(f"progsearch.{group}", {"theirs": "decimal:Decimal"})
    message = refused("run", "--task", "bbc-headlines", *option)
    assert message.startswith(f"Error: {place}'theirs' (decimal:Decimal) is not a subclass of ")
    assert message.endswith("; fix its package\n")


def test_output_that_would_be_lost(refused, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").touch()
    (tmp_path / "best.yaml").write_text(
        "progsearch_version: 0.1.0\nmodel: minilm-l6\ntask: {name: bbc-headlines}\n"
        "stages: [{start: 0, end: 1, trainable_blocks: [5], embeddings: false}]\n"
    )
    message = refused("train", "best.yaml", "--output-dir", "model")
    assert "--force" in message
    (tmp_path / "space.yaml").touch()
    assert "--force" in refused("cp", "quick", "space.yaml")


def test_a_folder_that_is_not_there(refused):
    assert "there is no folder" in refused("cp", "quick", "nowhere/space.yaml")
    assert "no built-in space" in refused("cp", "quikc", "space.yaml")
