"""The file of finished runs from which a table is written, and what stands beside it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from progsearch.cache import write_json
from progsearch.config import TaskConfig
from progsearch.costs import ModelCost, PartCost
from progsearch.costs.memory import ModelMemory
from progsearch.errors import StudyError
from progsearch.strategy.problem import Problem
from progsearch.version import ENGINE_VERSION, libraries

_LIBRARIES = ("torch", "transformers", "peft")


@dataclass(frozen=True)
class RunsFile:
    """Finished runs, a line each; what is in it is not trained again.

    ``PATH.about.json`` holds what was known when it was begun: the costs and scores of the model,
    from which its points follow, and what trained it.

    Attributes:
        path: The file.
    """

    path: Path

    def begin(self, task: TaskConfig, inspect: Callable[[TaskConfig], Problem]) -> None:
        """Inspect the model and the task, or check that the file was begun with the same ones.

        Raises:
            StudyError: It belongs to another task, engine or version of a library.
        """
        made = {
            "engine": ENGINE_VERSION,
            "libraries": dict(zip(_LIBRARIES, libraries(), strict=True)),
            # Wherever its files lie.
            "task": task.model_dump(mode="json", exclude_none=True, exclude={"data_dir"}),
        }
        if not self._about.exists():
            self._about.parent.mkdir(parents=True, exist_ok=True)
            subject = asdict(inspect(task))
            write_json(self._about, {**made, "commit": commit(), "subject": subject})
            return
        about = self.about()
        for name, value in made.items():
            if about[name] != value:
                raise StudyError(
                    f"{self.path} was begun with {name} {about[name]}, and this is {value}: "
                    "give another file with --runs"
                )

    def about(self) -> dict[str, Any]:
        """Engine, libraries, commit, task and subject.

        Raises:
            StudyError: Nothing was trained yet.
        """
        if not self._about.exists():
            raise StudyError(f"there is no {self._about}: train first, without --write")
        found: dict[str, Any] = json.loads(self._about.read_text(encoding="utf-8"))
        return found

    @property
    def problem(self) -> Problem:
        """What is known of the model and the task."""
        return problem_of(self.about()["subject"])

    def read(self) -> dict[tuple[str, int], dict[str, Any]]:
        """The finished runs by key and seed; a line that a killed process left torn is not one."""
        found = {}
        text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        for line in text.splitlines():
            try:
                run = json.loads(line)
            except ValueError:
                continue
            found[run["key"], run["seed"]] = run
        return found

    def add(self, run: dict[str, Any]) -> None:
        """Add a finished run; one write, so that many processes may share the file."""
        # A line break first, in case the last line is torn.
        line = "\n" + json.dumps(run)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)

    @property
    def _about(self) -> Path:
        return self.path.with_name(f"{self.path.name}.about.json")


def commit() -> str | None:
    """The commit of this checkout, marked if it has changes; None if it is not one."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    folder = Path(__file__).parent
    found = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return found.stdout.strip() or None


def problem_of(data: dict[str, Any]) -> Problem:
    """The inverse of `asdict`, from JSON."""
    costs = {
        method: ModelCost(
            embeddings=PartCost(**cost["embeddings"]),
            blocks=tuple(PartCost(**block) for block in cost["blocks"]),
            head=PartCost(**cost["head"]),
            # Tables of earlier versions have no memory and no further references.
            memory=ModelMemory.from_dict(cost["memory"]) if cost.get("memory") else None,
        )
        for method, cost in data["costs"].items()
    }
    scores = {metric: tuple(values) for metric, values in data["contributions"].items()}
    given = {name: tuple(data.get(name, ())) for name in ("remarks", "references")}
    return Problem(**{**data, "costs": costs, "contributions": scores, **given})
