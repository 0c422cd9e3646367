"""README and docs say what is there: commands, options, imports, tables, links."""

import ast
import importlib
import importlib.util
import json
import re
import sys
import tomllib

import pytest
import typer
import yaml
from transformers import Trainer, TrainingArguments

from progsearch.cli import app
from progsearch.config import RunConfig, TaskConfig
from progsearch.config.recipe import Recipe
from progsearch.schedule.files import write_config
from tests.support.markdown import PAGES, README, ROOT, blocks, commands, inline_code
from tests.support.runs import config_of, tiny_split
from tests.support.tiny import save_tiny, tiny_model
from tests.support.trainers import ONE_EPOCH, Ordered

COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
# Options of other tools that pages name.
FOREIGN = {
    "--help",
    "--version",
    "--strict",
    "--repeats",
    "--check",
    "--device",
    "--rows",
    "--data-dir",
}


def named(items):
    return [pytest.param(*item, id=f"{item[0].name}-{n}") for n, item in enumerate(items)]


def of_language(language):
    return named([(page, code) for page in PAGES for code in blocks(page, language)])


def options_of(command):
    found = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    return found | {"--help", "-h"}


def check_command(words):
    """A command of a page can be run as it stands, as far as that can be told without doing so."""
    tool, *rest = words
    if tool == "progsearch":
        COMMANDS[rest[0]].make_context(rest[0], rest[1:])
    elif tool == "ray":
        check_command(rest[rest.index("--") + 1 :])
    elif tool == "python" and rest[0] != "-m":
        script = ROOT / rest[0]
        text = script.read_text(encoding="utf-8")
        text += (ROOT / "benchmarks" / "schedules.py").read_text(encoding="utf-8")
        assert all(word in text for word in rest[1:] if word.startswith("--"))
    elif tool == "pip":
        for extra in re.findall(r"\[(\w+)\]", " ".join(rest)):
            assert extra in EXTRAS
    elif tool not in {"python3", "python", "cd", "mkdir", "printf", "export", "source"}:
        assert tool in {"pytest", "ruff", "mypy", "lint-imports", "pre-commit", "mkdocs"}, tool


@pytest.mark.parametrize(("page", "script"), of_language("sh"))
def test_commands_are_those_of_the_tools(page, script):
    for words in commands(script):
        check_command(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_commands_and_options_exist(page):
    every = FOREIGN.union(*(options_of(command) for command in COMMANDS.values()))
    for code in inline_code(page):
        options = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", code))
        command = re.match(r"progsearch ([a-z]+)", code)
        if command:
            assert command[1] in COMMANDS, code
            assert options <= options_of(COMMANDS[command[1]]), code
        elif code.startswith("--"):
            assert options <= every, code


def test_every_command_is_explained():
    pages = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert set(re.findall(r"progsearch ([a-z]+)\b", pages)) >= set(COMMANDS)


@pytest.mark.parametrize(("page", "code"), of_language("python"))
def test_python_compiles_and_its_imports_exist(page, code):
    for node in ast.walk(ast.parse(code, filename=str(page))):
        modules = [name.name for name in getattr(node, "names", ())]
        if isinstance(node, ast.ImportFrom):
            modules = [node.module]
            if node.module.startswith("progsearch"):
                module = importlib.import_module(node.module)
                assert all(hasattr(module, name.name) for name in node.names), ast.unparse(node)
        assert all(importlib.util.find_spec(module) for module in modules), ast.unparse(node)


def test_python_of_schedules_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    model = save_tiny(tmp_path / "bert-base-uncased")
    task = TaskConfig(name="own", train_file="train.csv")
    write_config(config_of((str(model), task), method="lora"), "best.yaml")
    prepared, by_hand = blocks(ROOT / "docs" / "schedules.md", "python")

    found = {}
    exec(prepared, found)
    assert any("lora" in name for name, _ in found["model"].named_parameters())

    exec(by_hand, found)
    assert capsys.readouterr().out.splitlines()[-1] == "(4, 5, 6, 7, 8, 9, 10, 11)"
    twelve = tiny_model("bert", num_hidden_layers=12)
    batches = Ordered(tiny_split(), batch_size=8, seed=0, epochs=3)
    arguments = TrainingArguments(output_dir="out", **ONE_EPOCH)
    trainer = Trainer(twelve, arguments, lambda items: items[0], batches)
    trainer.add_callback(found["callback"])
    assert trainer.train().global_step == len(batches)


@pytest.mark.parametrize(("page", "text"), of_language("yaml"))
def test_yaml_is_a_recipe_a_space_a_config_or_a_job(page, text, tmp_path):
    found = yaml.safe_load(text)
    if found.get("kind") == "RayJob":
        check_command(found["spec"]["entrypoint"].split())
    elif "dimensions" in found:
        from progsearch.space.space import Space

        (tmp_path / "space.yaml").write_text(text)
        Space.load(str(tmp_path / "space.yaml"))
    else:
        (RunConfig if "stages" in found else Recipe).model_validate(found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page):
    for target, anchor in re.findall(r"\]\(([^)#\s:]*)(#[^)]*)?\)", page.read_text("utf-8")):
        linked = (page.parent / target) if target else page
        assert linked.exists(), target
        if anchor and linked.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", linked.read_text("utf-8"), re.MULTILINE)
            assert anchor[1:] in map(slug, headings), f"{target}{anchor}"


def slug(heading):
    """The anchor that both the repository's pages and the site give a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_tables_are_those_of_the_result_files():
    tables = load(ROOT / "benchmarks" / "tables.py")
    for path in tables.files():
        text = path.read_text(encoding="utf-8")
        assert tables.filled(text) == text, f"{path}: run python benchmarks/tables.py"


def test_the_readme_shows_what_the_demo_printed_and_found(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    demo = importlib.import_module("demo")
    text = README.read_text(encoding="utf-8")
    assert demo.filled(text, (demo.RESULTS / "demo.txt").read_text(encoding="utf-8")) == text
    found = json.loads((demo.RESULTS / "demo.json").read_text(encoding="utf-8"))
    assert (ROOT / "docs" / "front.svg").read_text("utf-8") == demo.Picture(found).svg()


def test_the_time_of_the_demo_is_that_of_its_result_file(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    demo = importlib.import_module("demo")
    found = json.loads((demo.RESULTS / "demo.json").read_text(encoding="utf-8"))
    for page in demo.TIMED:
        text = page.read_text(encoding="utf-8")
        assert demo.MINUTES.search(text) and demo.timed(text, found) == text
    text = "It takes about 3 minutes on two idle cores."
    assert demo.timed(text, {"seconds": 250.0}) == text.replace("3", "4")


def test_the_readme_is_short():
    assert len(README.read_bytes()) < 9_000


def test_links_of_a_page_lead_to_pages_of_the_site():
    hooks = load(ROOT / "docs" / "hooks.py")
    text = "[a](docs/search.md#x) [b](CONTRIBUTING.md) ![c](docs/front.svg) [d](https://a.org/b)"
    assert hooks.for_the_site(text, "README.md") == (
        "[a](search.md#x) [b](contributing.md) ![c](front.svg) [d](https://a.org/b)"
    )
    text = "[a](../README.md) [b](../benchmarks/HISTORY.md#y) [c](notebook.ipynb)"
    assert (
        hooks.for_the_site(text, "docs/a.md") == "[a](index.md) [b](history.md#y) [c](notebook.md)"
    )


def test_the_reference_of_the_command_line_is_its_help():
    page = load(ROOT / "docs" / "hooks.py").command_line()
    assert [f"## progsearch {name}\n" in page for name in COMMANDS] == [True] * len(COMMANDS)
    assert "--train-file" in page


def load(path):
    spec = importlib.util.spec_from_file_location(f"loaded_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
