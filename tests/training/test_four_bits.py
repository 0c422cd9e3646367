"""Runs whose frozen weights are held in 4 bits: keys, reuse, saving, the Trainer."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForSequenceClassification

from progsearch import prepare_model
from progsearch.errors import MethodError
from progsearch.schedule import Schedule
from progsearch.store import Store
from progsearch.training import TrainingRun, save_run
from tests.support.runs import changed, config_of, finish, four_block_bert, weights
from tests.support.trainers import trainer_for
from tests.training.test_keys import lineage_of

pytest.importorskip("bitsandbytes")

TOP = Schedule.last_blocks(3, 1)
# The method, and what differs from the usual training.
WAYS = [("full", {"frozen_dtype": "nf4"}), ("lora", {"frozen_dtype": "nf4"}), ("qlora", {})]


def run_of(files, store=None, schedule=TOP, method="full", **training):
    run = TrainingRun.from_config(
        config_of(files, schedule, method, **training), store=store, device="cpu"
    )
    finish(run)
    return run


@pytest.mark.parametrize(
    ("method", "training"),
    [WAYS[0], *(pytest.param(*way, marks=pytest.mark.slow) for way in WAYS[1:])],
)
def test_stored_steps_are_its_own_and_are_reused(files, tmp_path, method, training):
    store = Store(tmp_path)
    plain = run_of(files, store, method="lora" if method == "qlora" else method)
    first = run_of(files, store, method=method, **training)
    again = run_of(files, store, method=method, **training)
    assert first.spent().steps_trained == first.total_steps
    assert again.spent().steps_trained == 0
    assert again.result().metrics == first.result().metrics
    assert changed(weights(plain.model), weights(first.model))
    again.catch_up()
    again.finish()
    assert not changed(weights(again.model), weights(first.model))


def test_states_of_a_frozen_prefix_are_not_shared_with_exact_weights(files):
    exact, held, qlora, lora = (
        lineage_of(config_of(files, TOP, method, **training))
        for method, training in [("full", {}), *WAYS[::2], ("lora", {})]
    )
    origins = [lineage.origin(0) for lineage in (exact, held, qlora, lora)]
    assert all(one != other for one in origins for other in origins if one is not other)
    assert exact.key(1) != held.key(1)
    bf16 = lineage_of(config_of(files, TOP, precision="bf16", frozen_dtype="nf4"))
    assert bf16.origin(0) != lineage_of(config_of(files, TOP, precision="bf16")).origin(0)


def test_a_saved_model_has_the_exact_frozen_weights(files, tmp_path):
    run = run_of(files, frozen_dtype="nf4")
    metrics = save_run(run, tmp_path / "out")
    saved = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out").eval()
    before = AutoModelForSequenceClassification.from_pretrained(files[0])
    moved = changed(weights(before), weights(saved))
    assert moved
    assert not {name for name in moved if ".layer.0." in name or ".layer.1." in name}
    split = run.task.validation
    with torch.no_grad():
        found = saved(**split.batch(range(len(split)))).logits
    assert run.task.evaluate(found.numpy(), split)["accuracy"] == metrics["accuracy"]


def test_qlora_is_saved_as_peft_merges_its_matrices_into_the_exact_weights(files, tmp_path):
    run = run_of(files, method="qlora", schedule=Schedule.last_blocks(3, 2))
    run.finish()
    ours = weights(run.model)
    save_run(run, tmp_path / "out")
    saved = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out").eval()
    base = AutoModelForSequenceClassification.from_pretrained(files[0])
    targets = r".*encoder.*(query|key|value|dense)"
    config = LoraConfig(r=8, lora_alpha=16.0, target_modules=targets, task_type="SEQ_CLS")
    apart = get_peft_model(base, config)
    with torch.no_grad():
        for name, parameter in apart.named_parameters():
            own = name.removeprefix("base_model.model.").replace("modules_to_save.default.", "")
            if own in ours:
                parameter.copy_(ours[own])
        merged = apart.merge_and_unload().eval()
        split = run.task.validation
        batch = split.batch(range(len(split)))
        torch.testing.assert_close(saved(**batch).logits, merged(**batch).logits)


def test_memory_is_predicted_with_it(files):
    exact, held, qlora, lora = (
        TrainingRun.from_config(config_of(files, TOP, method, **training)).cost.peak_memory
        for method, training in [("full", {}), *WAYS[::2], ("lora", {})]
    )
    assert held < exact
    assert qlora < lora


def test_the_trainer_refuses_the_method_and_warns_of_the_option(exported, tmp_path, caplog):
    file = exported("qlora")
    with pytest.raises(MethodError, match=r"the method of the file is qlora.*`progsearch train"):
        prepare_model(four_block_bert(), file)
    with pytest.raises(MethodError, match="only progsearch's own training does so"):
        trainer_for(four_block_bert(), file, tmp_path).train()
    held = exported("full", frozen_dtype="nf4")
    trainer_for(four_block_bert(), held, tmp_path).train()
    assert "the frozen weights are exact in the Trainer and rounded to 4 bits" in caplog.text
