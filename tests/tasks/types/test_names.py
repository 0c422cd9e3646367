"""The names that ``--type`` takes: those of types, and one for those with an answer per text."""

import pytest

from progsearch.config import TaskConfig
from progsearch.errors import TaskError
from progsearch.tasks.reading import read_task


@pytest.fixture
def write(tmp_path):
    def write(*labels, **settings):
        lines = [
            "text,label",
            *(f"film {i} of them,{label}" for i, label in enumerate(labels * 9)),
        ]
        (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
        return TaskConfig(name="own", train_file=str(tmp_path / "a.csv"), **settings)

    return write


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (("good", "bad"), "classification"),
        (tuple(str(i / 7) for i in range(20)), "regression"),
        (("\"['a', 'b']\"", "\"['b']\"", "\"['a']\""), "multilabel"),
    ],
)
def test_a_sequence_is_of_the_type_that_recognises_it(write, labels, kind):
    named, alone = (read_task(write(*labels, **t)) for t in ({"type": "sequence"}, {}))
    assert named.type.name == alone.type.name == kind
    # Also what is refused or said unless a type is given.
    assert (named.notes, named.metrics) == (alone.notes, alone.metrics)


def test_labels_in_two_spellings_are_refused_as_without_a_type(write):
    with pytest.raises(TaskError, match="Good"):
        read_task(write("Good", "good", "bad", type="sequence"))


def test_words_with_tags_are_no_sequence(tmp_path):
    (tmp_path / "a.conll").write_text("ada\tB-PER\n\ncame\tO\n")
    config = TaskConfig(name="own", train_file=str(tmp_path / "a.conll"))
    assert read_task(config).type.name == "tokens"
    with pytest.raises(TaskError):
        read_task(config.model_copy(update={"type": "sequence"}))


def test_metrics_of_a_sequence_are_those_of_its_types(write):
    config = write("good", "bad", type="sequence")
    assert read_task(config.model_copy(update={"metric": "f1_macro"})).metrics[0] == "f1_macro"
    with pytest.raises(TaskError, match=r"no metric 'token_accuracy' .* one of f1_micro"):
        read_task(config.model_copy(update={"metric": "token_accuracy"}))


def test_a_type_that_does_not_exist_is_one_sentence(write):
    with pytest.raises(TaskError, match=r"no task type 'token'; did you mean tokens\?"):
        read_task(write("good", "bad", type="token"))
