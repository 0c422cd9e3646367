from __future__ import annotations

import subprocess
import sys

import pytest

from progsearch.tasks.sources.catalogue import GLUE, canonical_name, task_names, unknown_task


def test_lists_the_demo_the_nine_glue_tasks_and_those_of_the_hub_with_their_types():
    names = [name for name, _ in task_names()]
    types = {name: description.partition(";")[0] for name, description in task_names()}

    assert names[0] == "bbc-headlines"
    assert sorted(names[1:10]) == sorted(
        ["mrpc", "sst2", "cola", "stsb", "qqp", "mnli", "qnli", "rte", "wnli"]
    )
    assert names[10:] == ["squad", "squad_v2", "conll2003", "wnut17", "swag", "gsm8k"]
    assert {types.pop(name) for name in names[10:12]} == {"span"}
    assert {types.pop(name) for name in names[12:14]} == {"tokens"}
    assert (types.pop("swag"), types.pop("gsm8k")) == ("multiple-choice", "causal-lm")
    assert types.pop("stsb") == "regression"
    assert set(types.values()) == {"classification"}
    assert all("\n" not in description for _, description in task_names())


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        *(("SST-2", "sst2"), ("sts-b", "stsb"), ("MRPC", "mrpc"), ("Own/Data", "Own/Data")),
        *(("SQuAD", "squad"), ("squad-v2", "squad_v2"), ("CoNLL-2003", "conll2003")),
        *(("wnut_17", "wnut17"), ("GSM8K", "gsm8k")),
    ],
)
def test_names_are_read_leniently(written, meant):
    assert canonical_name(written) == meant


def test_official_metrics():
    metrics = {name: task.metrics for name, task in GLUE.items()}

    assert metrics["mrpc"] == metrics["qqp"] == ("accuracy", "f1")
    assert metrics["cola"] == ("matthews_correlation",)
    assert metrics["stsb"] == ("pearson", "spearman")
    assert {metrics[name] for name in ("mnli", "qnli", "rte", "sst2", "wnli")} == {("accuracy",)}


def test_unknown_task_suggests_and_lists():
    message = str(unknown_task("mprc"))

    assert "did you mean mrpc?" in message
    assert "wnli" in message
    assert "did you mean" not in str(unknown_task("zzzzzz"))


def test_listing_tasks_imports_nothing_heavy():
    code = (
        "import sys; from progsearch.tasks import task_names; task_names();"
        "print([m for m in ('torch', 'datasets', 'transformers', 'numpy') if m in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
