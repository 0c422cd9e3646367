"""The report as one self-contained HTML page."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from progsearch.report import figures, html_parts
from progsearch.report.confirmation import Confirmed
from progsearch.report.data import StudyReport
from progsearch.report.indistinct import indistinct
from progsearch.report.payback_rows import ABOUT, MEASURED
from progsearch.version import __version__

_ABOUT_FRONT = {
    1: "The metric is the only objective, so the front is the best trial.",
    2: "The blue line is the best result at each cost.",
    3: "A trial is on the front if no other trial is better in all three objectives together.",
}


def write_page(report: StudyReport, path: str | Path) -> None:
    """Write the page to ``path``."""
    Path(path).write_text(page(report), encoding="utf-8")


def page(report: StudyReport) -> str:
    """The page's HTML, including plotly.js once."""
    folder = files("progsearch.report")
    return Template((folder / "page.html").read_text(encoding="utf-8")).substitute(
        title=escape(report.study),
        style=(folder / "page.css").read_text(encoding="utf-8"),
        plotly=get_plotlyjs(),
        lead=html_parts.lead(report),
        alert=html_parts.alert(report),
        facts=html_parts.facts(report),
        cards=html_parts.cards(report),
        sections="\n".join(_sections(report)),
        footer=f"Written by progsearch {__version__}.",
    )


def _sections(report: StudyReport) -> list[str]:
    sections = _results(report) if report.usable else [_section("No trial has a result yet")]
    if report.recipe.understood:
        sections.append(
            _section(
                "Summary of the data",
                "",
                html_parts.understood(report.recipe.understood),
            )
        )
    if report.usable:
        sections.append(_importance(report))
    if report.contributions:
        sections.append(
            _section(
                "Contribution of the blocks",
                "Higher means more worth training. Contribution metrics have different units, so "
                "scores are drawn as a share of the metric's largest score.",
                _figure(figures.contribution_figure(report.contributions)),
            )
        )
    if report.usable:
        sections.append(
            _section(
                "History",
                html_parts.about_hypervolume(report),
                _figure(figures.history_figure(report)),
            )
        )
    if report.stopped:
        sections.append(
            _section(
                "Stopped early",
                "These trials were no longer likely to reach the front. Their metrics are of "
                "unfinished training and are not used anywhere else.",
                html_parts.stops(report),
            )
        )
    if report.failed:
        sections.append(_section("Failed trials", "", html_parts.failures(report)))
    return sections


def _confirmed(report: StudyReport, confirmed: Confirmed) -> str:
    seeds = len(confirmed.seeds)
    return _section(
        f"Confirmed on {seeds} new {'seed' if seeds == 1 else 'seeds'}",
        confirmed.note,
        (_figure(figures.confirmed_figure(report, confirmed)) if confirmed.schedules else "")
        + html_parts.confirmed_table(report, confirmed),
    )


def _payback(report: StudyReport) -> str:
    sentences = [str(report.payback)]
    if table := html_parts.payback_table(report):
        sentences += [f"The table says {ABOUT}", MEASURED]
    about = " ".join(f"{sentence[0].upper()}{sentence[1:]}." for sentence in sentences)
    return _section("What the search cost and saves", about, table)


def _results(report: StudyReport) -> list[str]:
    return [
        _section(
            "Front",
            "Diamonds are the baselines that every study tunes, at their best learning rate; the "
            "dashed line is full fine-tuning. Bars are standard errors. "
            + _ABOUT_FRONT[len(report.objectives)],
            _figure(figures.front_figure(report)) + html_parts.table(report),
        ),
        *([_confirmed(report, report.confirmed)] if report.confirmed else []),
        _payback(report),
        _section(
            "Limits of these numbers",
            " ".join(filter(None, (indistinct(report.usable, report.metric), report.note))),
        ),
        *([] if report.nothing_learned else [_use(report)]),
        _section(
            "Schedules",
            "What is trained when. From left to right: the share of the training in per cent. "
            "From bottom to top: the model from its input to its head. Filled parts are trained, "
            "pale parts are frozen.",
            _figure(figures.schedule_map(report)),
        ),
    ]


def _use(report: StudyReport) -> str:
    return _section(
        "Use a schedule",
        "The first command writes a schedule as a config file; the second trains the final "
        "model with it. Instead of knee: best, cheapest@1pt, or a trial's number.",
        html_parts.commands(report),
    )


def _importance(report: StudyReport) -> str:
    found = report.importance
    if not found.targets:
        return _section("What mattered", str(found))
    return _section(
        "What mattered",
        f"{found} Each bar is a dimension's share of the importance (PED-ANOVA, arXiv 2304.10255, "
        "and arXiv 2601.20800 for dimensions that only some trials have): how much the "
        "distribution of its values differs between the best trials and all trials. Pale bars are "
        "within what randomly chosen trials give.",
        _figure(figures.importance_figure(found)) + html_parts.dimensions(report),
    )


def _section(title: str, about: str = "", content: str = "") -> str:
    text = f'<p class="about">{escape(about)}</p>' if about else ""
    return f'<section class="part"><h2>{title}</h2>{text}{content}</section>'


def _figure(figure: go.Figure) -> str:
    html = figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        config={"displayModeBar": False, "responsive": True},
    )
    return f'<div class="figure">{html}</div>'
