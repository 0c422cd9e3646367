"""How messages say that an extra is installed."""

from pathlib import Path

from progsearch import extras


def test_in_a_checkout_it_is_the_checkouts(monkeypatch):
    folder = Path(extras.__file__).parents[1]
    monkeypatch.chdir(folder)
    assert extras.install_line("demo") == "pip install -e '.[demo]'"
    monkeypatch.chdir("/")
    assert extras.install_line("demo") == f"pip install -e '{folder}[demo]'"


def test_else_it_is_the_packages(tmp_path, monkeypatch):
    monkeypatch.setattr(extras, "__file__", str(tmp_path / "progsearch" / "extras.py"))
    assert extras.install_line("demo") == "pip install 'progsearch[demo]'"
