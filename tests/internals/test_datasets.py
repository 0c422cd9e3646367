import sys

from progsearch.internals import datasets as internal


def test_its_copy_of_the_offline_switch_is_the_one_that_it_reads(monkeypatch):
    import datasets
    from datasets import config

    assert datasets.config is config
    monkeypatch.setattr(config, "HF_HUB_OFFLINE", False)
    internal.go_offline()
    assert config.HF_HUB_OFFLINE is True


def test_it_is_not_imported_for_that(monkeypatch):
    monkeypatch.delitem(sys.modules, "datasets.config", raising=False)
    internal.go_offline()
    assert "datasets.config" not in sys.modules
