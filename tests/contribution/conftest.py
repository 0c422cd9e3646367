import csv

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from progsearch.config import TaskConfig
from tests.support.tiny import tiny_model


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of the test's own; the folder in which scores are kept."""
    monkeypatch.setenv("PROGSEARCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "contributions"


@pytest.fixture
def save_model(tmp_path):
    """Saves a tiny BERT with a tokenizer of 26 words; returns its folder."""

    def save(name="model", model=None):
        folder = str(tmp_path / name)
        special = {"[PAD]": 0, "[UNK]": 1}
        words = {word: index for index, word in enumerate("abcdefghijklmnopqrstuvwxyz", start=2)}
        backend = Tokenizer(models.WordLevel(special | words, unk_token="[UNK]"))
        backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        PreTrainedTokenizerFast(
            tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]", model_max_length=32
        ).save_pretrained(folder)
        # Without a head of its own, as pre-trained models come.
        (tiny_model("bert") if model is None else model).base_model.save_pretrained(folder)
        return folder

    return save


@pytest.fixture
def write_task(tmp_path):
    """Writes a task of ``n`` distinct training rows; the first word gives the label."""

    def write(n=40, name="own"):
        def rows(start, stop):
            letters = "abcdefghijklmnopqrstuvwxyz"
            for i in range(start, stop):
                words = [letters[i % 2], letters[i % 26], letters[i // 26], *letters[: i % 5]]
                yield " ".join(words), ("even", "odd")[i % 2]

        paths = {}
        for split, (start, stop) in {"train": (0, n), "validation": (n, n + 8)}.items():
            path = tmp_path / f"{name}-{split}.csv"
            with path.open("w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(["text", "label"])
                writer.writerows(rows(start, stop))
            paths[f"{split}_file"] = str(path)
        return TaskConfig(name=name, **paths)

    return write
