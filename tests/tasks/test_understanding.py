"""The summary of a task's data, and warnings about its metric."""

import logging

import pytest

from progsearch.config import Answers, TaskConfig
from progsearch.models.head import Head
from progsearch.tasks import load_task, understand
from tests.e2e.toy_task_type import TokensModulo3
from tests.support.plugins import write_plugin


@pytest.fixture
def understood(tmp_path, tokenizer):
    """Reads rows (text, label) as a task and describes it."""

    def read(train, dev=None, header="text,label", trained=None, **fields):
        files = {}
        for name, rows in (("train", train), ("validation", dev)):
            if rows is not None:
                file = tmp_path / f"{name}.csv"
                file.write_text("\n".join([header, *(f"{t},{y}" for t, y in rows)]) + "\n")
                files[f"{name}_file"] = str(file)
        config = TaskConfig(name="own", **files, **fields)
        return understand(load_task(config, tokenizer, trained=trained), tokenizer)

    return read


def warnings(caplog):
    """The warnings, without the one on the few rows that most tests have."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno == logging.WARNING and "small differences" not in record.getMessage()
    ]


TWO = [("good film", "pos"), ("bad film", "neg")]


def test_columns_type_classes_and_rows(understood):
    found = understood(TWO * 6 + TWO[:1], TWO * 3, header="sentence,label")
    assert (found.type, found.texts, found.label) == ("classification", ("sentence",), "label")
    assert found.columns == "text from sentence, label from label"
    assert {name: split.rows for name, split in found.splits.items()} == {
        "train": 13,
        "validation": 6,
    }
    assert found.splits["train"].answers.classes == {"neg": 6, "pos": 7}
    assert found.lines() == [
        "train (classification): 13 rows; neg (6, 46.2 %), pos (7, 53.8 %), f1 is that of pos; "
        "0 % of tokens unknown; "
        "no text cut",
        "validation (classification): 6 rows; neg (3, 50.0 %), pos (3, 50.0 %), f1 is that of pos"
        "; "
        "0 % of tokens unknown; "
        "no text cut",
    ]


def test_classes_are_counted_in_the_order_of_the_models_head(understood):
    found = understood(TWO * 4 + TWO[:1], TWO * 3, trained=Head(2, ("pos", "neg"), is_new=False))
    assert list(found.splits["train"].answers.classes.items()) == [("pos", 5), ("neg", 4)]


def test_only_the_rows_that_are_trained_on_are_counted(understood):
    found = understood(TWO * 10, TWO * 3, max_train_samples=8)
    assert found.splits["train"].answers.classes == {"neg": 4, "pos": 4}


def test_numbers_have_a_range_as_it_is_written(understood):
    rows = [("good", 0.05), ("bad", 1.7), ("film", 550.25)]
    found = understood(rows * 4, rows[1:] * 2)
    assert found.type == "regression"
    assert found.splits["train"].answers == Answers(span=(0.05, 550.25))
    assert "numbers from 1.7 to 550.25" in found.lines()[-1]


def test_the_share_of_unknown_tokens_leaves_special_ones_out(understood, tokenizer):
    tokenizer.cls_token, tokenizer.sep_token = "[CLS]", "[SEP]"
    found = understood([("good xyzzy", "pos"), ("bad film", "neg")] * 4, TWO * 2)
    assert found.splits["train"].unknown == pytest.approx(1 / 4)
    assert found.splits["validation"].unknown == 0
    tokenizer.unk_token = tokenizer.pad_token
    assert understood(TWO * 4, TWO * 2).splits["train"].unknown is None


def test_the_share_of_tokens_that_were_cut_off(understood):
    # Two tokens of each row are special: long rows keep 8 tokens and lose 4.
    long = " ".join(["good"] * 10)
    found = understood([(long, "pos"), ("bad", "neg")] * 4, TWO * 2, max_length=8)
    assert found.splits["train"].cut == pytest.approx(4 / (12 + 3))
    assert found.splits["train"].cut_rows == 4
    assert "4 texts cut, 26.7 % of tokens lost" in found.lines()[0]
    assert found.splits["validation"].cut == 0
    exact = " ".join(["good"] * 6)
    found = understood([(exact, "pos"), ("bad", "neg")] * 4, TWO * 2, max_length=8)
    assert found.splits["train"].cut == 0


def test_many_long_rows_are_sampled(understood, monkeypatch):
    monkeypatch.setattr("progsearch.tasks.understanding._SAMPLE", 3)
    rows = [(" ".join(["good"] * 10), "pos"), (" ".join(["bad"] * 10), "neg")]
    assert understood(rows * 8, TWO * 2, max_length=8).splits["train"].cut == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("train", "dev", "said"),
    [
        (TWO * 4, TWO[:1] * 5, "is of the class pos, so accuracy cannot tell schedules apart"),
        (
            [("good", 0.5), ("bad", 1.5)] * 4,
            [("film", 1.5)] * 5,
            "has the same number, 1.5, so pearson cannot tell schedules apart",
        ),
        (TWO * 4, TWO[:1] * 5 + TWO[1:], r"fewer than 2 rows of some classes (neg: 1)"),
        (
            [*TWO * 4, ("day", "neutral")],
            TWO * 5,
            r"fewer than 2 rows of some classes (neutral: 0)",
        ),
    ],
)
def test_validation_data_that_cannot_tell_schedules_apart_is_said(
    understood, caplog, train, dev, said
):
    understood(train, dev)
    assert said in warnings(caplog)[0]


def test_a_class_too_rare_for_the_rows_that_are_kept_for_validation(understood, caplog):
    understood([("good", 0)] * 38 + [("bad", 1)] * 2, metric="f1")
    assert "of the class 0, so f1 cannot tell schedules apart" in warnings(caplog)[0]


def test_few_validation_rows_are_said_with_what_one_is_worth(understood, caplog):
    understood(TWO * 4, TWO * 10)
    assert "only 20 validation rows, one is worth 5.00 points, so small" in caplog.text
    caplog.clear()
    understood([("good", 0.25), ("bad", 1.5)] * 4, [("film", 1.5), ("day", 0.5)] * 4)
    assert "only 8 validation rows, one is 12.50 % of them" in caplog.text


def test_many_lost_tokens_are_doubted(understood, caplog):
    long = " ".join(["good"] * 10)
    understood([(long, "pos"), ("bad", "neg")] * 4, TWO * 50, max_length=8)
    (warning,) = warnings(caplog)
    assert "4 of 8 training texts are longer than 8 tokens and lose 27 % of all tok" in warning


def test_how_the_data_was_read_is_kept(understood):
    rows = [(f"good film {i},x", ("pos", "neg")[i % 2]) for i in range(20)]
    found = understood(rows, header="text,country,label")
    (note,) = found.notes
    assert note.endswith("columns left out: country (the same everywhere)")
    assert found.lines()[0] == note


def test_data_that_can_is_not_doubted(understood, caplog):
    understood(TWO * 4, [(f"{text} {text}", label) for text, label in TWO] * 50)
    assert warnings(caplog) == []


def test_validation_texts_that_are_training_texts_are_said(understood, caplog):
    others = [(f"{text} {text}", label) for text, label in TWO]
    understood(TWO * 4, TWO + others * 49)
    assert not warnings(caplog)
    understood(TWO * 4, TWO * 5 + others * 45)
    (said,) = warnings(caplog)
    assert said.startswith("10 of 100 validation rows have a text that training rows have, too")


def test_a_type_that_says_nothing_of_its_answers(tmp_path, monkeypatch, tokenizer):
    toy = f"{TokensModulo3.__module__}:TokensModulo3"
    write_plugin(tmp_path, "progsearch.task_types", {"tokens-modulo-3": toy})
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "train.csv").write_text("text\n" + "good film\nbad\n" * 4)
    train_file = str(tmp_path / "train.csv")
    config = TaskConfig(name="toy", type="tokens-modulo-3", train_file=train_file)
    found = understand(load_task(config, tokenizer), tokenizer)
    assert found.columns == ""
    assert found.lines()[0] == (
        "train (tokens-modulo-3): 8 rows; 0 % of tokens unknown; no text cut"
    )
