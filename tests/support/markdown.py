"""The project's pages in Markdown, as their tests read them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

_BLOCK = re.compile(r"^ *```(\w+)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a page in one language."""
    found = _BLOCK.findall(page.read_text(encoding="utf-8"))
    return [code for name, code in found if name == language]


def inline_code(page: Path) -> list[str]:
    """What stands between single backticks, outside of code blocks."""
    return _CODE.findall(_BLOCK.sub("", page.read_text(encoding="utf-8")))


def commands(script: str) -> list[list[str]]:
    """The simple commands of a shell script as lists of words."""
    found = []
    for line in script.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while "&&" in words:
            end = words.index("&&")
            found.append(words[:end])
            words = words[end + 1 :]
        found.append(words)
    return [words for words in found if words]
