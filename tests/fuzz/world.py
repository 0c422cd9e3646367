"""A folder with a tiny model, a study and valid files of every kind, from which fuzzing starts."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import torch

from progsearch.config import Recipe, TaskConfig, plain, write_yaml
from progsearch.store import Store
from progsearch.study.folder import StudyFolder, create_study
from progsearch.study.info import Session
from progsearch.study.metadata import info_of, keep_sessions
from progsearch.training.segments import Segment, put_segment
from tests.support.fake_study import FakeStudy
from tests.support.language import save_language_model, sums
from tests.support.tiny import save_tiny

STUDY = "fuzz"
KEYS = ("first", "second")
_WORDS = ("good", "bad")


class World:
    """The files.

    Args:
        folder: Holds them; it is the working directory of what is run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = str(save_tiny(folder / "model"))
        self.language_model = save_language_model(folder / "llm")
        (folder / "rows.csv").write_text(csv_of(rows_of("classification")))
        self.study = self._study()
        self.kept = {
            path: path.read_bytes() for path in (folder / "studies" / STUDY).iterdir()
        } | {folder / "rows.csv": (folder / "rows.csv").read_bytes()}
        self.recipe = self._recipe()
        self.config = plain(self.study.trials()[1].run) | {
            "model": self.model,
            "task": {"name": "rows", "train_file": "rows.csv", "validation_file": "rows.csv"},
        }
        write_yaml(folder / "recipe.yaml", self.recipe)
        write_yaml(folder / "config.yaml", self.config)
        (folder / "store").mkdir()
        self.store = Store(folder / "store", budget=2**30)
        self.tensors = {
            key: {f"weight:{n}": torch.full((3, n + 1), float(n)) for n in range(3)}
            for key in KEYS
        }
        self.segments = {
            "first": Segment(None, 2, {"accuracy": 0.5}, 1.0, 0.5, 10, constant=False),
            "second": Segment("first", 4, {"accuracy": 0.7}, 2.0, 0.9, 10, constant=False),
        }
        for key in KEYS:
            put_segment(self.store, key, self.segments[key], self.tensors[key])
        self.stored = {path: path.read_bytes() for path in self.store.folder.iterdir()}

    def _recipe(self) -> dict[str, Any]:
        training = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-3, "seed": 1}
        return {
            "study": "new",
            "model": self.model,
            "task": {
                "name": "rows",
                "train_file": "rows.csv",
                "validation_file": "rows.csv",
                "text_columns": ["text"],
                "label_column": "label",
            },
            "space": "quick",
            "methods": ["full", "lora"],
            "objectives": ["metric", "updated_parameters"],
            "budget": 3,
            "min_metric": 0.1,
            "max_updated": 0.9,
            "max_memory": 10**10,
            "sampler": "ehvi",
            "training": training,
        }

    def _study(self) -> StudyFolder:
        fake = FakeStudy(budget=6)
        fake.baselines()
        fake.searched(4)
        fake.fail("the loss is not a number at step 40")
        fake.stop(0.7)
        recipe = Recipe(study=STUDY, task=TaskConfig(name="mrpc"), budget=6, front_seeds=1)
        folder = create_study(recipe, self.folder / "studies", info_of(fake.study))
        for trial in fake.study.get_trials():
            folder.study.add_trial(trial)
        started = Session(started="2026-11-23T18:00:00", seconds=900.0, trials=12)
        keep_sessions(folder.study, [started])
        return folder

    def restore(self) -> None:
        """Bring back what an earlier input removed or changed."""
        for path, content in self.kept.items():
            if not path.is_file() or path.read_bytes() != content:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)


def rows_of(kind: str) -> list[dict[str, Any]]:
    """Rows of a task type as JSON has them."""
    draw = random.Random(0)

    def text() -> str:
        return " ".join(draw.choices(_WORDS, k=draw.randint(2, 6)))

    found: list[dict[str, Any]] = []
    row: dict[str, Any]
    for number in range(24):
        given, words = {"text": text()}, text().split()
        match kind:
            case "pairs":
                row = {"sentence1": text(), "sentence2": text(), "label": number % 3}
            case "regression":
                row = given | {"label": round(draw.random() * 5, 2)}
            case "multilabel":
                row = given | {"labels": [["a"], ["b", "c"], []][number % 3]}
            case "tokens":
                tags = [("O", "B-PER", "I-PER")[(number + i) % 3] for i in range(len(words))]
                row = {"tokens": words, "ner_tags": tags}
            case "span":
                answers = {"text": [words[0]], "answer_start": [0]}
                row = {"question": text(), "context": " ".join(words), "answers": answers}
            case "choice":
                choices = [text() + str(i) for i in range(3)]
                row = {"question": text(), "choices": choices, "answer": number % 3}
            case "instructions":
                row = sums(24)[number]
            case "messages":
                turns = [{"role": "user", "content": text()}]
                row = {"messages": [*turns, {"role": "assistant", "content": text()}]}
            case "plain":
                row = {"text": " ".join(text() for _ in range(9))}
            case _:
                row = given | {"label": _WORDS[number % 2]}
        found.append(row)
    return found


TYPES = {
    "classification": "classification",
    "pairs": "classification",
    "regression": "regression",
    "multilabel": "multi-label",
    "tokens": "token-classification",
    "span": "span",
    "choice": "multiple-choice",
    "instructions": "causal-lm",
    "messages": "causal-lm",
    "plain": "causal-lm",
}
"""The rows of `rows_of` and the name of the task type that reads them."""


def csv_of(rows: list[dict[str, Any]], separator: str = ",") -> str:
    """Rows as CSV; cells that are no text are JSON."""
    import csv
    import io

    out = io.StringIO()
    names = list(dict.fromkeys(str(name) for row in rows for name in row))
    writer = csv.writer(out, delimiter=separator)
    writer.writerow(names)
    for row in rows:
        found = {str(name): cell for name, cell in row.items()}
        cells = [found.get(name, "") for name in names]
        writer.writerow([c if isinstance(c, str) else json.dumps(c, default=str) for c in cells])
    return out.getvalue()


def conll_of(rows: list[dict[str, Any]]) -> str:
    """Rows of tagged words in the CoNLL layout."""
    return "\n".join(
        "".join(f"{w} {t}\n" for w, t in zip(r["tokens"], r["ner_tags"], strict=True))
        for r in rows
    )


def squad_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Rows of spans in the layout of SQuAD."""
    paragraphs = []
    for number, row in enumerate(rows):
        answers = [{"text": row["answers"]["text"][0], "answer_start": 0}]
        asked = {"id": str(number), "question": row["question"], "answers": answers}
        paragraphs.append({"context": row["context"], "qas": [asked]})
    return {"version": "1.1", "data": [{"title": "a", "paragraphs": paragraphs}]}
