"""A store whose writer is killed, whose files are damaged, or whose disk is full."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from typing import Any

import pytest
import torch

from progsearch import Schedule, Stage
from progsearch.api import search
from progsearch.config import RunConfig, TrainingConfig
from progsearch.training import Store, TrainingRun
from tests.support.runs import changed, three_stages, weights
from tests.support.tiny_task import tiny_recipe

LARGE = 10**9
DESCRIPTION = {"step": 4, "metrics": {"accuracy": 0.5}, "seconds": 1.5e-7, "parent": None}


def size(folder):
    total = 0
    for path in folder.iterdir():
        # A file may go between the two calls.
        with suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


# -- a writer that is killed -----------------------------------------------------------------


@pytest.fixture(scope="module")
def left_behind(tmp_path_factory):
    """A store's folder after kill -9 in the middle of writing an entry of 128 MiB."""
    script = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        import torch
        from progsearch.training import Store

        store = Store(Path(sys.argv[1]), budget=10**9)
        store.put("small", {"step": 1}, {"weight": torch.ones(4)})
        print("writing", flush=True)
        tensors = {f"weight-{index}": torch.full((2**20,), float(index)) for index in range(32)}
        with store.lock("large"):
            store.put("large", {"step": 2}, tensors)
            time.sleep(60)
        """
    )
    folder = tmp_path_factory.mktemp("left-behind")
    writer = subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout.readline() == "writing\n"
    deadline = time.monotonic() + 30
    while size(folder) < 2**20:
        assert time.monotonic() < deadline, "the writer does not write"
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert "large.safetensors" not in os.listdir(folder)
    return folder


@pytest.fixture
def killed(left_behind, tmp_path):
    return shutil.copytree(left_behind, tmp_path / "store")


def test_a_killed_writer_leaves_no_entry_and_keeps_no_lock(killed):
    store = Store(killed, budget=LARGE)
    assert store.get("large") is None
    assert store.get("small") == {"step": 1}
    assert torch.equal(store.load("small")["weight"], torch.ones(4))
    started = time.monotonic()
    with store.lock("large"):
        store.put("large", DESCRIPTION, {"weight": torch.zeros(3)})
    assert time.monotonic() - started < 5
    assert store.get("large") == DESCRIPTION
    assert torch.equal(store.load("large")["weight"], torch.zeros(3))


def test_what_a_killed_writer_left_does_not_stay_for_ever(killed):
    left = size(killed)
    Store(killed, budget=LARGE)
    assert size(killed) == left, "another process may still be writing it"
    hours_ago = time.time() - 2 * 3600
    for path in killed.iterdir():
        os.utime(path, (hours_ago, hours_ago))
    store = Store(killed, budget=LARGE)
    assert size(killed) < 2**12
    assert torch.equal(store.load("small")["weight"], torch.ones(4))


# -- flipped bits ----------------------------------------------------------------------------


def flip(path, position, bit=0):
    data = bytearray(path.read_bytes())
    data[position] ^= 1 << bit
    path.write_bytes(data)


def test_no_flipped_bit_of_a_description_gives_another_description(tmp_path):
    store = Store(tmp_path, budget=LARGE)
    store.put("one", DESCRIPTION, {"weight": torch.ones(1)})
    path = tmp_path / "one.json"
    whole = path.read_bytes()
    for position in range(len(whole)):
        flip(path, position, bit=position % 7)
        assert store.get("one") is None, position
        path.write_bytes(whole)
    assert store.get("one") == DESCRIPTION


def test_no_flipped_bit_of_the_tensors_gives_other_tensors(tmp_path):
    store = Store(tmp_path, budget=LARGE)
    tensors = {"weight": torch.arange(4.0)}
    path = tmp_path / "one.safetensors"
    store.put("one", DESCRIPTION, tensors)
    for position in range(path.stat().st_size):
        flip(path, position, bit=position % 8)
        assert store.load("one") is None, position
        assert store.get("one") is None, position
        store.put("one", DESCRIPTION, tensors)
    assert torch.equal(store.load("one")["weight"], tensors["weight"])


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """Makes the configs of runs of one tiny model on one tiny task."""
    recipe = tiny_recipe(tmp_path_factory.mktemp("tiny"))
    training = {"epochs": 3, "batch_size": 8, "learning_rate": 1e-2, "precision": "fp32"}
    return lambda schedule: RunConfig(
        progsearch_version="0",
        model=recipe.model,
        task=recipe.task,
        training=TrainingConfig(**training),
        stages=schedule.to_dicts(),
    )


def branch():
    """As `three_stages` up to the last stage, which trains one block more."""
    stages = three_stages(3).stages
    return Schedule(3, (*stages[:2], Stage(2 / 3, 1.0, (1, 2), embeddings=False)))


def finish(run):
    records = [record.metrics for record in run.records()]
    return records, run.result(), weights(run.model)


def alone(config, schedule, prefix_cache):
    return finish(TrainingRun.from_config(config(schedule), prefix_cache=prefix_cache))


def same(found, expected, prefix_cache):
    """Equal metrics and weights: bit for bit, or to rounding where batches were cached."""
    (records, result, state), (other_records, other_result, other_state) = found, expected
    assert records == other_records
    assert result.metrics == other_result.metrics
    if prefix_cache:
        torch.testing.assert_close(state, other_state, rtol=0, atol=1e-6)
    else:
        assert not changed(state, other_state)


@pytest.mark.parametrize("prefix_cache", [False, True])
@pytest.mark.parametrize("which", ["the first", "the last", "every"])
@pytest.mark.parametrize("kind", ["safetensors", "json"])
def test_a_run_over_damaged_entries_gives_the_same_numbers(
    config, tmp_path, kind, which, prefix_cache
):
    store = Store(tmp_path, budget=LARGE)
    finish(
        TrainingRun.from_config(config(three_stages(3)), store=store, prefix_cache=prefix_cache)
    )
    files = sorted(tmp_path.glob(f"*.{kind}"), key=lambda path: path.stat().st_mtime_ns)
    assert len(files) >= 2
    for path in {"the first": files[:1], "the last": files[-1:], "every": files}[which]:
        flip(path, path.stat().st_size // 2)
    expected = alone(config, branch(), prefix_cache)
    found = finish(
        TrainingRun.from_config(config(branch()), store=store, prefix_cache=prefix_cache)
    )
    same(found, expected, prefix_cache)
    if which == "every":
        assert found[1].spent.steps_trained == expected[1].spent.steps_trained
    # What was lost is found out run by run, trained again and stored again.
    for _ in range(3):
        again = finish(
            TrainingRun.from_config(config(branch()), store=store, prefix_cache=prefix_cache)
        )
        assert again[0] == expected[0]
    assert again[1].spent.steps_trained == 0


# -- a full disk -----------------------------------------------------------------------------


@pytest.mark.parametrize("prefix_cache", [False, True])
@pytest.mark.parametrize("free", [0, 8_192, 200_000], ids=["full", "room for few", "fills up"])
def test_a_run_on_a_full_disk_gives_the_same_numbers(
    config, small_disk, caplog, free, prefix_cache
):
    store = Store(small_disk(free), budget=LARGE)
    for schedule in (three_stages(3), branch()):
        found = finish(
            TrainingRun.from_config(config(schedule), store=store, prefix_cache=prefix_cache)
        )
        same(found, alone(config, schedule, prefix_cache), prefix_cache)
    assert "No space left on device" in caplog.text
    kinds = {path.suffix for path in store.folder.iterdir() if path.name != "ballast"}
    assert kinds <= {".json", ".safetensors", ".lock"}


def test_a_disk_without_room_for_another_file(config, small_disk, caplog):
    store = Store(small_disk(2**21, options=",nr_inodes=4"), budget=LARGE)
    for schedule in (three_stages(3), branch()):
        found = finish(TrainingRun.from_config(config(schedule), store=store, prefix_cache=False))
        same(found, alone(config, schedule, False), False)
    assert "No space left on device" in caplog.text


@pytest.mark.slow
def test_a_search_on_a_full_disk_gives_the_same_numbers(tmp_path, small_disk, monkeypatch):
    monkeypatch.setenv("PROGSEARCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "reuse").symlink_to(small_disk(200_000))
    results = []
    for reuse in (True, False):
        # What is stored decides the order of the trials, and by default what is drawn.
        settings: dict[str, Any] = {
            "sampler": "random",
            "scheduler": "none",
            "study": f"reuse-{reuse}",
        }
        settings |= {"reuse": reuse, "reuse_budget": 1.0}
        recipe = tiny_recipe(tmp_path / "tiny", parallel=1, **settings)
        folder = search(recipe, studies_dir=tmp_path / "studies").folder
        results.append({t.key: (t.params, t.values) for t in folder.trials()})
        assert ("No space left on device" in folder.log.read_text()) == reuse
    assert results[0] == results[1]
    assert len(results[0]) == 7
