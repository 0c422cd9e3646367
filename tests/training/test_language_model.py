"""Language models in runs: the Trainer's weights, stored steps, saved models."""

import itertools
import json
import math
import re
from dataclasses import replace

import pytest
import torch
from torch.utils.data import Dataset
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    TrainerCallback,
    TrainingArguments,
)

from progsearch.config import TaskConfig
from progsearch.contribution import contribution_scores_many, metric_names
from progsearch.engine.batches import epoch_batches
from progsearch.errors import TaskError
from progsearch.schedule import Schedule, Stage
from progsearch.store import Store
from progsearch.tasks.answering import found_in
from progsearch.tasks.reading import check_task
from progsearch.training import TrainingRun, save_run
from progsearch.training.callback import ProgtuningCallback
from tests.support.language import (
    END,
    byte_tokenizer,
    language_task,
    save_language_model,
    write_lines,
)
from tests.support.runs import (
    config_of,
    finish,
    language_split,
    three_stages,
    tiny_engine,
    weights,
)
from tests.support.tiny import tiny_language_model
from tests.support.trainers import ONE_EPOCH, PLAIN, InOrder, trainer_for


class Rows(Dataset):
    """The engine's rows, epoch after epoch, in its order."""

    def __init__(self, split, batch_size, epochs):
        self.split = split
        self.rows = [
            row
            for epoch in range(epochs)
            for batch in epoch_batches(split.lengths, batch_size, 0, epoch)
            for row in batch
        ]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return self.rows[index]


@pytest.mark.parametrize(
    ("name", "tied", "accumulation"),
    [
        ("llama", True, 2),
        pytest.param("llama", False, 1, marks=pytest.mark.slow),
        pytest.param("qwen2", True, 1, marks=pytest.mark.slow),
    ],
)
def test_trainer_with_the_callback_reaches_the_engines_weights(name, tied, accumulation, tmp_path):
    schedule, split = three_stages(3), language_split(32)
    engine, ours = tiny_engine(
        schedule,
        tiny_language_model(name, tied=tied),
        split=split,
        batch_size=8 // accumulation,
        gradient_accumulation=accumulation,
    )
    engine.advance(engine.total_steps)
    theirs = tiny_language_model(name, tied=tied)
    settings = ONE_EPOCH | {"per_device_train_batch_size": 8 // accumulation}
    args = TrainingArguments(
        output_dir=str(tmp_path), gradient_accumulation_steps=accumulation, **PLAIN, **settings
    )
    InOrder(
        model=theirs,
        args=args,
        train_dataset=Rows(split, 8 // accumulation, epochs=3),
        data_collator=split.batch,
        callbacks=[ProgtuningCallback(schedule)],
    ).train()
    # Adam amplifies the rounding of gradients that are zero, such as those of key biases.
    torch.testing.assert_close(weights(theirs), weights(ours), rtol=0, atol=5e-5)


class Kept(TrainerCallback):
    """Keeps the table and whether the optimizer knows it after each step."""

    def __init__(self, model):
        self.table, self.found = model.get_input_embeddings().weight, []

    def on_step_end(self, args, state, control, optimizer=None, **given):
        self.found.append((self.table.detach().clone(), self.table in optimizer.state))


def test_a_tied_table_is_trained_and_frozen_as_a_whole(tmp_path):
    """With the embeddings, in both places, in the engine and in a Trainer alike."""
    stages = (
        Stage(0, 1 / 3, (0, 1, 2), embeddings=True),
        Stage(1 / 3, 2 / 3, (2,), embeddings=False),
        Stage(2 / 3, 1, (), embeddings=False),
    )
    schedule, split = Schedule(3, stages), language_split(32)
    engine, ours = tiny_engine(schedule, tiny_language_model("qwen2", tied=True), split=split)
    table, found = ours.lm_head.weight, []
    assert table is ours.model.embed_tokens.weight
    for step in range(1, engine.total_steps + 1):
        engine.advance(step)
        found.append((table.detach().clone(), table in engine.optimizer.adamw.state))
    theirs = tiny_language_model("qwen2", tied=True)
    kept, norm = Kept(theirs), theirs.model.norm.weight.detach().clone()
    trainer = trainer_for(theirs, schedule, tmp_path, split=split)
    trainer.add_callback(kept)
    trainer.train()
    assert theirs.lm_head.weight is theirs.model.embed_tokens.weight
    third = engine.total_steps // 3
    for tables in (found, kept.found):
        assert len(tables) == engine.total_steps
        moved = [not torch.equal(a, b) for (a, _), (b, _) in itertools.pairwise(tables)]
        assert moved == [True] * (third - 1) + [False] * (2 * third)
        assert [known for _, known in tables] == [True] * third + [False] * (2 * third)
    # What is left of the head is trained all the time.
    assert not torch.equal(theirs.model.norm.weight, norm)


@pytest.fixture
def files(tmp_path):
    return save_language_model(tmp_path / "model", tied=True), language_task(tmp_path)


@pytest.mark.parametrize(
    "method", ["full", pytest.param("lora", marks=pytest.mark.slow), "adapter"]
)
def test_a_saved_model_is_the_trained_one(method, files, tmp_path):
    """`save_run` compares the outputs of the saved model with those of the trained one."""
    run = TrainingRun.from_config(config_of(files, method=method, epochs=2))
    finish(run)
    metrics = save_run(run, tmp_path / "out")
    assert json.loads((tmp_path / "out/metrics.json").read_text()) == metrics
    assert metrics["perplexity"] == pytest.approx(math.exp(metrics["loss"]))
    if method == "adapter":
        return
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert model.config.use_cache
    assert model.lm_head.weight is model.model.embed_tokens.weight
    split = run.task.validation
    total = 0.0
    for row in range(len(split)):
        with torch.no_grad():
            total += float(model(**split.batch([row])).loss) * int(split.units[row])
    assert total / split.units.sum() == pytest.approx(metrics["loss"], abs=1e-5)


def test_a_saved_model_stops_and_pads_with_tokens_apart(tmp_path):
    tokenizer = byte_tokenizer(pad=END)
    model = save_language_model(tmp_path / "model", tokenizer=tokenizer)
    run = TrainingRun.from_config(config_of((model, language_task(tmp_path)), epochs=1))
    finish(run)
    save_run(run, tmp_path / "out")
    saved = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    found = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert (found.pad_token, found.eos_token) == ("<pad>", END)
    assert saved.generation_config.pad_token_id == found.pad_token_id
    assert saved.generation_config.eos_token_id == found.eos_token_id


@pytest.mark.slow
def test_steps_that_another_run_trained_are_reused(files, tmp_path):
    store = Store(tmp_path / "store", 2**30)
    first = TrainingRun.from_config(config_of(files), store=store)
    _, expected = finish(first)
    again = TrainingRun.from_config(config_of(files), store=store)
    records, found = finish(again)
    assert found.metrics == expected.metrics
    assert again.stored_steps == again.total_steps
    assert len(records) == 3
    # A schedule with the same beginning takes it over, with the states of its frozen prefix.
    *begin, last = three_stages(3).stages
    other = Schedule(3, (*begin, replace(last, trainable_blocks=())))
    run = TrainingRun.from_config(config_of(files, other), store=store)
    _, with_store = finish(run)
    plain = TrainingRun.from_config(config_of(files, other))
    assert with_store.metrics == pytest.approx(finish(plain)[1].metrics, rel=1e-5)
    assert run.stored_steps >= run.total_steps * 2 // 3


def test_every_contribution_metric_scores_a_language_model(files):
    names = [name for name, _ in metric_names()]
    model, task = files
    scores = contribution_scores_many(model, task, names, seed=0)
    assert all(len(values) == 3 for values in scores.values())
    assert len({tuple(values) for values in scores.values()}) == len(names)


def test_forgetting_is_the_loss_on_general_text_after_minus_before(files, tmp_path):
    model, task = files
    general = tmp_path / "general.txt"
    general.write_text("some other text,\nof no prompt\n" * 9)
    given = task.model_copy(update={"general_file": str(general)})
    run = TrainingRun.from_config(config_of((model, given), epochs=2))
    split = run.task.extra_validation["general"]
    before = run.evaluate(split)["loss"]
    records, result = finish(run)
    # Not in every epoch.
    assert "forgetting" not in records[0].metrics
    after = run.evaluate(split)["loss"]
    assert result.metrics["forgetting"] == pytest.approx(after - before, abs=1e-5)
    saved = save_run(run, tmp_path / "out")
    assert saved["general_loss"] == pytest.approx(after, abs=1e-5)
    assert saved["forgetting"] == pytest.approx(after - before, abs=1e-5)
    # The text of no step: the weights are those without it.
    plain = TrainingRun.from_config(config_of(files, epochs=2))
    expected = finish(plain)[1].metrics
    assert {n: result.metrics[n] for n in expected} == pytest.approx(expected)


def test_what_weights_in_four_bits_change_is_not_forgotten(files, tmp_path):
    pytest.importorskip("bitsandbytes")
    model, task = files
    general = tmp_path / "general.txt"
    general.write_text("some other text,\nof no prompt\n" * 9)
    given = task.model_copy(update={"general_file": str(general)})
    # LoRA trains nothing then.
    config = config_of((model, given), Schedule.last_blocks(3, 0), "qlora", epochs=1)
    run = TrainingRun.from_config(config)
    (record,) = run.records()
    assert record.metrics["forgetting"] == 0
    # The weights are held again, for whatever is measured next.
    split = run.task.validation
    # With a precision, it is no cached state that is evaluated.
    held = run.evaluate(split, "fp32")["loss"]
    assert held == pytest.approx(record.metrics["loss"], abs=1e-6)
    run.finish()
    assert run.evaluate(split, "fp32")["loss"] != pytest.approx(held, abs=1e-6)


def test_general_text_is_for_language_models(files, tmp_path):
    _, task = files
    rows = tmp_path / "rows.csv"
    rows.write_text("text,label\n" + "a film,good\nno film,bad\n" * 9)
    given = {"train_file": str(rows), "validation_file": None, "general_file": str(rows)}
    with pytest.raises(TaskError, match="--general-file is for language models, but task"):
        check_task(task.model_copy(update=given))
    with pytest.raises(TaskError, match="--general-file must hold plain texts"):
        check_task(task.model_copy(update={"general_file": task.train_file}))
    with pytest.raises(TaskError, match="metric forgetting does not fit task"):
        check_task(task.model_copy(update={"metric": "forgetting"}))


@pytest.mark.slow
def test_answers_are_generated_at_the_end(tmp_path):
    """Untied, so that the token table would be reduced to the rows of the data."""
    model = save_language_model(tmp_path / "model")
    # Longer than the 20 tokens that transformers generates by default.
    answer = "abcdefghijklmnopqrst=>uv"
    rows = [{"prompt": f"what is {i % 7}? ", "completion": answer} for i in range(64)]
    file = write_lines(tmp_path / "rows.jsonl", rows)
    task = TaskConfig(
        name="rows",
        train_file=file,
        validation_file=file,
        max_length=64,
        answer_pattern=r"=>(\w+)",
    )
    run = TrainingRun.from_config(config_of((model, task), epochs=4))
    records, result = finish(run)
    assert not any("exact_match" in record.metrics for record in records[:-1])
    assert result.metrics["exact_match"] == 1.0
    untrained = TrainingRun.from_config(config_of((model, task), learning_rate=1e-9, epochs=1))
    assert finish(untrained)[1].metrics["exact_match"] == 0.0
    assert save_run(run, tmp_path / "out")["exact_match"] == 1.0


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("(", "'\\(' is no regular expression"),
        ("####", "no answer of the validation data matches --answer-pattern '####'"),
    ],
)
def test_a_pattern_that_finds_nothing_is_refused(files, pattern, says):
    with pytest.raises(TaskError, match=says):
        check_task(files[1].model_copy(update={"answer_pattern": pattern}))


def test_the_last_match_of_an_answer_counts():
    assert found_in("#### 1 then #### 2 ", re.compile("#### (.*?) ")) == "2"
    assert found_in("1,234 and 5", re.compile(r"[\d,]+")) == "5"
    assert found_in("none", re.compile("#### (.*)")) is None
    # Such a pattern matches nothing at the end, too, which would make every answer right.
    assert found_in("five\n", re.compile("(.*)")) == "five"
    assert found_in("", re.compile("(.*)")) is None
