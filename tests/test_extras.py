"""How messages say that an extra is installed."""

from pathlib import Path

import pytest

from progsearch import extras, search
from progsearch.errors import ConfigError


def test_in_a_checkout_it_is_the_checkouts(monkeypatch):
    folder = Path(extras.__file__).parents[1]
    monkeypatch.chdir(folder)
    assert extras.install_line("demo") == "pip install -e '.[demo]'"
    monkeypatch.chdir("/")
    assert extras.install_line("demo") == f"pip install -e '{folder}[demo]'"


def test_else_it_is_the_packages(tmp_path, monkeypatch):
    monkeypatch.setattr(extras, "__file__", str(tmp_path / "progsearch" / "extras.py"))
    assert extras.install_line("demo") == "pip install 'progsearch[demo]'"


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ({"method": "qlora"}, "method: qlora"),
        ({"frozen_dtype": "nf4"}, "frozen_dtype: nf4"),
        ({"optimizer": "adamw-8bit"}, "optimizer: adamw-8bit"),
    ],
)
def test_numbers_in_few_bits_are_asked_for_without_their_library(
    words, place, tmp_path, monkeypatch
):
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    message = rf"{place} needs the library bitsandbytes, which is not installed: run pip .*\[gpu\]"
    with pytest.raises(ConfigError, match=message):
        search(task="bbc-headlines", studies_dir=tmp_path, budget=1, **words)
    assert not [*tmp_path.iterdir()]
