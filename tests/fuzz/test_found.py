"""Inputs that once ended in a traceback, a hang or a wrong number; fuzzing found them."""

import json

import pandas
import pytest
import torch

from progsearch.cache import keep_json, kept_json
from progsearch.config import Recipe, TaskConfig, parse, read_yaml
from progsearch.errors import ConfigError, ProgsearchError, StudyError, TaskError
from progsearch.space.space import Space
from progsearch.store import Store
from progsearch.study.folder import create_study, open_study
from progsearch.study.lock import lock_state
from progsearch.study.outbox import Change, Outbox
from progsearch.tasks import check_task
from progsearch.tasks.reading import read_task
from progsearch.training.segments import Segment, get_segment, put_segment
from tests.support.fake_study import FakeStudy


@pytest.fixture
def study(tmp_path):
    fake = FakeStudy(budget=2)
    fake.baselines()
    fake.stop(0.7)
    recipe = fake.recipe.model_copy(update={"study": "own"})
    folder = create_study(recipe, tmp_path)
    for name, value in fake.study.user_attrs.items():
        folder.study.set_user_attr(name, value)
    for trial in fake.study.get_trials():
        folder.study.add_trial(trial)
    return folder


def replaced(file, old, new):
    content = file.read_bytes()
    assert old in content
    file.write_bytes(content.replace(old, new, 1))


# -- journals --------------------------------------------------------------------------------


def test_a_flipped_bit_of_a_number_in_a_journal_is_found(study):
    replaced(study.journal, b"0.8015", b"0.8017")
    with pytest.raises(StudyError, match=r"line \d+ of .* is damaged"):
        open_study(study.path, read_only=True)


def test_a_journal_of_an_earlier_version_is_read(study):
    lines = [json.loads(line) for line in study.journal.read_text().splitlines()]
    assert all(line.pop("check") for line in lines)
    study.journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert len(open_study(study.path).trials()) == 5


@pytest.mark.parametrize(
    ("lost", "reason"),
    [(b'"user_attr":{"metric":', "fit together|readable"), (b'"user_attr":{"sessions"', None)],
)
def test_a_lost_line_of_a_journal(study, lost, reason):
    lines = study.journal.read_bytes().splitlines(keepends=True)
    assert sum(lost in line for line in lines) == 1
    study.journal.write_bytes(b"".join(line for line in lines if lost not in line))
    if reason is None:
        open_study(study.path, read_only=True)
        return
    with pytest.raises(StudyError, match=reason):
        open_study(study.path, read_only=True)


# -- the store and the cache -----------------------------------------------------------------


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path, budget=10**6)
    for step in (2, 4):
        segment = Segment(None, step, {"accuracy": step / 10}, 1.0, 1.0, 0)
        put_segment(store, f"key{step}", segment, {"weight": torch.full((3,), float(step))})
    return store


def test_an_entry_under_the_key_of_another_is_not_read(store):
    for ending in ("json", "safetensors"):
        (store.folder / f"key4.{ending}").replace(store.folder / f"key2.{ending}")
    assert not store.has_tensors("key2")
    assert store.get("key2") is None and store.load("key2") is None


def test_a_segment_of_a_version_with_other_fields_is_made_again(store):
    store.put("key2", {"step": 2, "parent": None, "loss": 0.5})
    assert get_segment(store, "key2") is None
    assert get_segment(store, "key4").step == 4


def test_a_flipped_bit_of_a_cached_measurement_is_found(tmp_path):
    keep_json(tmp_path / "kept.json", {"limit": 512})
    assert kept_json(tmp_path / "kept.json") == {"limit": 512}
    replaced(tmp_path / "kept.json", b"512", b"502")
    assert kept_json(tmp_path / "kept.json") is None


@pytest.mark.parametrize("content", [b"[" * 100_000, b"5", b"[]", b'{"data": 1}', b"\xff"])
def test_a_cached_measurement_of_another_form_is_none(tmp_path, content):
    (tmp_path / "kept.json").write_bytes(content)
    assert kept_json(tmp_path / "kept.json") is None


# -- changes that wait for a database --------------------------------------------------------


def test_a_flipped_bit_of_a_waiting_change_is_found(tmp_path):
    file = tmp_path / "outbox.log"
    Outbox(file).put(Change("user", 0, "peak_memory", 4711))
    assert Outbox(file).first().value == 4711
    replaced(file, b"4711", b"4715")
    with pytest.raises(StudyError, match="is damaged"):
        Outbox(file)


@pytest.mark.parametrize(
    "line",
    [
        ["user", 0, "a", 1],  # of an earlier version
        ["other", 0, "a", 1],
        ["user", "0", "a", 1],
        ["end", 0, "GONE", None],
        ["add", 0, "RUNNING", {}],
        ["add", 0, "RUNNING", 5],
        ["user"],
        5,
    ],
)
def test_a_waiting_change_without_checksum(tmp_path, line):
    file = tmp_path / "outbox.log"
    file.write_text(json.dumps(line) + "\n")
    if line == ["user", 0, "a", 1]:
        assert len(Outbox(file)) == 1
        return
    with pytest.raises(StudyError, match="is damaged"):
        Outbox(file)


# -- other files of a study ------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"process": float("-inf")},
        {"process": "4"},
        {"since": "x"},
        {"since": "2026-11-23"},
        {"host": []},
    ],
)
def test_a_damaged_lock_names_nobody(tmp_path, changes):
    given = {"work": "search", "host": "a", "process": 4, "since": "2026-11-23T18:00:00+00:00"}
    (tmp_path / ".lock").write_text(json.dumps(given))
    assert lock_state(tmp_path).holder is not None
    (tmp_path / ".lock").write_text(json.dumps(given | changes))
    assert lock_state(tmp_path).holder is None


# -- data ------------------------------------------------------------------------------------


def test_lists_of_lists_beside_a_text(tmp_path):
    rows = "".join(f'text {n},"[[[{{""a"": 1}}]]]"\n' for n in range(9))
    (tmp_path / "a.csv").write_text(f"text,marks\n{rows}")
    with pytest.raises(TaskError):
        read_task(TaskConfig(name="own", train_file=str(tmp_path / "a.csv")))


# -- recipes ---------------------------------------------------------------------------------


def test_a_list_of_lists_as_columns_of_the_label():
    task = {"name": "own", "train_file": "a.csv", "label_column": [["a"], "b"]}
    with pytest.raises(ConfigError, match="label_column"):
        parse(Recipe, {"task": task}, "a file")


# -- spaces ----------------------------------------------------------------------------------


def test_a_number_as_a_method_beside_rates():
    method = {"type": "categorical", "choices": ["full", 32]}
    space = {"dimensions": {"method": method, "learning_rate": {"type": "rates"}}}
    with pytest.raises(ProgsearchError, match="there is no method 32; choose one of full"):
        Space.of(space, "my.yaml")


@pytest.mark.parametrize(
    "rate",
    [
        {"type": "int", "low": 1, "high": 3e16},
        {"type": "float", "low": 0.0, "high": 1e9, "step": 1e-7},
    ],
)
def test_a_range_of_more_values_than_fit_into_memory(rate):
    space = {"dimensions": {"n_stages": rate, "further_freeze": {"type": "int"}}}
    with pytest.raises(ConfigError, match=r"more than 100,000; give a larger step"):
        Space.of(space, "my.yaml")


# -- files of YAML ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("- " * 3000, "nested too deeply"),
        ("[" * 1200, "nested too deeply"),
        ("a: 2026-13-45", "is not YAML"),
        ("a: " + "9" * 5000, "is not YAML"),
        ("a: !!timestamp x", "is not YAML"),
        ("a: !!bool x", "is not YAML"),
        ("a: !!int ''", "is not YAML"),
    ],
)
def test_yaml_that_its_parser_cannot_read(tmp_path, text, reason):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ConfigError, match=reason):
        read_yaml(tmp_path / "a.yaml")


# -- data files ------------------------------------------------------------------------------


def test_a_parquet_file_with_damaged_metadata(tmp_path):
    pandas.DataFrame({"text": ["good", "bad"] * 9, "label": [0, 1] * 9}).to_parquet(
        tmp_path / "a.parquet"
    )
    whole = (tmp_path / "a.parquet").read_bytes()
    # The description of the columns is at the end, before its length and the mark.
    damaged = whole[:-300] + b"\xff" * 200 + whole[-100:]
    (tmp_path / "a.parquet").write_bytes(damaged)
    with pytest.raises(TaskError, match="is not a Parquet file"):
        check_task(TaskConfig(name="own", train_file=str(tmp_path / "a.parquet")))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"text": "a", "label": ' + "9" * 5000 + "}", "cannot be read"),
    ],
)
@pytest.mark.parametrize("ending", ["json", "jsonl"])
def test_json_that_python_cannot_read(tmp_path, text, reason, ending):
    (tmp_path / f"a.{ending}").write_text(text)
    with pytest.raises(TaskError, match=reason):
        check_task(TaskConfig(name="own", train_file=str(tmp_path / f"a.{ending}")))


@pytest.mark.parametrize("text", ['" "', '" "\t""\n', "\n \n"])
def test_a_table_whose_only_cells_are_blank(tmp_path, text):
    (tmp_path / "a.tsv").write_text(text)
    with pytest.raises(TaskError, match="has no rows"):
        check_task(TaskConfig(name="own", train_file=str(tmp_path / "a.tsv")))


@pytest.mark.parametrize("odd", [1.5, True, "x", {"a": 1}, None])
def test_a_cell_that_is_no_list_among_lists_of_choices(tmp_path, odd):
    rows = [{"question": "a b", "choices": ["x", "y"], "answer": 0} for _ in range(12)]
    rows[11]["choices"] = odd
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    reason = "line 12: choices must hold a list|no value in column 'choices'"
    with pytest.raises(TaskError, match=reason):
        check_task(TaskConfig(name="own", train_file=str(tmp_path / "a.jsonl")))
