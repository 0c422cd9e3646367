"""A study in words: lines of text, and a table for notebooks."""

from __future__ import annotations

from collections import Counter
from html import escape

from progsearch.report.data import StudyReport
from progsearch.report.formatting import in_words, spent_in_words, value_in_words
from progsearch.report.indistinct import indistinct
from progsearch.report.rows import Row, rows, rules
from progsearch.results.frames import state_of
from progsearch.study.trial import Trial


def summary_of(report: StudyReport) -> str:
    """What was searched and trained, and the trials that most people look for first."""
    lines = [f"study {report.study}: {_goal(report)}", _trained(report)]
    if report.full is not None:
        lines.append(f"full fine-tuning: {_result(report, report.full)}")
    if report.front:
        for how in rules(report):
            trial = report.pick(how)
            lines.append(f"{how}: {trial.label}, {_result(report, trial)}")
    if report.usable:
        lines.append(str(report.payback))
    blind = indistinct(report.usable, report.metric)
    return "\n".join([*lines, *filter(None, (report.nothing_learned, blind))])


def as_html(report: StudyReport) -> str:
    """The same with the front and the references as a table, in the notebook's own colours."""
    found = rows(report)
    parts = [
        f"<p><b>{escape(report.study)}</b>: {escape(_goal(report))}<br>{_trained(report)}</p>"
    ]
    if found:
        head = "".join(f"<th>{escape(title)}</th>" for title in ("trial", *found[0].cells))
        body = "".join(map(_html_row, found))
        parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
    notes = (report.nothing_learned, indistinct(report.usable, report.metric))
    parts += [f"<p>{escape(note)}</p>" for note in notes if note]
    return f"<div>{''.join(parts)}</div>"


def _html_row(row: Row) -> str:
    name = " ".join([row.name, *(f"({tag})" for tag in row.tags)])
    cells = "".join(f"<td>{escape(text)}</td>" for text in (name, *row.cells.values()))
    return f"<tr>{cells}</tr>" if row.on_front else f'<tr style="opacity: 0.65">{cells}</tr>'


def _goal(report: StudyReport) -> str:
    names = " against ".join(objective.replace("_", " ") for objective in report.objectives)
    return f"{names}, {report.recipe.model} on {report.recipe.task.name} ({report.split} data)"


def _trained(report: StudyReport) -> str:
    states = Counter(map(state_of, report.trials))
    counted = ", ".join(f"{number} {state}" for state, number in states.most_common())
    many = f"{len(report.trials)} trials ({counted})" if report.trials else "no trials yet"
    return f"{many}; budget: {spent_in_words(report.spent, report.recipe.budget)}"


def _result(report: StudyReport, trial: Trial) -> str:
    values = [
        f"{objective.replace('_', ' ')} {value_in_words(objective, value)}"
        for objective, value in zip(report.objectives, trial.values, strict=True)
    ]
    return f"{', '.join(values)} ({in_words(trial.stages, report.n_blocks)})"
