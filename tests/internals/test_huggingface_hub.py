from huggingface_hub import constants
from transformers.utils import hub

from progsearch.internals import huggingface_hub


def test_the_constant_switches_the_libraries_off_the_hub(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    assert not constants.is_offline_mode()
    huggingface_hub.go_offline()
    assert constants.is_offline_mode()
    assert hub.is_offline_mode()
