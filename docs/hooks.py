"""What `mkdocs` adds to the pages of this folder while it builds the site.

- Pages that lie elsewhere in the repository, such as the README, and the notebook become pages.
- The reference of the command line is what its own ``--help`` prints.
- Links are written for readers of the repository; here they lead to the pages of the site.
"""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

from typer.testing import CliRunner

from progsearch.cli import app

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
ELSEWHERE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/HISTORY.md": "history.md",
    "benchmarks/tabular/README.md": "tables.md",
}
COPIED = ("LICENSE", "CITATION.cff")
LINK = re.compile(r"\]\(([^)#\s:]+)((?:#[^)]*)?)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that do not lie in this folder."""
    from mkdocs.structure.files import File

    pages = {uri: _read(path) for path, uri in ELSEWHERE.items()}
    pages |= {name: _read(name) for name in COPIED}
    pages |= {"command-line.md": command_line()}
    pages |= {f"{path.stem}.md": notebook(path) for path in (ROOT / "docs").glob("*.ipynb")}
    for uri, content in pages.items():
        files.append(File.generated(config, uri, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links to files of the repository into links to pages of the site."""
    uri = page.file.src_uri
    source = next((path for path, to in ELSEWHERE.items() if to == uri), f"docs/{uri}")
    return for_the_site(markdown, source)


def for_the_site(markdown: str, source: str) -> str:
    """The Markdown of a file of the repository with links to pages of the site.

    Args:
        markdown: Its text.
        source: Its path in the repository.
    """

    def link(found: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), found[1]))
        if path.endswith(".ipynb"):
            path = f"{path.removesuffix('.ipynb')}.md"
        return f"]({ELSEWHERE.get(path, path.removeprefix('docs/'))}{found[2]})"

    return LINK.sub(link, markdown)


def command_line() -> str:
    """Every command's help as one page."""
    commands = [command.name for command in app.registered_commands if not command.hidden]
    parts = [
        "# Command line\n\nWhat `progsearch COMMAND --help` prints.",
        _help("progsearch"),
        *(_help(f"progsearch {name}", name) for name in commands if name),
    ]
    return "\n\n".join(parts)


def _help(title: str, *command: str) -> str:
    printed = CliRunner().invoke(
        app, [*command, "--help"], prog_name="progsearch", env={"COLUMNS": "86"}
    )
    if printed.exit_code:
        raise RuntimeError(f"{title} --help: {printed.output}") from printed.exception
    return f"## {title}\n\n```text\n{printed.output.strip()}\n```"


def notebook(path: Path) -> str:
    """The text and the code of a notebook as a page, without outputs."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    parts = []
    for cell in cells:
        text = "".join(cell["source"]).strip()
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    return "\n\n".join(parts)


def _read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")
