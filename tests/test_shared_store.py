"""A store in a folder that two machines see, each with a copy of its own."""

import logging
import os

import pytest
import torch

from progsearch.config import shared_store
from progsearch.config.store_url import place_of_store
from progsearch.errors import ConfigError
from progsearch.store import Store

DESCRIPTION = {"step": 4}
TENSORS = {"weight:a": torch.arange(6.0).view(2, 3)}


@pytest.fixture
def machines(tmp_path):
    """The stores of two machines."""
    for name in "ab":
        (tmp_path / name).mkdir()
    url = (tmp_path / "shared" / "store").as_uri()
    return [Store(tmp_path / name, budget=10_000, shared=url) for name in "ab"]


def files(tmp_path):
    return sorted(path.name for path in (tmp_path / "shared" / "store").iterdir())


def test_what_one_machine_makes_the_other_has(machines, tmp_path):
    one, other = machines
    assert not other.has_tensors("key") and other.get("key") is None
    one.put("key", DESCRIPTION, TENSORS)
    one.put("words", [1, 2])
    assert files(tmp_path) == ["key.json", "key.safetensors", "words.json"]
    assert other.get("key") == DESCRIPTION and other.get("words") == [1, 2]
    assert other.has_tensors("key")
    assert not list(other.folder.glob("*.safetensors")), "only what is needed is copied"
    assert torch.equal(other.load("key")["weight:a"], TENSORS["weight:a"])
    assert other.folder.joinpath("key.safetensors").exists()


def test_what_was_removed_to_make_room_is_copied_again(machines):
    one, _ = machines
    one.put("key", DESCRIPTION, TENSORS)
    one.remove("key")
    assert torch.equal(one.load("key")["weight:a"], TENSORS["weight:a"])


def test_what_killed_writers_left_long_ago_is_removed(machines, tmp_path):
    one, other = machines
    one.put("words", [1, 2])
    place = tmp_path / "shared" / "store"
    for name, age in (("old", 25 * 3600), ("new", 3600)):
        left = place / f"key.safetensors.{name}-1.part"
        left.write_text("half")
        os.utime(left, (left.stat().st_atime, left.stat().st_mtime - age))
    one.put("again", [3])
    assert len(files(tmp_path)) == 4, "it looks once, when it first writes"
    other.put("more", [4])
    assert files(tmp_path) == [
        "again.json",
        "key.safetensors.new-1.part",
        "more.json",
        "words.json",
    ]


def test_a_damaged_shared_entry_is_made_again(machines, tmp_path):
    one, other = machines
    one.put("key", DESCRIPTION, TENSORS)
    path = tmp_path / "shared/store/key.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert other.load("key") is None
    assert other.get("key") is None
    other.put("key", DESCRIPTION, TENSORS)
    assert other.load("key") is not None


def test_tensors_without_a_description_are_no_entry(machines, tmp_path):
    one, other = machines
    one.put("key", DESCRIPTION, TENSORS)
    (tmp_path / "shared/store/key.json").unlink()
    assert other.get("key") is None and not other.has_tensors("key")


def test_its_failures_are_warnings_and_it_is_left_alone_for_a_while(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    (tmp_path / "own").mkdir()
    store = Store(tmp_path / "own", budget=10_000, shared=str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING):
        store.put("key", DESCRIPTION, TENSORS)
        store.put("other", DESCRIPTION, TENSORS)
    assert len(caplog.records) == 1
    assert store.load("key") is not None and store.get("missing") is None
    assert not list(tmp_path.glob("**/*.part"))


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ("somewhere", "absolute path"),
        ("http://host/place", "absolute path"),
        ("s3://user:word@bucket/place", "secret"),
        ("s3://bucket/place?access_key=a", "secret"),
    ],
)
def test_what_is_no_place_for_it(given, word, monkeypatch):
    with pytest.raises(ValueError, match=word):
        place_of_store(given)
    monkeypatch.setenv("PROGSEARCH_STORE", given)
    with pytest.raises(ConfigError, match="PROGSEARCH_STORE"):
        shared_store()


def test_places(monkeypatch):
    for given in ("/shared/store", "s3://bucket/place?endpoint_override=host", "gs://bucket"):
        assert place_of_store(given) == given
    monkeypatch.delenv("PROGSEARCH_STORE", raising=False)
    assert shared_store() is None


@pytest.mark.skipif("PROGSEARCH_TEST_S3" not in os.environ, reason="no S3 server is named")
def test_an_object_store(tmp_path):
    """PROGSEARCH_TEST_S3 is a URL with its endpoint; the bucket must exist."""
    stores = []
    for name in "ab":
        (tmp_path / name).mkdir()
        url = os.environ["PROGSEARCH_TEST_S3"]
        stores.append(Store(tmp_path / name, budget=10_000, shared=url))
    key = tmp_path.name
    stores[0].put(key, DESCRIPTION, TENSORS)
    assert stores[1].get(key) == DESCRIPTION
    assert torch.equal(stores[1].load(key)["weight:a"], TENSORS["weight:a"])
