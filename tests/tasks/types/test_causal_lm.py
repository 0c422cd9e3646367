"""What a language model learns from: rows, prompts, conversations; which tokens are targets."""

import json
import math

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from progsearch.config import TaskConfig
from progsearch.errors import TaskError
from progsearch.models.loading import load_model, load_tokenizer
from progsearch.models.token_scores import IGNORED, scores_of
from progsearch.space.space import Space
from progsearch.tasks import load_task, load_task_for
from progsearch.tasks.next_tokens import begin_of, with_own_padding
from progsearch.tasks.reading import check_task, read_task
from progsearch.tasks.types import TASK_TYPES
from progsearch.tasks.types.causal_lm import CausalLM
from progsearch.tasks.understanding import understand
from tests.support.language import (
    END,
    byte_tokenizer,
    language_task,
    save_language_model,
    sums,
    write_lines,
)
from tests.support.runs import language_split

TOKENIZER = byte_tokenizer()


@pytest.fixture
def task(tmp_path):
    """Writes rows of JSON, half of them validation rows; returns the config."""

    def write(rows, **settings):
        file = write_lines(tmp_path / "rows.jsonl", rows)
        return TaskConfig(
            name="rows", train_file=file, validation_file=file, **{"max_length": 128} | settings
        )

    return write


def learned(split, row, tokenizer=TOKENIZER):
    """The tokens of a row, and those of its targets, as text."""
    batch = split.batch([row])
    labels = batch["labels"][0]
    return (
        tokenizer.decode(batch["input_ids"][0]),
        tokenizer.decode(labels[labels != IGNORED]),
    )


def test_the_loss_is_that_of_completions_and_their_end(tmp_path):
    data = load_task(language_task(tmp_path), TOKENIZER)
    assert (data.type.name, data.metric) == ("causal-lm", "likelihood")
    first = sums()[0]
    text = first["prompt"] + first["completion"] + END
    assert learned(data.train, 0) == (text, first["completion"] + END)
    assert data.train.units[0] == len(first["completion"]) + 1
    assert "completion from completion; the loss is that of completions" in data.examples.notes[0]


def test_alpaca_rows_are_written_in_its_template(task):
    rows = [
        {"instruction": "Say it.", "input": "A word", "output": "word"},
        {"instruction": "Say one.", "input": "", "output": "one"},
    ]
    data = load_task(task(rows, max_length=512), TOKENIZER)
    with_input, without = (learned(data.train, row) for row in (0, 1))
    assert with_input[1] == "word" + END
    assert with_input[0].startswith("Below is an instruction that describes a task, paired with")
    assert with_input[0].endswith("\n\n### Input:\nA word\n\n### Response:word" + END)
    assert "### Input" not in without[0]
    assert without[0].endswith("### Instruction:\nSay one.\n\n### Response:one" + END)
    assert "in Alpaca's template" in data.examples.notes[0]


def test_questions_with_free_answers_are_recognised(task):
    rows = [
        {"question": f"How many are {i}?", "answer": f"There are {i} of them"} for i in range(9)
    ]
    data = load_task(task(rows), TOKENIZER)
    assert learned(data.train, 2) == (
        "How many are 2?\nThere are 2 of them" + END,
        "There are 2 of them" + END,
    )


def test_questions_with_names_of_classes_are_not(task):
    rows = [{"question": f"Is it {i}?", "answer": "yes" if i % 2 else "no"} for i in range(20)]
    assert read_task(task(rows)).type.name == "classification"


def test_any_two_columns_can_be_given(task):
    rows = [{"title": "A", "body": "b c", "summary": "d", "id": 7}] * 3
    config = task(rows, type="causal-lm", text_columns=("title", "body"), label_column="summary")
    assert learned(load_task(config, TOKENIZER).train, 0) == ("A\nb c\nd" + END, "d" + END)
    with pytest.raises(TaskError, match="not clear which ones a language model must learn from"):
        check_task(task(rows, type="causal-lm"))
    with pytest.raises(TaskError, match="has no column 'text'"):
        check_task(task(rows, type="causal-lm", text_columns=("text",)))


CHAT = [
    {"role": "system", "content": "Be short."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Ho"},
    {"role": "user", "content": "Bye"},
    {"role": "assistant", "content": "So long"},
    {"role": "user", "content": "?"},
]


def test_conversations_are_written_in_the_chat_template(task):
    data = load_task(task([{"messages": CHAT}] * 2), TOKENIZER)
    text, targets = learned(data.train, 0)
    assert text == TOKENIZER.apply_chat_template(CHAT[:5], tokenize=False)
    # Of each answer up to its end; the line break behind it is nothing to learn.
    assert targets == f"Ho{END}So long{END}"


def test_an_answer_whose_template_has_no_end_gets_one(task):
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m.role }}:{{ m.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant:{% endif %}"
    )
    data = load_task(task([{"messages": CHAT}] * 2), tokenizer)
    assert learned(data.train, 0, tokenizer)[1] == f"Ho\nSo long\n{END}"


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        ([{"role": "user", "content": "Hi"}], "is no conversation"),
        ([{"role": "assistant"}], "is no conversation"),
        ("Hi", "is no conversation"),
    ],
)
def test_a_row_without_a_conversation_is_named(task, messages, says):
    rows = [{"messages": CHAT}, {"messages": messages}]
    with pytest.raises(TaskError, match=f"line 2 {says} in column 'messages'"):
        check_task(task(rows))


def test_without_a_chat_template_conversations_are_refused(task):
    with pytest.raises(TaskError, match="has no chat template, which conversations need"):
        load_task(task([{"messages": CHAT}] * 2), byte_tokenizer(chat=False))


def test_what_a_chat_template_refuses_is_said(task):
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = "{{ raise_exception('no system role') }}"
    with pytest.raises(TaskError, match=r"refuses a conversation with the roles .*no system role"):
        load_task(task([{"messages": CHAT}] * 2), tokenizer)


# -- the traps -----------------------------------------------------------------------------------


def test_the_end_is_learned_even_if_it_is_the_padding_token(tmp_path):
    tokenizer = byte_tokenizer(pad=END)
    data = load_task(language_task(tmp_path), with_padding(tokenizer))
    batch = data.train.batch(range(8))
    last = batch["attention_mask"].sum(1) - 1
    rows = torch.arange(8)
    assert (batch["labels"][rows, last] == tokenizer.eos_token_id).all()
    # Padding after the end is no target.
    assert (batch["labels"][batch["attention_mask"] == 0] == IGNORED).all()


def with_padding(tokenizer):
    """A tokenizer whose vocabulary has no other token that could be the padding token."""
    tokenizer.get_vocab = lambda: {}
    return tokenizer


def test_a_padding_token_apart_from_the_end_is_taken_if_there_is_one(tmp_path):
    folder = save_language_model(tmp_path / "model", tokenizer=byte_tokenizer(pad=END))
    given = load_tokenizer(folder)
    assert given.pad_token == END
    apart = with_own_padding(given)
    assert (apart.pad_token, given.pad_token) == ("<pad>", END)
    apart.save_pretrained(tmp_path / "saved")
    assert AutoTokenizer.from_pretrained(tmp_path / "saved").pad_token == "<pad>"


def test_rows_without_a_target_are_counted_and_dropped(task, caplog):
    rows = [*sums(6), {"prompt": "x" * 200, "completion": "lost"}]
    data = load_task(task(rows), TOKENIZER)
    assert len(data.train) == 6
    assert "1 of 7 training rows of rows have no target within their tokens" in caplog.text
    assert (data.train.units > 0).all()
    splits = understand(data, TOKENIZER).splits
    # Of the training rows, the one that would have been cut is left out.
    assert [splits[name].cut_rows for name in ("train", "validation")] == [0, 1]


def test_a_file_of_only_such_rows_is_refused(task):
    rows = [{"prompt": "x" * 200, "completion": "lost"}] * 3
    with pytest.raises(TaskError, match="no training row of rows has a target within its tokens"):
        load_task(task(rows), TOKENIZER)


def test_so_is_validation_data_without_any(task, tmp_path):
    lost = write_lines(tmp_path / "lost.jsonl", [{"prompt": "x" * 200, "completion": "lost"}])
    config = task(sums()).model_copy(update={"validation_file": lost})
    with pytest.raises(TaskError, match="no validation row of rows has a target"):
        load_task(config, TOKENIZER)


def test_a_tokenizer_without_an_end_is_refused(task):
    tokenizer = byte_tokenizer()
    tokenizer.eos_token = None
    with pytest.raises(TaskError, match="has no end-of-sequence token, so the model would not"):
        load_task(task(sums()), tokenizer)


def test_the_first_token_of_a_row_is_no_target(task):
    data = load_task(
        task(
            [{"prompt": "", "completion": "ab"}] * 2,
            drop_missing=False,
            type="causal-lm",
            text_columns=("completion",),
        ),
        TOKENIZER,
    )
    assert data.train.units.tolist() == [2, 2]
    assert data.train.batch([0])["labels"][0, 0] == IGNORED


# -- texts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("begin", [None, "<begin>"])
def test_rows_of_texts_hold_one_document_each_and_miss_no_token(task, begin):
    tokenizer = byte_tokenizer(begin=begin)
    texts = ["w" * 30, "x" * 7, "y" * 15, "z"]
    config = task([{"text": text} for text in texts], type="causal-lm", max_length=8)
    split = load_task(config, tokenizer).train
    assert split.lengths.max() == 8
    assert len(begin_of(tokenizer)) == (begin is not None)
    for number, text in enumerate(texts):
        rows = np.flatnonzero(split.example_of == number)
        seen = [learned(split, row, tokenizer) for row in rows]
        assert {letter for row, _ in seen for letter in row if letter in "wxyz"} == {text[0]}
        # Every token once; the first one only if something is before it.
        expected = text + END if begin else text[1:] + END
        assert "".join(targets for _, targets in seen) == expected


def test_a_file_of_text_is_one_document_of_which_a_tenth_is_held_out(tmp_path, caplog):
    caplog.set_level("INFO", logger="progsearch")
    file = tmp_path / "book.txt"
    file.write_text("".join(f"line {i},\twith a tab\n" for i in range(50)))
    config = TaskConfig(name="book", type="causal-lm", train_file=str(file), max_length=32)
    task = read_task(config)
    (train,), (validation,) = task.train.texts[0], task.validation.texts[0]
    assert train + validation == file.read_text()
    assert validation.startswith("line 4")
    assert 0.05 < len(validation) / len(train) < 0.15
    assert "its last tenth is held out" in caplog.text
    data = load_task(config, TOKENIZER)
    understood = understand(data, TOKENIZER).splits["validation"]
    assert understood.rows == len(data.validation) > len(data.examples.validation) == 1
    # Without the type it is a table, as before.
    with pytest.raises(TaskError):
        read_task(config.model_copy(update={"type": None}))


# -- metrics -------------------------------------------------------------------------------------


def test_metrics_are_means_over_target_tokens(tmp_path):
    folder = save_language_model(tmp_path / "model")
    data = load_task_for(folder, language_task(tmp_path))
    model = load_model(folder, data.head)
    split = data.validation
    losses, right = [], []
    for row in range(len(split)):
        batch = split.batch([row])
        with torch.no_grad():
            logits = model(**batch).logits[0, :-1]
        labels = batch["labels"][0, 1:]
        counted = labels != IGNORED
        losses += torch.nn.functional.cross_entropy(
            logits[counted], labels[counted], reduction="none"
        ).tolist()
        right += (logits[counted].argmax(-1) == labels[counted]).tolist()
    batch = split.batch(range(len(split)))
    with torch.no_grad():
        kept = data.keep(model(**batch), batch)[batch["attention_mask"].bool()].numpy()
    found = data.evaluate(kept, split)
    loss = sum(losses) / len(losses)
    assert found["loss"] == pytest.approx(loss, abs=1e-6)
    assert found["perplexity"] == pytest.approx(math.exp(loss), rel=1e-6)
    assert found["likelihood"] == pytest.approx(math.exp(-loss), rel=1e-6)
    assert found["token_accuracy"] == sum(right) / len(right)
    assert math.isnan(data.evaluate(kept * np.nan, split)["loss"])


@pytest.mark.parametrize("name", ["loss", "perplexity"])
def test_of_loss_and_perplexity_the_likelihood_is_maximised(name, tmp_path):
    config = language_task(tmp_path, metric=name)
    assert read_task(config).metrics[0] == "likelihood"
    losses = [0.3, 2.0, 9.0]
    kinds = [CausalLM().evaluate(["likelihood", "loss"], *outputs(loss)) for loss in losses]
    assert [k["loss"] for k in kinds] == pytest.approx(losses)
    assert sorted(k["likelihood"] for k in kinds) == [k["likelihood"] for k in kinds][::-1]


def outputs(loss):
    split = language_split(4)
    kept = np.zeros((int(split.lengths.sum()), 2), dtype=np.float32)
    kept[:, 0] = loss
    return kept, split


def test_learning_rates_are_those_of_instruction_tuning():
    """2e-5, and about ten times as much for LoRA."""
    assert CausalLM.learning_rate == 2e-5
    space = Space.load("windows", ["full", "lora"]).at(CausalLM.learning_rate)
    assert space.learning_rates("full", 1.0) == (5e-6, 1e-5, 2e-5, 4e-5)
    assert space.learning_rates("lora", 1.0) == (5e-5, 1e-4, 2e-4, 4e-4)


def test_the_blocks_in_the_middle_are_a_reference_of_language_models_alone():
    assert CausalLM.references == ("middle",)
    others = [kind for kind in TASK_TYPES if kind is not CausalLM]
    assert others
    assert not any(kind.references for kind in others)


def test_a_tie_is_no_right_answer():
    """A model that gives all tokens the same logit has learned nothing."""
    labels = torch.tensor([[IGNORED, 3, 4]])
    scores = scores_of(torch.zeros(1, 3, 8), labels)
    assert scores[0, :, 0].tolist() == pytest.approx([0, math.log(8), math.log(8)])
    assert (scores[..., 1] == 0).all()
    logits = torch.zeros(1, 3, 8)
    logits[0, 0, 3] = 1
    assert scores_of(logits, labels)[0, :, 1].tolist() == [0, 1, 0]


def test_the_constant_answer_is_the_tokens_frequency(tmp_path):
    data = load_task(language_task(tmp_path), TOKENIZER)
    labels = data.validation.targets["labels"].numpy()
    _, counts = np.unique(labels[labels != IGNORED], return_counts=True)
    shares = counts / counts.sum()
    entropy = -(shares * np.log(shares)).sum()
    assert data.type.constant("loss", data.validation) == pytest.approx(entropy)
    assert data.type.constant("token_accuracy", data.validation) == shares.max()
    assert data.majority() == pytest.approx(math.exp(-entropy))


def test_tokens_are_read_from_the_cache_and_follow_the_template(task, monkeypatch, tmp_path):
    monkeypatch.setenv("PROGSEARCH_CACHE", str(tmp_path / "cache"))
    config = task([{"messages": CHAT}] * 2)
    split = load_task(config, TOKENIZER).train
    (file,) = (tmp_path / "cache/tokenised").glob("*.npz")
    assert load_task(config, TOKENIZER).train.fingerprint() == split.fingerprint()
    file.write_bytes(b"damaged")
    assert load_task(config, TOKENIZER).train.fingerprint() == split.fingerprint()
    other = byte_tokenizer()
    other.chat_template = other.chat_template.replace("<turn>", "<turn>:")
    assert load_task(config, other).train.fingerprint() != split.fingerprint()
    assert json.loads(read_task(config).train.texts[0][0])[0] == CHAT[0]


def test_a_text_without_line_breaks_is_cut_at_a_blank(tmp_path):
    file = tmp_path / "corpus.txt"
    file.write_text("one two three four five six seven eight nine ten")
    task = read_task(TaskConfig(name="own", type="causal-lm", train_file=str(file)))
    assert task.train.texts[0] == ["one two three four five six seven eight "]
    assert task.validation.texts[0] == ["nine ten"]
