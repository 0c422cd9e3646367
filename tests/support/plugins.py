"""Packages of others, installed for a test."""

import doctest
import sys

import pytest

MODULE = "progsearch_plugin"


def write_plugin(folder, group, entries, code=None):
    """Write a package of entry points, as an installation leaves it, to a folder.

    Args:
        folder: On Python's path it makes the package known.
        group: The group of the entry points.
        entries: What each name stands for, such as ``module:Class``.
        code: The source of the module ``progsearch_plugin``; None: the entry points name modules
            that are there already.
    """
    info = folder / "progsearch_plugin-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: progsearch-plugin\n")
    lines = [f"{name} = {value}" for name, value in entries.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines]))
    if code is not None:
        (folder / f"{MODULE}.py").write_text(code)


def example_of(module):
    """The one example in the docstrings of ``module``, as the code of a package."""
    (found,) = (test for test in doctest.DocTestFinder().find(module) if test.examples)
    return "".join(example.source for example in found.examples)


@pytest.fixture
def install_plugin(tmp_path, monkeypatch):
    """A function that installs a package for the test; its arguments are `write_plugin`'s."""

    def install(group, entries, code=None):
        write_plugin(tmp_path, group, entries, code)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, MODULE, raising=False)

    yield install
    sys.modules.pop(MODULE, None)
