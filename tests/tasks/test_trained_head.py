"""A task and the trained head in a model's files."""

import logging

import numpy as np
import pytest

from progsearch.config import TaskConfig
from progsearch.models.head import Head
from progsearch.tasks import load_task
from progsearch.tasks.examples import Examples, TextTask
from progsearch.tasks.trained_head import fit_to_head
from progsearch.tasks.types import TASK_TYPES
from progsearch.tasks.types.classification import Classification
from tests.e2e.toy_task_type import TokensModulo3


def task_of(*names, answers=(0, 1, 1, 0), kind="classification"):
    """A task with these classes; without names, a regression task."""
    found = np.array(answers) if names else np.array(answers, "f4")
    examples = Examples(([f"text {answer}" for answer in answers],), found)
    head = Head(len(names) or 1, names)
    return TextTask("own", TASK_TYPES.get(kind)(), examples, examples, head, ("accuracy", "f1"))


def trained(*names, n_outputs=None, auto_class="AutoModelForSequenceClassification"):
    return Head(n_outputs or len(names), names, auto_class=auto_class, is_new=False)


@pytest.fixture(autouse=True)
def _log(caplog):
    caplog.set_level(logging.INFO, logger="progsearch")


@pytest.mark.parametrize("spelling", [("pos", "neg"), ("POS", "Neg"), (" pos", "neg ")])
def test_classes_take_the_order_of_a_head_with_the_same_names(spelling, caplog):
    fitted = fit_to_head(task_of("neg", "pos"), trained(*spelling))
    assert fitted.head.label_names == ("pos", "neg")
    assert list(fitted.train.answers) == list(fitted.validation.answers) == [1, 0, 0, 1]
    assert not fitted.head.replaces
    assert "classes are in its order: pos, neg" in caplog.text


def test_more_classes_are_mapped_by_name_in_every_split():
    task = task_of("a", "b", "c", "d", answers=(3, 0, 1, 2))
    fitted = fit_to_head(task, trained("c", "a", "d", "b"))
    assert fitted.head.label_names == ("c", "a", "d", "b")
    words = [fitted.head.label_names[answer] for answer in fitted.train.answers]
    assert words == ["d", "a", "b", "c"]


def test_names_that_differ_in_case_alone_are_told_apart():
    fitted = fit_to_head(task_of("A", "a"), trained("a", "A"))
    assert (fitted.head.label_names, list(fitted.train.answers)) == (("a", "A"), [1, 0, 0, 1])


@pytest.mark.parametrize(
    ("names", "head"),
    [
        (("neg", "pos"), None),
        (("neg", "pos"), trained("neg", "pos")),
        (("neg", "pos"), trained("NEG", "POS")),
        (("0", "1"), trained("LABEL_0", "LABEL_1")),
    ],
)
def test_what_stands_in_order_stays_as_it_is(names, head, caplog):
    task = task_of(*names)
    assert fit_to_head(task, head) is task
    assert not caplog.records


@pytest.mark.parametrize(
    ("names", "of_head"),
    [(("neg", "pos"), ("LABEL_0", "LABEL_1")), (("0", "1"), ("NEGATIVE", "POSITIVE"))],
)
def test_an_order_that_no_name_tells_is_kept_and_said_to_be_an_assumption(names, of_head, caplog):
    task = task_of(*names)
    assert fit_to_head(task, trained(*of_head)) is task
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "are assumed to be the classes" in record.getMessage()
    assert ", ".join(of_head) in record.getMessage()


@pytest.mark.parametrize(
    ("task", "head", "words"),
    [
        (task_of("neg", "pos"), trained("ham", "spam"), "2 classes: ham, spam"),
        (task_of("neg", "pos"), trained("neg", "neutral"), "2 classes: neg, neutral"),
        (task_of("neg", "pos"), trained("neg", "neutral", "pos"), "3 classes: neg, neutral, pos"),
        (task_of("neg", "pos"), trained("LABEL_0"), "one number"),
        (task_of("1", "2"), trained("no", "yes"), "2 classes: no, yes"),
        (task_of(kind="regression"), trained("no", "yes"), "2 classes: no, yes"),
    ],
)
def test_a_head_of_other_classes_is_replaced_which_is_said(task, head, words, caplog):
    fitted = fit_to_head(task, head)
    assert fitted.head.replaces
    assert (fitted.train, fitted.head.label_names) == (task.train, task.head.label_names)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert words in record.getMessage()
    assert "new, untrained one" in record.getMessage()


def test_numbers_keep_the_head_of_a_regression(caplog):
    task = task_of(kind="regression")
    assert fit_to_head(task, trained("LABEL_0")) is task
    assert not caplog.records


def test_heads_of_another_kind_are_no_concern():
    task = task_of("neg", "pos")
    assert fit_to_head(task, trained("a", "b", auto_class="AutoModelForMaskedLM")) is task


def test_a_type_with_one_order_gets_a_new_head():
    task = task_of("0", "1", "2")
    other = TextTask("own", TokensModulo3(), task.train, task.validation, task.head, ())
    assert fit_to_head(other, trained("2", "0", "1")).head.replaces


def test_f1_stays_that_of_the_same_class(tmp_path, tokenizer):
    rows = ["good,pos", "bad,neg", "film,neg", "great,pos", "day,neg", "poor,neg"]
    file = tmp_path / "train.csv"
    file.write_text("\n".join(["text,label", *rows]) + "\n")
    config = TaskConfig(name="own", train_file=str(file), validation_file=str(file))
    ours = load_task(config, tokenizer)
    theirs = load_task(config, tokenizer, trained=trained("pos", "neg"))
    assert ours.head.label_names[::-1] == theirs.head.label_names == ("pos", "neg")
    said = np.array([1, 0, 1, 0, 0, 0])  # whether the answer is pos
    kept = np.stack([1.0 - said, said], axis=1)
    scores = ours.evaluate(kept, ours.validation)
    assert scores["f1"] == pytest.approx(0.5)
    assert theirs.evaluate(kept[:, ::-1], theirs.validation) == scores
    for metric in ("accuracy", "f1"):
        constant = ours.type.constant(metric, ours.validation)
        assert theirs.type.constant(metric, theirs.validation) == constant
    assert ours.fingerprint != theirs.fingerprint


def test_what_a_type_was_made_with_is_part_of_the_fingerprint(tmp_path, tokenizer, monkeypatch):
    assert Classification().identity == Classification(1).identity != Classification(0).identity
    prints = []
    for number in range(2):
        # A copy, since a process loads a file once.
        file = tmp_path / f"train-{number}.csv"
        file.write_text("text,label\n" + "good,pos\nbad,neg\n" * 4)
        config = TaskConfig(name="own", train_file=str(file), validation_file=str(file))
        prints.append(load_task(config, tokenizer).fingerprint)
        monkeypatch.setattr(Classification, "identity", ("positive 0",))
    assert prints[0] != prints[1]


def test_a_new_head_has_a_fingerprint_of_its_own(tmp_path, tokenizer):
    file = tmp_path / "train.csv"
    file.write_text("text,label\n" + "good,pos\nbad,neg\n" * 4)
    config = TaskConfig(name="own", train_file=str(file), validation_file=str(file))
    heads = (None, trained("neg", "pos"), trained("a", "b"))
    same, also, new = (load_task(config, tokenizer, trained=head).fingerprint for head in heads)
    assert same == also != new
