"""Which class F1 is of: known by name, chosen, or not known."""

from __future__ import annotations

import pytest

from progsearch.config import TaskConfig
from progsearch.errors import TaskError
from progsearch.tasks import load_task, understand
from progsearch.tasks.reading import read_task
from progsearch.tasks.types.positive import positive_class


@pytest.mark.parametrize(
    ("names", "positive"),
    [
        (("0", "1"), "1"),
        (("-1", "1"), "1"),
        (("0.0", "1.0"), "1.0"),
        (("no", "yes"), "yes"),
        (("False", "True"), "True"),
        (("Negative", "Positive"), "Positive"),
        (("ham", "spam"), "spam"),
        (("spam", "ham"), "spam"),
        (("not toxic", "toxic"), "toxic"),
        (("hate", "non-hate"), "hate"),
        (("nontoxic", "toxic"), "toxic"),
        (("abusive", "benign"), None),
        (("cat", "dog"), None),
        (("1", "2"), None),
    ],
)
def test_names_that_leave_no_doubt(names, positive):
    found = positive_class(names, None)
    assert positive == (None if found is None else names[found])


def test_the_given_one():
    assert positive_class(("abusive", "benign"), "abusive") == 0
    with pytest.raises(TaskError, match="'spam' is no class of the data: give 'abusive' or 'ben"):
        positive_class(("abusive", "benign"), "spam")
    with pytest.raises(TaskError, match="is for two classes, and the data has 3"):
        positive_class(("a", "b", "c"), "a")


@pytest.fixture
def file(tmp_path):
    def write(*labels):
        rows = [f"a film {i},{labels[i % len(labels)]}" for i in range(40)]
        (tmp_path / "train.csv").write_text("\n".join(["text,label", *rows]) + "\n")
        return str(tmp_path / "train.csv")

    return write


def test_f1_is_macro_if_no_class_is_known_to_be_positive(file, tokenizer):
    config = TaskConfig(name="own", train_file=file("abusive", "benign"))
    data = load_task(config, tokenizer)
    assert data.metrics == ("accuracy", "f1_macro")
    assert understand(data, tokenizer).splits["train"].answers.positive is None
    with pytest.raises(TaskError, match="such as --positive-class abusive, or give --task-metric"):
        read_task(config.model_copy(update={"metric": "f1"}))


@pytest.mark.parametrize("positive", ["abusive", "benign"])
def test_the_chosen_class_is_said_and_scored(file, tokenizer, positive):
    config = TaskConfig(
        name="own",
        train_file=file("abusive", "benign", "benign"),
        positive_class=positive,
        metric="f1",
    )
    data = load_task(config, tokenizer)
    assert data.metrics == ("f1", "accuracy")
    assert understand(data, tokenizer).splits["train"].answers.positive == positive
    share = 1 / 3 if positive == "abusive" else 2 / 3
    assert data.majority() == pytest.approx(2 * share / (1 + share), abs=0.12)


def test_known_names_need_no_option(file):
    task = read_task(TaskConfig(name="own", train_file=file("spam", "ham"), metric="f1"))
    assert task.metrics == ("f1", "accuracy")


def test_a_positive_class_of_numbers_is_refused(file):
    config = TaskConfig(name="own", train_file=file(*(f"{i}.5" for i in range(9))))
    with pytest.raises(TaskError, match="but task own has numbers as labels: leave it out"):
        read_task(config.model_copy(update={"positive_class": "1"}))
