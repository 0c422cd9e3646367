import json

import pytest
import tokenizers
import transformers

from progsearch.engine.shortcuts import head_token
from progsearch.models.architectures import Architecture
from tests.support.eos import save_with_end, write_task


@pytest.fixture
def model(tmp_path):
    return save_with_end(tmp_path / "model", "llama")


def test_it_prints_what_each_shortcut_comes_to(progsearch, model):
    outcome = progsearch("selfcheck", "--model", model)
    assert outcome.code == 0
    rows = [line.split("  ")[0].strip() for line in outcome.stdout.splitlines()]
    assert "prefix cache" in rows and "last block for the head's token" in rows
    assert " off " not in outcome.stdout


def test_it_says_what_is_off_and_why(progsearch, model, monkeypatch):
    wrong = Architecture("llama", "Llama", "self_attn.q_proj")
    monkeypatch.setattr(head_token, "architecture_of", lambda model: wrong)
    outcome = progsearch("selfcheck", "--model", model, "--json")
    assert outcome.code == 0
    found = json.loads(outcome.stdout)
    assert found["task"] is None
    off = {row["shortcut"]: row["reason"] for row in found["findings"] if row["reason"]}
    assert list(off) == ["HeadToken"]


def test_it_reads_the_data_of_a_task(progsearch, model, tmp_path):
    task = write_task(tmp_path)
    outcome = progsearch("selfcheck", "--model", model, "--train-file", task.train_file, "--json")
    found = json.loads(outcome.stdout)
    assert (outcome.code, found["task"]) == (0, "train")
    assert {row["reason"] for row in found["findings"]} == {None}


def test_a_model_that_cannot_be_used_is_one_sentence(progsearch, tmp_path):
    outcome = progsearch("selfcheck", "--model", tmp_path / "none")
    assert outcome.code == 2
    assert outcome.stderr.count("\n") == 1


def test_a_tokenizer_that_gives_no_token_is_one_sentence(progsearch, model, tmp_path):
    backend = tokenizers.Tokenizer(tokenizers.models.BPE({"<pad>": 0, "a": 1}, []))
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>")
    tokenizer.save_pretrained(model)
    (tmp_path / "rows.csv").write_text("text,label\n" + "good film,x\nbad plot,y\n" * 8)
    for task in ((), ("--train-file", tmp_path / "rows.csv")):
        outcome = progsearch("selfcheck", "--model", model, *task)
        assert outcome.code == 2
        assert "gives no token for " in outcome.stderr.splitlines()[-1]
        assert "Traceback" not in outcome.stderr
