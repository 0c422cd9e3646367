"""`progsearch cache`: what studies share on disk."""

import json
import os
import re
from pathlib import Path

import pytest

import progsearch as package
from progsearch.cached import KINDS


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A cache with two stored entries of 2000 bytes each, one of tokenised data, and a model."""
    monkeypatch.setenv("PROGSEARCH_CACHE", str(tmp_path))
    for number, name in enumerate(("reuse/old", "reuse/new")):
        for ending in (".json", ".safetensors"):
            write(tmp_path / f"{name}{ending}", 1000, 1000 * number)
    write(tmp_path / "reuse" / "new.lock", 0, None)
    write(tmp_path / "tokenised" / "a.arrow", 500, 500)
    write(tmp_path / "unsaved" / "model-1" / "config.json", 10, 0)
    write(tmp_path / "unsaved" / "model-1" / "model.safetensors", 90, 0)
    return tmp_path


def write(file, size, used):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(bytes(size))
    if used is not None:
        os.utime(file, (used, used))


def held(root):
    return sorted(str(file.relative_to(root)) for file in root.rglob("*") if file.is_file())


def test_where_it_is_and_what_it_holds(progsearch, root):
    lines = progsearch("cache").stdout.splitlines()
    assert lines[0] == f"4 KiB in {root}"
    assert [line.split()[0] for line in lines[1:]] == ["reuse", "tokenised", "unsaved"]
    data = json.loads(progsearch("cache", "--json").stdout)
    assert (data["folder"], data["bytes"], data["freed"]) == (str(root), 4600, None)
    assert data["kinds"]["reuse"] == {"bytes": 4000, "entries": 2}
    assert data["kinds"]["unsaved"] == {"bytes": 100, "entries": 1}


def test_what_was_not_used_for_longest_is_removed_first_and_whole(progsearch, root):
    assert progsearch("cache", "--limit", "2.2KB").stdout.splitlines()[0] == "2 KiB freed"
    assert [name for name in held(root) if "old" in name or "arrow" in name] == []
    assert "reuse/new.json" in held(root)
    assert progsearch("cache", "--limit", "2.2KB").stdout.splitlines()[0] == "0 bytes freed"


def test_clearing_keeps_models_and_locks_unless_asked(progsearch, root):
    progsearch("cache", "tokenised", "--clear")
    assert "tokenised/a.arrow" not in held(root)
    assert "reuse/old.json" in held(root)
    progsearch("cache", "--clear")
    models = ["unsaved/model-1/config.json", "unsaved/model-1/model.safetensors"]
    assert held(root) == ["reuse/new.lock", *models]
    progsearch("cache", "unsaved", "--clear")
    assert held(root) == ["reuse/new.lock"]
    assert not (root / "unsaved" / "model-1").exists()


def test_mistakes(refused, root):
    assert "must be one of reuse" in refused("cache", "everything")
    assert "5GiB" in refused("cache", "--limit", "much")
    assert "--limit" in refused("cache", "--clear", "--limit", "5GiB")


def test_every_kind_that_is_kept_is_known():
    sources = Path(package.__file__).parent.rglob("*.py")
    text = "\n".join(source.read_text(encoding="utf-8") for source in sources)
    assert set(re.findall(r'cache_dir\("(\w+)"\)', text)) == set(KINDS)
