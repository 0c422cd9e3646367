"""A separate process inspects model and task; its results are tested with the searches."""

import json
import os
import signal

import psutil
import pytest
from transformers import AutoModelForSequenceClassification, XLNetConfig

from progsearch.config import method_of
from progsearch.engine.shortcuts import head_token
from progsearch.errors import ModelError, TaskError
from progsearch.models import loading
from progsearch.models.architectures import Architecture
from progsearch.space.space import Space
from progsearch.strategy.problem import Problem
from progsearch.workers.cluster import Machines
from progsearch.workers.inspect_problem import inspect_problem
from progsearch.workers.inspection import inspection
from tests.support.eos import tokenizer
from tests.support.tiny import name_classes, tiny_model
from tests.support.tiny_task import tiny_recipe

FIT = Machines(parallel=1, gpus_per_trial=0.0)


def processes():
    children = psutil.Process().children()
    return [child for child in children if inspect_problem.__module__ in child.cmdline()]


def test_what_was_understood_and_what_is_doubtful_of_it(tmp_path):
    recipe = tiny_recipe(tmp_path)
    found = inspect_problem(recipe, [method_of("full")], [])
    assert isinstance(found, Problem)
    validation = found.understood.splits["validation"]
    assert sum(validation.answers.classes.values()) == validation.rows == 24
    doubt, on_size, on_texts = found.understood.doubts
    assert "24 validation rows, one is worth 4.17 points" in on_size
    assert "have a text that training rows have, too" in on_texts
    assert "assumed to be the classes bad, good of the data, in this order" in doubt
    # Other information, such as the columns, is only a remark.
    assert doubt in found.remarks
    assert len(found.remarks) > 1


def test_classes_are_in_the_order_of_the_models_head(tmp_path):
    recipe = tiny_recipe(tmp_path)
    network = tiny_model("bert")
    name_classes(network, ("good", "bad"))
    network.save_pretrained(recipe.model)
    found = inspect_problem(recipe, [method_of("full")], [])
    assert isinstance(found, Problem)
    assert list(found.understood.splits["train"].answers.classes) == ["good", "bad"]
    on_size, _ = found.understood.doubts
    assert "24 validation rows" in on_size


@pytest.mark.slow
def test_a_process_of_its_own_finds_what_this_one_finds(tmp_path):
    recipe = tiny_recipe(tmp_path, space="progtuning")
    space = Space.load(recipe.space, recipe.methods)
    question = (recipe, space.methods(), space.metrics())
    steps: list[str] = []
    with inspection(*question) as answer:
        found = answer(FIT, steps.append)
    assert steps[1:3] == [f"reading the data of {recipe.task.name}", f"loading {recipe.model}"]
    assert "checking shortcuts" in steps
    assert found == inspect_problem(*question)
    assert set(found.contributions) >= {"taylor", "depth"}


@pytest.mark.slow
def test_a_mistake_comes_back_as_what_it_is(tmp_path):
    recipe = tiny_recipe(tmp_path)
    task = recipe.task.model_copy(update={"label_column": "topic"})
    with (
        inspection(recipe.model_copy(update={"task": task}), [], []) as answer,
        pytest.raises(TaskError, match="topic"),
    ):
        answer(FIT, print)


def test_weights_that_do_not_fit_are_found_before_the_first_trial(tmp_path):
    recipe = tiny_recipe(tmp_path)
    config = tmp_path / "model" / "config.json"
    settings = json.loads(config.read_text())
    config.write_text(json.dumps(settings | {"num_hidden_layers": 4}))
    # From the second time on from what was kept.
    for _ in range(2):
        found = inspect_problem(recipe, [], [])
        assert isinstance(found, Problem)
        (said,) = [text for text in found.remarks if "do not quite fit" in text]
        assert "16 of the 69 weights of its body (22 % of its parameters)" in said
    config.write_text(json.dumps(settings | {"num_hidden_layers": 12}))
    loading.model_fingerprint.cache_clear()
    loading._pristine_model.cache_clear()
    refused = inspect_problem(recipe, [], [])
    assert isinstance(refused, ModelError) and "72 % of its parameters" in str(refused)


def test_a_model_that_reads_padding_is_refused_before_its_blocks_are_scored(tmp_path):
    sizes = {"d_model": 32, "n_layer": 3, "n_head": 2, "d_inner": 48, "vocab_size": 64}
    model = AutoModelForSequenceClassification.from_config(XLNetConfig(**sizes))
    model.save_pretrained(tmp_path / "xlnet")
    tokenizer().save_pretrained(tmp_path / "xlnet")
    recipe = tiny_recipe(tmp_path).model_copy(update={"model": str(tmp_path / "xlnet")})
    found = inspect_problem(recipe, [method_of()], ["block_influence"])
    assert isinstance(found, ModelError)
    assert "padded on the right" in str(found)


def test_a_shortcut_that_is_left_out_is_a_remark(tmp_path, monkeypatch):
    monkeypatch.setenv("PROGSEARCH_CACHE", str(tmp_path / "cache"))
    wrong = Architecture("bert", "BERT", "attention")
    monkeypatch.setattr(head_token, "architecture_of", lambda model: wrong)
    found = inspect_problem(tiny_recipe(tmp_path), [method_of(), method_of("lora")], [])
    assert isinstance(found, Problem)
    (remark,) = [text for text in found.remarks if text.startswith("trained without ")]
    assert "the shortcut last block for the head's token: " in remark


def test_a_killed_process_is_an_error_of_the_model(tmp_path):
    with inspection(tiny_recipe(tmp_path), [], []) as answer:
        (process,) = processes()
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(ModelError, match="was killed; is there enough memory"):
            answer(FIT, print)


def test_whoever_leaves_early_leaves_no_process_behind(tmp_path):
    with pytest.raises(KeyError), inspection(tiny_recipe(tmp_path), [], []):
        assert len(processes()) == 1
        raise KeyError
    assert processes() == []


def test_what_does_not_fit_the_model_is_said_before_the_first_trial(tmp_path):
    recipe = tiny_recipe(tmp_path)
    path = tmp_path / "validation.csv"
    path.write_text(path.read_text() + " ".join(["good"] * 90) + ",good\n")
    found = inspect_problem(recipe, [method_of()], ["depth"])
    assert isinstance(found, Problem)
    noted = (
        "the longest example has 92 tokens and the model has 64 positions: examples are cut to 64"
    )
    assert f"{noted} tokens" in found.remarks

    path.write_text("text,label\n" + "zzz zzz bad,good\n" * 900 + "good,bad\n")
    refused = inspect_problem(recipe, [method_of()], ["depth"])
    assert isinstance(refused, TaskError)
    assert "unknown to the tokenizer" in str(refused)
