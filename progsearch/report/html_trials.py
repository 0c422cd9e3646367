"""The table of all trials, which can be sorted and filtered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from textwrap import shorten

from progsearch.numerals import duration, learning_rate, percent, size
from progsearch.report import collapsed, stopped
from progsearch.report.data import StudyReport
from progsearch.report.formatting import count, signed
from progsearch.report.html_maps import Maps, picked
from progsearch.report.html_terms import TERMS, tags
from progsearch.report.rows import memory_of, metric_in_words
from progsearch.schedule.short import in_short
from progsearch.study.trial import RUN_AGAIN, Trial

_KINDS = {
    "front": "on the front",
    "reference": "references",
    "finished": "finished",
    "collapsed": "collapsed",
    "stopped": "stopped early",
    "failed": "failed",
    "interrupted": "interrupted",
    "running": "running",
    "repeat": "repeats with another seed",
}
_WORDS = {kind: kind for kind in _KINDS} | {"stopped": "stopped early"}
_ENDS = ("finished", "stopped", "failed", "interrupted", "running")


@dataclass(frozen=True)
class _Cell:
    """Text and the value to sort by; None comes last."""

    text: str
    value: float | str | None = None
    kind: str = "number"


def trials_table(report: StudyReport, maps: Maps) -> str:
    """All trials with their state, results, costs and schedules, each with a link to its map."""
    every = [(trial, _kinds(report, trial), _cells(report, trial)) for trial in report.trials]
    picks = picked(report)
    # A column without any value says nothing.
    titles = [
        title
        for title, cell in every[0][2].items()
        if cell.kind != "number" or any(cells[title].value is not None for _, _, cells in every)
    ]
    body = "".join(
        _row(maps, trial, picks.get(trial.number, ()), kinds, [cells[title] for title in titles])
        for trial, kinds, cells in every
    )
    kinds_of_columns = [every[0][2][title].kind for title in titles]
    head = _head("trial", "name") + "".join(map(_head, titles, kinds_of_columns))
    return (
        f"{_filters([kinds for _, kinds, _ in every])}"
        '<div class="scroll" role="region" tabindex="0" aria-label="All trials">'
        f'<table class="trials" id="all-trials"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _filters(kinds: list[set[str]]) -> str:
    counts = Counter(kind for of_one in kinds for kind in of_one)
    options = "".join(
        f'<option value="{kind}">{words} ({counts[kind]})</option>'
        for kind, words in _KINDS.items()
        if counts[kind]
    )
    return (
        '<div class="filters"><label>Show <select id="kind-filter">'
        f'<option value="">all trials ({len(kinds)})</option>{options}</select></label>'
        '<label>with the text <input id="text-filter" type="search" '
        'placeholder="such as #7, 4-5 or 1e-4"></label>'
        '<span id="shown" role="status"></span></div>'
    )


def _head(title: str, kind: str) -> str:
    meaning = TERMS.get(title.lower())
    tip = f' title="{escape(meaning)}"' if meaning else ""
    return (
        f'<th scope="col" class="{kind}" aria-sort="none">'
        f'<button type="button" class="sort"{tip}>{escape(title)}</button></th>'
    )


def _row(
    maps: Maps, trial: Trial, picks: Sequence[str], kinds: set[str], cells: list[_Cell]
) -> str:
    names = [*picks, *(name for name in ("front", "collapsed") if name in kinds)]
    shown = "".join(
        f'<td class="{cell.kind}"'
        + ("" if cell.value is None else f' data-value="{escape(str(cell.value))}"')
        + f">{escape(cell.text)}</td>"
        for cell in cells
    )
    label = f"#{trial.number}" + (f" {trial.name}" if trial.name else "")
    return (
        f'<tr class="{"baseline" if trial.is_baseline else "searched"}" '
        f'data-kinds="{" ".join(sorted(kinds))}"><td class="name" data-value="{trial.number}">'
        f'<a href="{maps.link(trial)}">{escape(label)}</a>{tags(names)}</td>{shown}</tr>'
    )


def _kinds(report: StudyReport, trial: Trial) -> set[str]:
    found = {
        "front": any(other.number == trial.number for other in report.front),
        "reference": trial.is_baseline,
        "finished": trial.is_complete,
        "collapsed": collapsed.of(report, trial) is not None,
        "stopped": trial.is_stopped,
        "failed": trial.is_failed,
        "interrupted": trial.is_interrupted,
        "running": trial.is_running,
        "repeat": trial.repeats is not None,
    }
    return {kind for kind, holds in found.items() if holds}


def _cells(report: StudyReport, trial: Trial) -> dict[str, _Cell]:
    run, full = trial.run, report.full
    usable = trial.is_usable
    value = trial.values[0] if usable else None
    compared = usable and full is not None and trial.number != full.number
    compared = compared and not collapsed.full_collapsed(report)
    to_full = 100 * (trial.values[0] - full.values[0]) if compared and full else None
    (state,) = _kinds(report, trial) & set(_ENDS) or {"running"}
    measured = trial.timings is not None and usable
    memory = memory_of(report, trial)
    cells = {
        "state": _Cell(_WORDS[state], state, "text"),
        report.metric.replace("_", " "): _Cell(metric_in_words(trial) if usable else "", value),
        "seeds": _Cell(str(trial.n_seeds), trial.n_seeds) if usable else _Cell(""),
        "to full": _Cell("" if to_full is None else signed(to_full), to_full),
        "updated": _Cell(percent(trial.updated_parameters), trial.updated_parameters),
        "memory": _Cell(size(memory) if memory else "", memory),
        "FLOPs": _Cell(count(trial.costs.flops), trial.costs.flops),
        "time": _Cell(duration(trial.seconds), trial.seconds) if measured else _Cell(""),
    }
    rate = run.training.learning_rate
    cells["learning rate"] = _Cell(learning_rate(rate), rate)
    if any(other.run.method.name != "full" for other in report.trials):
        cells["method"] = _Cell(run.method.name, run.method.name, "text")
    short = in_short(trial.stages, report.n_blocks)
    cells["schedule"] = _Cell(short, short, "text")
    cells["note"] = _Cell(_note(report, trial), kind="wide")
    return cells


def _note(report: StudyReport, trial: Trial) -> str:
    """What is special about a trial, in words."""
    notes = []
    if trial.repeats is not None:
        notes.append(f"repeats #{trial.repeats} with seed {trial.run.training.seed}")
    if trial.continues is not None:
        notes.append(f"continues #{trial.continues}")
    if trial.retry_of is not None:
        tries = f" (try {trial.tries})" if trial.tries > 1 else ""
        notes.append(f"runs #{trial.retry_of} again{tries}")
    if trial.is_stopped:
        notes.append(stopped.in_short(report, trial))
    elif trial.is_failed or trial.outcome == RUN_AGAIN:
        # The whole reason of a failed one is in the list of failed trials.
        notes.append(shorten(trial.reason or "no reason was recorded", 90, placeholder=" ..."))
    if remark := collapsed.in_short(report, trial):
        notes.append(remark)
    return "; ".join(notes)
