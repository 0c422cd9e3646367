"""The facade is for users: nothing inside the package imports it."""

import ast
from pathlib import Path

import pytest

import progsearch

PACKAGE = Path(progsearch.__file__).parent
MODULES = {path.stem if path.is_file() else path.name for path in PACKAGE.iterdir()}
FILES = [path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py"]


def imports_of_the_facade(source):
    """Lines that import a public name of the facade, or the facade itself."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            if any(name.name == "progsearch" for name in node.names):
                yield node.lineno
        elif (
            isinstance(node, ast.ImportFrom)
            and node.module == "progsearch"
            and any(name.name not in MODULES for name in node.names)
        ):
            yield node.lineno


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_inside_imports_the_facade(path):
    assert list(imports_of_the_facade(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("import progsearch", [1]),
        ("\nfrom progsearch import search", [2]),
        ("from progsearch import __version__", [1]),
        ("from progsearch import methods", []),
        ("from progsearch.api import search\nimport progsearch.methods", []),
    ],
)
def test_imports_of_the_facade_are_found(source, lines):
    assert list(imports_of_the_facade(source)) == lines
