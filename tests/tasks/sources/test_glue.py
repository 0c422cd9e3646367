from __future__ import annotations

from typing import Any

import pytest

from progsearch.config import TaskConfig
from progsearch.errors import TaskError
from progsearch.tasks.reading import read_task
from progsearch.tasks.sources.catalogue import GLUE


# Two rows of every task as the GLUE distribution has them: header, cells, texts, label indices.
def read(task, data_dir):
    """The examples of a task, from the hub if there is no folder."""
    return read_task(TaskConfig(name=task.name, data_dir=data_dir))


SAMPLES: dict[str, Any] = {
    "cola": (None, ["gj04\t1\t\tA b.", "gj04\t0\t*\tC d."], [("A b.",), ("C d.",)], [1, 0]),
    "sst2": ("sentence\tlabel", ["a b \t1", "c d \t0"], [("a b ",), ("c d ",)], [1, 0]),
    "mrpc": (
        "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String",
        ['1\t7\t8\t"a\tb', "0\t7\t8\tc\td"],
        [('"a', "b"), ("c", "d")],
        [1, 0],
    ),
    "stsb": (
        "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore",
        ["0\tg\tf\ty\t1\tn\tn\ta\tb\t5.000", "1\tg\tf\ty\t1\tn\tn\tc\td\t2.6"],
        [("a", "b"), ("c", "d")],
        [5.0, 2.6],
    ),
    "qqp": (
        "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate",
        ["1\t2\t3\ta?\tb?\t0", "1\t2\t3\tcut short", "4\t5\t6\tc?\t\t1"],
        [("a?", "b?"), ("c?", "")],
        [0, 1],
    ),
    "mnli": (
        "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\t"
        "sentence1_parse\tsentence2_parse\tsentence1\tsentence2\tlabel1\tgold_label",
        ["0\t1\t2\tg\t(\t(\t(\t(\ta\tb\tneutral\tcontradiction", "1" + "\tx" * 10 + "\tneutral"],
        [("a", "b"), ("x", "x")],
        [2, 1],
    ),
    "qnli": (
        "index\tquestion\tsentence\tlabel",
        ["0\ta?\tb\tentailment", "1\tc?\td\tnot_entailment"],
        [("a?", "b"), ("c?", "d")],
        [0, 1],
    ),
    "rte": (
        "index\tsentence1\tsentence2\tlabel",
        ["0\ta\tb\tnot_entailment", "1\tc\td\tentailment"],
        [("a", "b"), ("c", "d")],
        [1, 0],
    ),
    "wnli": (
        "index\tsentence1\tsentence2\tlabel",
        ["0\ta\tb\t1", "1\tc\td\t0"],
        [("a", "b"), ("c", "d")],
        [1, 0],
    ),
}


def write_task(folder, name):
    header, rows, _, _ = SAMPLES[name]
    folder.mkdir(parents=True)
    task = GLUE[name]
    for stem in ("train", task.validation[0], *(extra[1] for extra in task.extra_validation)):
        text = "\n".join([*([header] if header else []), *rows]) + "\n"
        (folder / f"{stem}.tsv").write_text(text)


@pytest.mark.parametrize("name", GLUE)
def test_every_task_from_its_folder_and_from_the_folder_of_all(tmp_path, name):
    folder = tmp_path / GLUE[name].folder
    write_task(folder, name)
    _, _, texts, labels = SAMPLES[name]

    for data_dir in (folder, tmp_path):
        task = read(GLUE[name], str(data_dir))
        for examples in (task.train, task.validation, *task.extra_validation.values()):
            assert list(zip(*examples.texts, strict=True)) == texts
            assert examples.answers.tolist() == pytest.approx(labels)
        assert task.head.label_names == GLUE[name].labels
        assert task.metrics == GLUE[name].metrics
        assert task.test is None


def test_mnli_has_both_validation_sets(tmp_path):
    write_task(tmp_path / "MNLI", "mnli")
    path = tmp_path / "MNLI" / "dev_mismatched.tsv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))

    task = read(GLUE["mnli"], str(tmp_path))

    assert len(task.validation) == 2
    assert {name: len(e) for name, e in task.extra_validation.items()} == {"mismatched": 1}


@pytest.mark.parametrize("name", GLUE)
def test_the_hub_gives_what_the_folder_gives(tmp_path, monkeypatch, name):
    import datasets

    task = GLUE[name]
    write_task(tmp_path / task.folder, name)
    _, _, texts, labels = SAMPLES[name]
    columns = [list(column) for column in zip(*texts, strict=True)]
    kind = (
        datasets.ClassLabel(names=list(task.labels)) if task.labels else datasets.Value("float32")
    )
    split = datasets.Dataset.from_dict(
        {
            **dict(zip(task.hub_text_columns, columns, strict=True)),
            "label": labels,
            "idx": [0, 1],
        }
    ).cast_column("label", kind)
    names = ("train", task.validation[1], *(extra[2] for extra in task.extra_validation), "test")
    monkeypatch.setattr("progsearch.tasks.sources.hub_data.offline", lambda: False)
    monkeypatch.setattr(
        datasets,
        "load_dataset",
        lambda *asked: {n: split for n in names} if asked == ("nyu-mll/glue", name) else None,
    )

    hub, folder = read(task, None), read(task, str(tmp_path))

    assert hub.head.label_names == folder.head.label_names
    assert set(hub.extra_validation) == set(folder.extra_validation)
    for mine, other in ((hub.train, folder.train), (hub.validation, folder.validation)):
        assert [list(column) for column in mine.texts] == [list(column) for column in other.texts]
        assert mine.answers.dtype == other.answers.dtype
        assert (mine.answers == other.answers).all()


def test_without_a_hub_one_sentence_names_the_ways_out(monkeypatch):
    import datasets.config
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)

    with pytest.raises(TaskError) as error:
        read(GLUE["wnli"], None)

    message = str(error.value)
    assert "hub cannot be reached" in message
    assert "--data-dir" in message
    assert "--task bbc-headlines" in message
    assert "\n" not in message


def test_a_folder_without_the_data(tmp_path):
    write_task(tmp_path / "MRPC", "mrpc")

    with pytest.raises(TaskError, match=r"has neither train\.tsv nor RTE/train\.tsv"):
        read(GLUE["rte"], str(tmp_path))
    (tmp_path / "MRPC" / "dev.tsv").unlink()
    with pytest.raises(TaskError, match=r"there is no file .*dev\.tsv"):
        read(GLUE["mrpc"], str(tmp_path))


def test_the_data_of_another_task(tmp_path):
    write_task(tmp_path / "rte", "rte")

    with pytest.raises(TaskError, match="has no column 'Quality': its columns are index, sent"):
        read(GLUE["mrpc"], str(tmp_path / "rte"))
    with pytest.raises(TaskError, match=r"row 1: label must be one of .*is this the data of cola"):
        read(GLUE["cola"], str(tmp_path / "rte"))
    (tmp_path / "rte" / "train.tsv").write_text(SAMPLES["stsb"][0] + "\n" + "x\t" * 9 + "nan\n")
    with pytest.raises(TaskError, match="row 1: score must be a number, got 'nan'"):
        read(GLUE["stsb"], str(tmp_path / "rte"))


def test_the_published_files(glue_dir):
    mrpc = read(GLUE["mrpc"], str(glue_dir / "MRPC"))
    stsb = read(GLUE["stsb"], str(glue_dir))

    assert (len(mrpc.train), len(mrpc.validation)) == (3667, 408)
    assert mrpc.validation.answers.mean() == pytest.approx(279 / 408)
    assert (len(stsb.train), len(stsb.validation)) == (5749, 1500)
    assert (stsb.train.answers.min(), stsb.train.answers.max()) == (0, 5)
