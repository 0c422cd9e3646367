"""Texts and tables of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from progsearch.config import Understood
from progsearch.numerals import learning_rate, percent
from progsearch.report.confirmation import Confirmed
from progsearch.report.confirmation_rows import confirmed_rows
from progsearch.report.data import StudyReport
from progsearch.report.formatting import value_in_words
from progsearch.report.html_maps import Maps
from progsearch.report.html_terms import heading, table, tags
from progsearch.report.payback_rows import payback_rows
from progsearch.report.per_class import ByClass, class_rows
from progsearch.report.rows import Row, name_of, rows


def lead(report: StudyReport) -> str:
    """The model, task and objectives of the search, in a sentence."""
    goal = report.metric
    if report.objectives[1:]:
        goal += " against " + " and ".join(report.objectives[1:])
    return (
        f"Progressive fine-tuning schedules of <b>{escape(report.recipe.model)}</b> on "
        f"<b>{escape(report.recipe.task.name)}</b>: {escape(goal.replace('_', ' '))}, "
        f"on {escape(report.split)} data."
    )


def alert(report: StudyReport) -> str:
    """That nothing was learned, if so."""
    sentence = report.nothing_learned
    if sentence is None:
        return ""
    return f'<p class="alert">{escape(sentence[0].upper() + sentence[1:])}.</p>'


def front_table(report: StudyReport, maps: Maps) -> str:
    """The front and the references."""
    all_rows = rows(report)
    titles = list(all_rows[0].cells)
    # The last column is text; the others are numbers.
    kinds = ["number"] * (len(titles) - 1) + ["wide"]
    links = {name_of(report, trial): maps.link(trial) for trial in report.usable}
    front = "".join(_row(row, kinds, links) for row in all_rows if row.on_front)
    beaten = "".join(_row(row, kinds, links) for row in all_rows if not row.on_front)
    if beaten:
        beaten = (
            f'<tr class="group"><th colspan="{len(titles) + 1}" scope="rowgroup">'
            f"References not on the front</th></tr>{beaten}"
        )
    head = heading("trial") + "".join(map(heading, titles, kinds))
    return table(head, front + beaten, "The front and the references")


def confirmed_table(report: StudyReport, confirmed: Confirmed, maps: Maps) -> str:
    """The schedules on new seeds, including those without a result."""
    all_rows = confirmed_rows(report, confirmed)
    titles = list(all_rows[0].cells) if all_rows else []
    kinds = ["number"] * len(titles)
    links = {s.trial.label: maps.link(s.trial) for s in confirmed.schedules}
    # Intervals go on a new line; otherwise the table would be too wide.
    body = "".join(_row(row, kinds, links) for row in all_rows).replace(" [", "<br>[")
    body += "".join(
        f'<tr><td class="name">{escape(trial.label)}</td>'
        f'<td colspan="{len(titles)}">no run has a result: {escape(reason)}</td></tr>'
        for trial, reason in confirmed.failed
    )
    head = heading("schedule") + "".join(map(heading, titles, kinds))
    return table(head, body, "Schedules on new seeds")


def class_table(found: ByClass) -> str:
    """The scores of each class with one schedule."""
    shown = class_rows(found.scores, found.full)
    titles = list(shown[0].cells)
    kinds = ["number"] * len(titles)
    body = "".join(_row(row, kinds, {}) for row in shown)
    head = heading("class") + "".join(map(heading, titles, kinds))
    return table(head, body, "Scores of each class")


def payback_table(report: StudyReport, maps: Maps) -> str:
    """What one training with each front schedule saves; empty without full fine-tuning."""
    all_rows = payback_rows(report)
    if not all_rows:
        return ""
    titles = list(all_rows[0].cells)
    kinds = ["number"] * len(titles)
    links = {trial.label: maps.link(trial) for trial in report.front}
    body = "".join(_row(row, kinds, links) for row in all_rows)
    head = heading("trial") + "".join(map(heading, titles, kinds))
    return table(head, body, "What one training saves")


def _row(row: Row, kinds: Sequence[str], links: Mapping[str, str]) -> str:
    # A number stays on the line of its unit.
    cells = "".join(
        f'<td class="{kind}">{escape(cell).replace(" %", "&nbsp;%")}</td>'
        for cell, kind in zip(row.cells.values(), kinds, strict=True)
    )
    name = escape(row.name)
    if row.name in links:
        name = f'<a href="{links[row.name]}">{name}</a>'
    return (
        f'<tr class="{"baseline" if row.baseline else "searched"}">'
        f'<td class="name">{name}{tags(row.tags)}</td>{cells}</tr>'
    )


def dimensions(report: StudyReport) -> str:
    """The mean metric for each value of each dimension, and the dimensions left out."""
    importance = report.importance
    metric = escape(report.metric.replace("_", " "))
    body = ""
    for dimension in importance.dimensions:
        means = " · ".join(
            f"{_value_in_words(mean.value)}\u00a0{mean.metric:.4f}\u00a0({mean.trials})"
            for mean in dimension.values
        )
        body += (
            f'<tr><td class="name">{escape(dimension.name.replace("_", " "))}</td>'
            f'<td class="number">{dimension.trials}</td>'
            f'<td class="wide">{escape(means)}</td></tr>'
        )
    for name, reason in importance.left_out.items():
        body += (
            f'<tr><td class="name">{escape(name.replace("_", " "))}</td><td></td>'
            f'<td class="wide">left out: {escape(reason)}</td></tr>'
        )
    head = (
        '<th scope="col">dimension</th><th scope="col" class="number">trials</th>'
        f'<th scope="col" class="wide">mean {metric} by value (trials); they differ in other '
        "dimensions too</th>"
    )
    return table(head, body, "Dimensions of the space")


def _value_in_words(value: object) -> str:
    if isinstance(value, float):
        return learning_rate(value) if 0 < value < 0.01 else f"{value:g}"
    return str(value).replace("_", " ")


def understood(data: Understood) -> str:
    """The columns of the data, warnings about it, and a row for each split."""

    def share(number: float | None) -> str:
        return "" if number is None else percent(number)

    body = "".join(
        f'<tr><td class="name">{escape(name)}</td><td class="number">{split.rows:,}</td>'
        f'<td class="wide">{escape(split.answers.in_words(split.rows))}</td>'
        f'<td class="number">{share(split.unknown)}</td>'
        f'<td class="number">{share(split.cut)}</td></tr>'
        for name, split in data.splits.items()
    )
    read = ", ".join(filter(None, (data.type, data.columns)))
    said = (*data.notes, *(f"Note: {doubt}" for doubt in data.doubts))
    notes = "".join(f'<p class="about">{escape(sentence)}.</p>' for sentence in said)
    head = (
        '<th scope="col">split</th><th scope="col" class="number">rows</th>'
        '<th scope="col" class="wide">answers</th><th scope="col" class="number">unknown tokens'
        '</th><th scope="col" class="number">tokens cut off</th>'
    )
    return (
        f'<p class="about">Read as {escape(read)}.</p>{notes}'
        f"{table(head, body, 'Splits of the data')}"
    )


def failures(report: StudyReport, maps: Maps) -> str:
    """The failed trials with their reasons."""
    body = "".join(
        f'<tr><td class="name"><a href="{maps.link(trial)}">{escape(trial.label)}</a></td>'
        f"<td>{escape(trial.reason or 'no reason was recorded')}</td></tr>"
        for trial in report.failed
    )
    return table(heading("trial") + heading("reason"), body, "Failed trials")


def about_hypervolume(report: StudyReport) -> str:
    """The text about the metric and the hypervolume, with its reference point."""
    if report.reference is None:
        return ""
    corner = ", ".join(
        f"{objective.replace('_', ' ')} {value_in_words(objective, value)}"
        for objective, value in zip(report.objectives, report.reference, strict=True)
    )
    hollow = " (hollow: stopped early, its last metric)" if report.stopped else ""
    return (
        f"The metric of every trial{hollow}, and the hypervolume of the front so far. Its "
        f"reference point is {corner}; each cost is taken as a share of that point's."
    )
