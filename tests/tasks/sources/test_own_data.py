from __future__ import annotations

import logging

import pytest

from progsearch.config import TaskConfig
from progsearch.errors import TaskError
from progsearch.tasks.sampling import spread_split
from progsearch.tasks.sources.own_data import read_files, read_hub_dataset
from progsearch.tasks.types import type_of


@pytest.fixture
def write(tmp_path):
    def write(name, *rows):
        path = tmp_path / name
        path.write_text("\n".join(rows) + "\n")
        return str(path)

    return write


def from_files(config):
    """The examples that the user's files give."""
    source = read_files(config)
    return type_of(source, config).read(source, config)


def from_hub(config):
    """The examples that a data set of the hub gives."""
    source = read_hub_dataset(config)
    return type_of(source, config).read(source, config)


def rows(n, names=("bad", "good")):
    return ["text,label", *(f"film {i},{names[i % len(names)]}" for i in range(n))]


def test_three_files_of_pairs(write):
    header = "sentence1,sentence2,label"
    config = TaskConfig(
        name="own",
        train_file=write("train.csv", header, "a,b,yes", "c,d,no", "e,f,yes"),
        validation_file=write("dev.csv", "label,sentence2,sentence1", "no,h,g"),
        test_file=write("test.csv", header, "i,j,yes"),
    )

    task = from_files(config)

    assert task.name == "own"
    assert task.train.texts == (["a", "c", "e"], ["b", "d", "f"])
    assert task.train.answers.tolist() == [1, 0, 1]
    assert task.validation.texts == (["g"], ["h"])
    assert task.validation.answers.tolist() == [0]
    assert task.test.answers.tolist() == [1]
    assert task.head.label_names == ("no", "yes")
    assert task.metrics == ("accuracy", "f1")


def test_without_validation_file_a_tenth_with_the_shares_of_the_classes_is_kept(write, caplog):
    config = TaskConfig(name="own", train_file=write("train.csv", *rows(60)))

    with caplog.at_level(logging.INFO, logger="progsearch"):
        task = from_files(config)

    assert (len(task.train), len(task.validation)) == (54, 6)
    assert task.validation.answers.sum() == 3
    assert not set(task.train.texts[0]) & set(task.validation.texts[0])
    assert "6 of 60 training rows are held out" in caplog.text
    assert from_files(config).validation.texts == task.validation.texts


def test_more_than_two_classes_and_regression_have_their_metrics(write):
    three = from_files(TaskConfig(name="x", train_file=write("a.csv", *rows(9, "abc"))))
    numbers = from_files(
        TaskConfig(name="x", train_file=write("b.csv", *rows(9, ("0.5", "1.25", "3"))))
    )

    assert three.metrics == ("accuracy", "f1_macro")
    assert numbers.metrics == ("pearson", "spearman", "rmse", "mae")
    assert numbers.head.label_names == ()
    assert sorted(set(numbers.train.answers.tolist())) == [0.5, 1.25, 3]


def test_errors_name_the_file_at_fault(write):
    train = write("train.csv", *rows(9))
    for name, content, message in (
        ("dev.csv", ["text,label", "a,other"], r"dev\.csv, row 1: label 'other' does not occur"),
        ("dev2.csv", ["text,kind", "a,bad"], r"dev2\.csv has no column 'label'"),
        (
            "dev3.csv",
            ["text,label", "a,bad", ",good"],
            r"dev3\.csv: 1 of 2 rows have no value in column .text. \(line 3\)",
        ),
    ):
        config = TaskConfig(name="x", train_file=train, validation_file=write(name, *content))
        with pytest.raises(TaskError, match=message):
            from_files(config)


def test_training_data_is_needed_and_more_than_a_row(write):
    with pytest.raises(TaskError, match="no training data: name it with --train-file"):
        from_files(TaskConfig(name="x", test_file=write("test.csv", *rows(3))))
    with pytest.raises(TaskError, match="one row"):
        from_files(TaskConfig(name="x", train_file=write("a.csv", "text,label", "a b,0.5")))


def test_a_local_data_set_folder_loads_without_a_hub(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    folder = tmp_path / "films"
    folder.mkdir()
    for split, n in (("train", 20), ("test", 4)):
        (folder / f"{split}.csv").write_text("\n".join(rows(n)) + "\n")

    task = from_hub(TaskConfig(name=str(folder)))

    table_labels = task.train.answers.tolist() + task.validation.answers.tolist()
    assert sorted(table_labels) == [0] * 10 + [1] * 10
    assert len(task.validation) == 2
    assert task.test.texts == (["film 0", "film 1", "film 2", "film 3"],)
    assert task.head.label_names == ("bad", "good")


@pytest.fixture
def hub(monkeypatch):
    """A hub that holds the given splits; remembers what was asked for."""
    import datasets

    asked = []

    def holds(**splits):
        def load_dataset(name, subset):
            asked.append((name, subset))
            return datasets.DatasetDict(splits)

        monkeypatch.setattr(datasets, "load_dataset", load_dataset)
        monkeypatch.setattr("progsearch.tasks.sources.hub_data.offline", lambda: False)
        return asked

    return holds


def hub_split(labels, names=("spam", "ham")):
    import datasets

    features = datasets.Features(
        text=datasets.Value("string"), label=datasets.ClassLabel(names=list(names))
    )
    texts = [f"text {i}" for i in range(len(labels))]
    return datasets.Dataset.from_dict({"text": texts, "label": labels}, features=features)


def test_a_hub_data_set_keeps_its_class_order_and_its_subset_can_be_named(hub):
    asked = hub(train=hub_split([0, 1, 1]), validation=hub_split([1]), test=hub_split([-1, -1]))

    task = from_hub(TaskConfig(name="own/er:small"))

    assert asked == [("own/er", "small")]
    assert task.head.label_names == ("spam", "ham")
    assert task.train.answers.tolist() == [0, 1, 1]
    assert task.validation.answers.tolist() == [1]
    assert task.test is None


def test_a_hub_data_set_with_a_labelled_test_split_keeps_it_for_the_end(hub):
    hub(train=hub_split([0, 1] * 10), test=hub_split([1, 0]))

    task = from_hub(TaskConfig(name="own/er"))

    assert (len(task.train), len(task.validation)) == (18, 2)
    assert task.test.answers.tolist() == [1, 0]


def test_texts_of_the_hub_are_never_words_for_missing_values(hub):
    import datasets

    names = datasets.ClassLabel(names=["NA", "x"])
    features = datasets.Features(title=datasets.Value("string"), body=datasets.Value("string"))
    rows = {"title": ["None", "a"] * 5, "body": ["null", "b c d"] * 5, "topic": [0, 1] * 5}
    hub(train=datasets.Dataset.from_dict(rows, features=datasets.Features(features, topic=names)))

    task = from_hub(TaskConfig(name="own/er"))

    assert (task.text_columns, task.label_column) == (("title", "body"), "topic")
    assert task.head.label_names == ("NA", "x")
    assert "None" in task.train.texts[0]


def test_structures_of_the_hub_have_dotted_names(hub):
    import datasets

    rows = {"review": [{"text": f"film {i} of them", "by": "x"} for i in range(20)]}
    hub(train=datasets.Dataset.from_dict({**rows, "label": [0, 1] * 10}))

    task = from_hub(TaskConfig(name="own/er"))

    assert task.text_columns == ("review.text",)
    assert "review.by (the same everywhere)" in task.notes[0]


def test_a_hub_data_set_without_training_split(hub):
    hub(test=hub_split([0, 1]))

    with pytest.raises(TaskError, match="no split 'train', only test"):
        from_hub(TaskConfig(name="own/er"))


def test_a_file_given_as_task(write):
    path = write("train.csv", *rows(3))

    with pytest.raises(TaskError, match="is a file: give it with --train-file"):
        from_hub(TaskConfig(name=path))


def test_the_share_for_validation_never_takes_a_rare_class_whole():
    import numpy as np

    labels = np.array([0] * 50 + [1] * 3 + [2])

    validation, train = spread_split(len(labels), labels, 0.1)

    assert set(labels[train]) == {0, 1, 2}
    assert len(validation) == 5
