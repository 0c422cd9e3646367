import os

import pytest
import torch

from progsearch.store import Store

DESCRIPTION = {"step": 4, "metrics": {"accuracy": 0.5}}
TENSORS = {"weight:a": torch.arange(6.0).view(2, 3), "step:a": torch.tensor(3.0)}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path, budget=10_000)


def test_what_is_put_comes_back(store):
    store.put("one", DESCRIPTION, TENSORS)
    assert store.get("one") == DESCRIPTION
    tensors = store.load("one")
    assert torch.equal(tensors["weight:a"], TENSORS["weight:a"])
    assert tensors["step:a"] == 3


@pytest.mark.parametrize("position", [0, 100, -1])
def test_a_flipped_byte_is_noticed_and_the_entry_forgotten(store, position):
    store.put("one", DESCRIPTION, TENSORS)
    path = store.folder / "one.safetensors"
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
    assert store.load("one") is None
    assert store.get("one") is None


def test_a_damaged_description_is_no_entry(store):
    store.put("one", DESCRIPTION, TENSORS)
    path = store.folder / "one.json"
    path.write_text(path.read_text().replace("0.5", "0.9"))
    assert store.get("one") is None
    path.write_text("{")
    assert store.get("one") is None


def test_the_least_recently_used_goes_when_the_budget_is_full(tmp_path):
    store = Store(tmp_path, budget=3000)
    tensors = {"weight:a": torch.zeros(200)}
    for age, key in enumerate(["a", "b", "c"]):
        store.put(key, DESCRIPTION, tensors)
        os.utime(tmp_path / f"{key}.safetensors", (age, age))
    store.load("a")
    store.put("d", DESCRIPTION, tensors)
    assert [store.get(key) is not None for key in "abcd"] == [True, False, True, True]
    assert sum(f.stat().st_size for f in tmp_path.glob("*.safetensors")) <= 3000


def test_what_is_larger_than_the_budget_is_not_kept(tmp_path):
    store = Store(tmp_path, budget=100)
    store.put("a", DESCRIPTION, {"weight:a": torch.zeros(200)})
    assert store.get("a") is None
    assert not list(tmp_path.glob("*.part"))


def test_a_full_disk_is_no_error(store, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("progsearch.store.save_file", full)
    store.put("a", DESCRIPTION, TENSORS)
    assert store.get("a") is None
    assert not list(store.folder.glob("*.part"))
