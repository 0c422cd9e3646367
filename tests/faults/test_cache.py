"""A cache folder that is full or cannot be created: nothing is stored, and nothing is lost."""

import pytest
import torch

from progsearch.cache import cache_dir
from progsearch.config import method_of
from progsearch.contribution import contribution_scores_many
from progsearch.errors import ConfigError
from progsearch.models.loading import load_tokenizer
from progsearch.tasks import load_task, loading
from progsearch.training import describe
from tests.support.tiny_task import tiny_recipe


def looked_at(recipe, monkeypatch):
    """All that a search looks at before its first trial."""
    monkeypatch.setattr(loading, "_loaded", {})
    torch.manual_seed(0)
    task = load_task(recipe.task, load_tokenizer(recipe.model))
    cost = describe(recipe.model, recipe.task, method_of())
    scores = contribution_scores_many(recipe.model, recipe.task, ["taylor"], seed=0)
    return task.fingerprint, cost, scores


def test_a_full_disk_changes_nothing(tmp_path, small_disk, monkeypatch, caplog):
    recipe = tiny_recipe(tmp_path / "tiny")
    monkeypatch.setenv("PROGSEARCH_CACHE", str(tmp_path / "cache"))
    expected = looked_at(recipe, monkeypatch)
    folder = small_disk(0)
    monkeypatch.setenv("PROGSEARCH_CACHE", str(folder))
    for kind in ("tokenised", "costs", "contributions"):
        cache_dir(kind)
    assert looked_at(recipe, monkeypatch) == expected
    assert caplog.text.count("not kept") >= 3


def test_a_cache_folder_that_cannot_be_made_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PROGSEARCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(ConfigError, match="cache folder .*reuse cannot be created .*name another"):
        cache_dir("reuse")
