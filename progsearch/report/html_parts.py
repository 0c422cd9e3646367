"""Texts, numbers and tables of the page."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from html import escape

from progsearch.config import Understood
from progsearch.errors import StudyError
from progsearch.report import collapsed, stopped
from progsearch.report.confirmation import Confirmed
from progsearch.report.confirmation_rows import confirmed_rows
from progsearch.report.data import StudyReport
from progsearch.report.formatting import (
    count,
    duration,
    in_words,
    learning_rate,
    percent,
    spent_in_words,
    value_in_words,
)
from progsearch.report.payback_rows import payback_rows
from progsearch.report.rows import Row, rows, rules
from progsearch.study.trial import Trial


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


def facts(report: StudyReport) -> str:
    """The size, date and settings of the search."""
    started = [trial.started for trial in report.trials if trial.started]
    items = {
        "Searched trials": str(len(report.searched)),
        "Budget": spent_in_words(report.spent, report.recipe.budget),
        "Baselines": str(len(report.baselines)),
        "Stopped early": str(len(report.stopped)),
        "Failed": str(len(report.failed)),
        "On the front": str(len(report.front)),
        "Epochs": str(report.recipe.training.epochs),
        "Search time": duration(report.seconds),
    }
    if report.recipe.seeds > 1:
        items["Seeds"] = f"{report.recipe.seeds} per trial"
    if report.reuse.steps_reused:
        share = percent(report.reuse.share)
        items["Steps reused"] = (
            f"{report.reuse.steps_reused:,} of {report.reuse.steps:,} ({share})"
        )
        items["Saved by reuse"] = duration(report.reuse.seconds_saved)
    if started:
        items["Started"] = f"{min(started):%d %b %Y}"
    if report.parameters:
        items["Model"] = f"{count(report.parameters)} parameters, {report.n_blocks} blocks"
    if limits := str(report.recipe.limits):
        items["Limits"] = limits
    if report.majority is not None:
        items["Constant prediction"] = f"{report.majority:.4f}"
    return "".join(f"<div><dt>{k}</dt><dd>{escape(v)}</dd></div>" for k, v in items.items())


def cards(report: StudyReport) -> str:
    """The trials that most people look for first."""
    if not report.front or report.nothing_learned:
        return ""
    within = "of full" if report.full else "of the best"
    titles = {
        "best": "Best metric",
        "knee": "Knee of the front",
        "cheapest@1pt": f"Cheapest within 1 pt {within}",
    }
    chosen = {}
    # Near the metric of a collapsed run is no place to be.
    for how in (*rules(report), *([] if collapsed.full_collapsed(report) else ["cheapest@1pt"])):
        # With limits, no trial may be good enough.
        with contextlib.suppress(StudyError):
            chosen[titles[how]] = report.pick(how)
    if report.full:
        chosen = {"Full fine-tuning": report.full, **chosen}
    return "".join(_card(report, title, trial) for title, trial in chosen.items())


def _card(report: StudyReport, title: str, trial: Trial) -> str:
    share = percent(trial.updated_parameters)
    return (
        f'<div class="card"><h3>{escape(title)}</h3>'
        f'<div class="value">{trial.values[0]:.4f} '
        f'<span class="unit">{escape(report.metric.replace("_", " "))}</span></div>'
        f"<p>{share} updated parameters<br>{escape(trial.label)}</p></div>"
    )


def table(report: StudyReport) -> str:
    """The front and the baselines."""
    all_rows = rows(report)
    titles = list(all_rows[0].cells)
    # The last column is text; the others are numbers.
    kinds = ["number"] * (len(titles) - 1) + ["wide"]
    head = "".join(
        f'<th class="{kind}">{escape(title)}</th>'
        for title, kind in zip(titles, kinds, strict=True)
    )
    front = "".join(_row(row, kinds) for row in all_rows if row.on_front)
    beaten = "".join(_row(row, kinds) for row in all_rows if not row.on_front)
    if beaten:
        beaten = (
            f'<tr class="group"><th colspan="{len(titles) + 1}">Baselines not on the front</th>'
            f"</tr>{beaten}"
        )
    return (
        f'<div class="scroll"><table><thead><tr><th>trial</th>{head}</tr></thead>'
        f"<tbody>{front}{beaten}</tbody></table></div>"
    )


def confirmed_table(report: StudyReport, confirmed: Confirmed) -> str:
    """The schedules on new seeds, including those without a result."""
    all_rows = confirmed_rows(report, confirmed)
    titles = list(all_rows[0].cells) if all_rows else []
    kinds = ["number"] * len(titles)
    head = "".join(f'<th class="number">{escape(title)}</th>' for title in titles)
    # Intervals go on a new line; otherwise the table would be too wide.
    body = "".join(_row(row, kinds) for row in all_rows).replace(" [", "<br>[")
    body += "".join(
        f'<tr><td class="name">{escape(trial.label)}</td>'
        f'<td colspan="{len(titles)}">no run has a result: {escape(reason)}</td></tr>'
        for trial, reason in confirmed.failed
    )
    return (
        f'<div class="scroll"><table><thead><tr><th>schedule</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def payback_table(report: StudyReport) -> str:
    """What one training with each front schedule saves; empty without full fine-tuning."""
    all_rows = payback_rows(report)
    if not all_rows:
        return ""
    titles = list(all_rows[0].cells)
    head = "".join(f'<th class="number">{escape(title)}</th>' for title in titles)
    body = "".join(_row(row, ["number"] * len(titles)) for row in all_rows)
    return (
        f'<div class="scroll"><table><thead><tr><th>trial</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _tags(tags: Sequence[str]) -> str:
    return "".join(f'<span class="tag">{tag}</span>' for tag in tags)


def _row(row: Row, kinds: Sequence[str]) -> str:
    cells = "".join(
        f'<td class="{kind}">{escape(cell)}</td>'
        for cell, kind in zip(row.cells.values(), kinds, strict=True)
    )
    return (
        f'<tr class="{"baseline" if row.baseline else "searched"}">'
        f'<td class="name">{escape(row.name)}{_tags(row.tags)}</td>{cells}</tr>'
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
    return (
        '<div class="scroll"><table><thead><tr><th>dimension</th><th class="number">trials</th>'
        f'<th class="wide">mean {metric} by value (trials); they differ in other dimensions too'
        f"</th></tr></thead><tbody>{body}</tbody></table></div>"
    )


def _value_in_words(value: object) -> str:
    if isinstance(value, float):
        return learning_rate(value) if 0 < value < 0.01 else f"{value:g}"
    return str(value).replace("_", " ")


def stops(report: StudyReport) -> str:
    """The trials that were stopped early, with their last metric."""
    metric = report.metric.replace("_", " ")
    body = ""
    for trial in report.stopped:
        reached = stopped.last_metric(report, trial)
        tags = _tags([collapsed.TAG] if collapsed.of(report, trial) else [])
        body += (
            f'<tr><td class="name">{escape(trial.label)}{tags}</td>'
            f"<td>{escape(stopped.when(trial))}</td>"
            f'<td class="number">{"" if reached is None else f"{reached:.4f}"}</td>'
            f'<td class="number">{percent(trial.updated_parameters)}</td>'
            f'<td class="wide">{escape(in_words(trial.stages, report.n_blocks))}</td></tr>'
        )
    return (
        '<div class="scroll"><table><thead><tr><th>trial</th><th>at</th>'
        f'<th class="number">{escape(metric)} then</th><th class="number">updated</th>'
        f'<th class="wide">trained</th></tr></thead><tbody>{body}</tbody></table></div>'
    )


def understood(data: Understood) -> str:
    """The columns of the data, warnings about it, and a row for each split."""

    def share(number: float | None) -> str:
        return "" if number is None else percent(number)

    body = "".join(
        f'<tr><td class="name">{escape(name)}</td><td class="number">{split.rows:,}</td>'
        f'<td class="wide">{escape(str(split.answers))}</td>'
        f'<td class="number">{share(split.unknown)}</td>'
        f'<td class="number">{share(split.cut)}</td></tr>'
        for name, split in data.splits.items()
    )
    read = ", ".join(filter(None, (data.type, data.columns)))
    said = (*data.notes, *(f"Note: {doubt}" for doubt in data.doubts))
    notes = "".join(f'<p class="about">{escape(sentence)}.</p>' for sentence in said)
    return (
        f'<p class="about">Read as {escape(read)}.</p>{notes}'
        '<div class="scroll"><table><thead><tr><th>split</th><th class="number">rows</th>'
        '<th class="wide">answers</th><th class="number">unknown tokens</th>'
        f'<th class="number">tokens cut off</th></tr></thead><tbody>{body}</tbody></table></div>'
    )


def failures(report: StudyReport) -> str:
    """The failed trials with their reasons."""
    body = "".join(
        f'<tr><td class="name">{escape(trial.label)}</td>'
        f"<td>{escape(trial.reason or 'no reason was recorded')}</td></tr>"
        for trial in report.failed
    )
    return (
        '<div class="scroll"><table><thead><tr><th>trial</th><th>reason</th></tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def commands(report: StudyReport) -> str:
    """The commands that export and use a schedule."""
    return (
        f"<pre>progsearch export {escape(report.study)} --pick knee --out schedule.yaml\n"
        "progsearch train schedule.yaml --output-dir final-model</pre>"
    )


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
