"""Maps of schedules: which part of the model is trained when."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from html import escape

from progsearch.report.data import StudyReport
from progsearch.report.formatting import in_words, value_in_words
from progsearch.report.html_terms import tags
from progsearch.report.rows import rules
from progsearch.study.trial import Trial

_ROW = 11
"""The height of a block in pixels; the same number is in page.css."""


def picked(report: StudyReport) -> dict[int, list[str]]:
    """The rules that choose a trial, by its number."""
    found: dict[int, list[str]] = {}
    for how in rules(report) if report.front else ():
        found.setdefault(report.pick(how).number, []).append(how)
    return found


class Maps:
    """The maps of a study: one per schedule, which trials with the same schedule share.

    Args:
        report: The study.
    """

    def __init__(self, report: StudyReport) -> None:
        self._report = report
        self._picked = picked(report)
        references = [trial for trial in report.baselines if trial.is_usable]
        self._first = {trial.number: trial for trial in [*report.front, *references]}
        self._owners: dict[str, Trial] = {}
        for trial in [*self._first.values(), *report.trials]:
            self._owners.setdefault(_key(trial), trial)
        self._sharing: dict[int, list[str]] = {}
        for trial in report.trials:
            if trial.number not in self._first and trial.repeats is None:
                self._sharing.setdefault(self._owner(trial).number, []).append(f"#{trial.number}")

    def link(self, trial: Trial) -> str:
        """The address of a trial's map in the page."""
        return f"#map-{self._owner(trial).number}"

    def first(self) -> str:
        """The maps of the front and of the references."""
        return self._grid(list(self._first.values()))

    def others(self) -> str:
        """The maps of all other schedules; empty if there are none."""
        others = [t for t in self._owners.values() if t.number not in self._first]
        return self._grid(others) if others else ""

    def _owner(self, trial: Trial) -> Trial:
        """The trial that has the map of this one's schedule."""
        return self._first.get(trial.number) or self._owners[_key(trial)]

    def _grid(self, trials: Sequence[Trial]) -> str:
        return f'<div class="maps">{"".join(map(self._map, trials))}</div>'

    def _map(self, trial: Trial) -> str:
        report = self._report
        n_rows = report.n_blocks + 2
        words = in_words(trial.stages, report.n_blocks)
        names = "".join(
            f'<span style="grid-row:{n_rows - row}">{name}</span>'
            for row, name in _row_names(report.n_blocks).items()
        )
        return (
            f'<figure class="map {"baseline" if trial.is_baseline else "searched"}" '
            f'id="map-{trial.number}" style="--rows:{n_rows}">'
            f"<figcaption>{self._title(trial)}</figcaption>"
            f'<div class="rows" aria-hidden="true">{names}</div>'
            f'<div class="cells"><svg viewBox="0 0 100 {n_rows}" height="{_ROW * n_rows}" '
            f'preserveAspectRatio="none" role="img"><title>{escape(words)}</title>'
            f'<path d="{_cells(trial, report.n_blocks)}"/></svg></div>'
            '<div class="times" aria-hidden="true"><span>0 %</span><span>50 %</span>'
            "<span>100 %</span></div></figure>"
        )

    def _title(self, trial: Trial) -> str:
        report = self._report
        names = [n for n in self._sharing.get(trial.number, ()) if n != f"#{trial.number}"]
        numbers = ""
        if trial.is_usable:
            values = zip(report.objectives, trial.values, strict=True)
            numbers = " · ".join(value_in_words(name, value) for name, value in values)
        same = f'<span class="same">also {", ".join(names)}</span>' if names else ""
        return (
            f"<b>{escape(trial.label)}</b>{tags(self._picked.get(trial.number, ()))}"
            f'<span class="numbers">{escape(numbers)}</span>{same}'
        )


def _key(trial: Trial) -> str:
    """Equal for trials with the same schedule."""
    return json.dumps(trial.stages)


def _cells(trial: Trial, n_blocks: int) -> str:
    """The trained parts as an SVG path: 100 wide, 1 high for each part, the head at the top."""
    path = []
    for stage in trial.stages:
        trained = [
            stage["head"],
            *(block in stage["trainable_blocks"] for block in reversed(range(n_blocks))),
            stage["embeddings"],
        ]
        left, right = 100 * stage["start"], 100 * stage["end"]
        # A gap between stages, but none at the end.
        width = f"{right - left - (1 if right < 100 else 0):.4g}"
        top = 0
        while top < len(trained):
            bottom = top
            while bottom < len(trained) and trained[bottom]:
                bottom += 1
            if bottom > top:
                path.append(f"M{left:.4g} {top}h{width}v{bottom - top}h-{width}z")
            top = bottom + 1
    return "".join(path)


def _row_names(n_blocks: int) -> dict[int, str]:
    """The rows with a name, from 0 for the embeddings: some blocks between these and the head."""
    step = max(1, math.ceil(n_blocks / 6))
    # If not every row has one, the name of block 0 would be too near to that of the embeddings.
    named = range(1 if step == 1 else 1 + step, n_blocks + 1, step)
    return {0: "embeddings", **{row: f"block {row - 1}" for row in named}, n_blocks + 1: "head"}
