"""The kinds of fuzzed inputs: for each a strategy, and how an input of it fails, if it does."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml
from hypothesis import strategies as st

from progsearch.space.shipped import shipped_files
from tests.fuzz.damage import (
    caches,
    journals,
    outboxes,
    segments,
    study_files,
    url_of_a_database,
)
from tests.fuzz.mutations import damaged_bytes, damaged_lines, damaged_trees, recoded
from tests.fuzz.running import Fault, command_fault, fault_of
from tests.fuzz.work import data_fault, point_faults
from tests.fuzz.world import TYPES, World, conll_of, csv_of, rows_of, squad_of


@dataclass(frozen=True)
class Kind:
    """A kind of inputs.

    Attributes:
        inputs: Makes the inputs, which start from valid files of a world.
        fault: How an input fails; None if it does not.
        share: How many of 100 inputs are of this kind.
    """

    inputs: Callable[[World], st.SearchStrategy[Any]]
    fault: Callable[[World, Any], Fault | None]
    share: int


# -- files of YAML -----------------------------------------------------------------------------


def _yaml_of(tree: Any) -> bytes:
    try:
        return yaml.safe_dump(tree, allow_unicode=True).encode(errors="surrogateescape")
    except yaml.YAMLError:
        return repr(tree).encode(errors="replace")


def _files(tree: Any) -> st.SearchStrategy[bytes]:
    whole = _yaml_of(tree)
    return st.one_of(
        damaged_trees(tree).map(_yaml_of),
        damaged_trees(tree).map(_yaml_of),
        damaged_bytes(whole),
        recoded(whole.decode()),
    )


def _spaces(world: World) -> st.SearchStrategy[bytes]:
    trees = [yaml.safe_load(p.read_text()) for p in shipped_files("search_spaces").values()]
    return st.sampled_from(trees).flatmap(_files)


def _space_fault(world: World, content: bytes) -> Fault | None:
    (world.folder / "space.yaml").write_bytes(content)
    return command_fault("validate", "space.yaml") or fault_of(
        lambda: point_faults(str(world.folder / "space.yaml"))
    )


def _recipe_fault(world: World, content: bytes) -> Fault | None:
    world.restore()
    (world.folder / "fuzzed.yaml").write_bytes(content)
    return command_fault("validate", "fuzzed.yaml") or command_fault("run", "fuzzed.yaml")


def _config_fault(world: World, content: bytes) -> Fault | None:
    (world.folder / "fuzzed.yaml").write_bytes(content)
    return command_fault("validate", "fuzzed.yaml") or command_fault(
        "train", "fuzzed.yaml", "--output-dir", "out"
    )


# -- data files --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Data:
    """A data file and how to read it."""

    suffix: str
    content: bytes
    kind: str | None
    options: dict[str, Any]


def _parquet_of(rows: list[Any]) -> bytes:
    import pandas

    out = io.BytesIO()
    try:
        pandas.DataFrame(rows).to_parquet(out)
    except Exception:  # what no such file can hold
        return b"PAR1"
    return out.getvalue()


def _lines_of(rows: Any) -> bytes:
    found = rows if isinstance(rows, list) else [rows]
    return "".join(json.dumps(row, default=str) + "\n" for row in found).encode()


_WRITERS: dict[str, Callable[[Any], bytes]] = {
    ".csv": lambda rows: csv_of(rows).encode(),
    ".tsv": lambda rows: csv_of(rows, "\t").encode(),
    ".json": lambda rows: json.dumps(rows, default=str).encode(),
    ".jsonl": _lines_of,
    ".parquet": _parquet_of,
    ".conll": lambda rows: conll_of(rows).encode(),
    ".txt": lambda rows: "\n\n".join(row["text"] for row in rows).encode(),
}


@st.composite
def _data(draw: st.DrawFn) -> Data:
    name = draw(st.sampled_from(tuple(TYPES)))
    rows = rows_of(name)
    suffixes = [".csv", ".tsv", ".json", ".jsonl", ".parquet"]
    suffixes += {"tokens": [".conll"], "plain": [".txt"], "span": ["squad"]}.get(name, [])
    suffix = draw(st.sampled_from(suffixes))
    if suffix == "squad":
        tree: Any = squad_of(rows)
        content, suffix = json.dumps(tree).encode(), ".json"
    else:
        tree, content = rows, _WRITERS[suffix](rows)
    if draw(st.booleans()) and suffix in (".csv", ".tsv", ".json", ".jsonl", ".parquet"):
        tree = draw(damaged_trees(tree, most=4))
        try:
            content = _WRITERS[suffix](tree)
        except (AttributeError, TypeError):
            content = json.dumps(tree, default=str).encode()
    elif draw(st.integers(0, 4)) and suffix != ".parquet":
        content = draw(recoded(content.decode())) if draw(st.booleans()) else content
    if draw(st.booleans()):
        content = draw(damaged_bytes(content))
    kinds = st.sampled_from((None, None, TYPES[name], *sorted(set(TYPES.values()))))
    options: dict[str, Any] = {}
    if draw(st.integers(0, 2)) == 0:
        columns = st.sampled_from(("text", "label", "labels", "x", "question", "", "tokens"))
        choices = {
            "drop_missing": st.booleans(),
            "separator": st.sampled_from((",", ";", "\t", "|", "x")),
            "encoding": st.sampled_from(("utf-8", "cp1252", "utf-16", "base64", "idna", "?")),
            "text_columns": st.lists(columns, min_size=1, max_size=2).map(tuple),
            "label_column": columns,
            "metric": st.sampled_from(("accuracy", "f1", "x", "pearson", "exact_match")),
            "positive_class": st.sampled_from(("good", "1", "x")),
            "max_train_samples": st.sampled_from((1, 2, 10**9)),
            "max_length": st.sampled_from((4, 8, 10**9)),
            "doc_stride": st.sampled_from((0, 1, 10**6)),
            "answer_pattern": st.sampled_from(("(", "(.*)", "x")),
        }
        for option in draw(st.lists(st.sampled_from(tuple(choices)), max_size=2, unique=True)):
            options[option] = draw(choices[option])
    return Data(suffix, content, draw(kinds), options)


def _data_fault(world: World, data: Data) -> Fault | None:
    file = world.folder / f"fuzzed{data.suffix}"
    file.write_bytes(data.content)
    return fault_of(lambda: data_fault(world, file, data.kind, data.options))


# -- command lines -----------------------------------------------------------------------------

_STUDY = ["--studies-dir", "studies"]
_OPTION_WORDS = (
    "--task --type --train-file --validation-file --model --method --space --objective --budget "
    "--seeds --time --patience --max-updated --min-metric --max-memory --sampler --candidates "
    "--scheduler --parallel --gpus-per-trial --storage-timeout --reuse-budget --no-reuse --epochs "
    "--batch-size --learning-rate --precision --study --warm-start --log-to --text-columns "
    "--label-column --task-metric --max-length --separator --encoding --json --quiet --dry-run "
    "--studies-dir --pick --force --anyway --out --margin --limit --clear --yes --output-dir "
    "--overwrite --help --version --reconnect --frozen-dtype --optimizer --processes-per-trial"
)
_OPTIONS = _OPTION_WORDS.split()


def _lines(world: World) -> st.SearchStrategy[list[str]]:
    files = ["--train-file", "rows.csv", "--validation-file", "rows.csv", "--model", "model"]
    lines = [
        ["run", *files, "--epochs", "2", "--budget", "3", "--space", "quick", "--dry-run"],
        ["run", "recipe.yaml", "--study", "other", "--seeds", "2", "--time", "1h"],
        ["resume", "fuzz", "--budget", "9"],
        ["confirm", "fuzz", "--seeds", "3", "--margin", "1pt", "--pick", "knee"],
        ["status", "fuzz", *_STUDY, "--json"],
        ["report", "fuzz", "--json"],
        ["export", "fuzz", "--pick", "cheapest@1pt", "--out", "best.yaml", "--force"],
        ["train", "config.yaml", "--output-dir", "out", "--overwrite"],
        ["ls", "studies", "--json"],
        ["ls", "task-metrics"],
        ["cp", "paper", "mine.yaml", "--force"],
        ["validate", "recipe.yaml", "config.yaml"],
        ["cache", "reuse", "--limit", "5GiB", "--json"],
        ["rm", "fuzz", "--yes"],
    ]
    return st.sampled_from(lines).flatmap(lambda line: damaged_lines(line, _OPTIONS))


def _line_fault(world: World, line: list[str]) -> Fault | None:
    world.restore()
    return command_fault(*line)


KINDS = {
    "command line": Kind(_lines, _line_fault, 15),
    "recipe": Kind(lambda world: _files(world.recipe), _recipe_fault, 12),
    "space": Kind(_spaces, _space_fault, 10),
    "exported config": Kind(lambda world: _files(world.config), _config_fault, 12),
    "data file": Kind(lambda world: _data(), _data_fault, 18),
    "journal": Kind(journals.inputs, journals.fault, 8),
    "stored segment": Kind(segments.inputs, segments.fault, 10),
    "study's files": Kind(study_files.inputs, study_files.fault, 3),
    "cached measurement": Kind(caches.inputs, caches.fault, 2),
    "storage URL": Kind(url_of_a_database.inputs, url_of_a_database.fault, 5),
    "outbox": Kind(outboxes.inputs, outboxes.fault, 5),
}
