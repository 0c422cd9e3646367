"""The report as one self-contained HTML page."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Sequence
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from progsearch.report import figures, html_parts, html_summary
from progsearch.report.confirmation import Confirmed
from progsearch.report.data import StudyReport
from progsearch.report.figures.style import COLOURS
from progsearch.report.html_maps import Maps
from progsearch.report.html_trials import trials_table
from progsearch.report.indistinct import indistinct
from progsearch.report.payback_rows import about_numbers, about_savings
from progsearch.report.per_class import by_class
from progsearch.version import __version__

_ABOUT_FRONT = {
    1: "The metric is the only objective, so the front is the best trial.",
    2: "The blue line is the best result at each cost.",
    3: "A trial is on the front if no other trial is better in all three objectives together.",
}


# The widths of drawing areas, from a phone's on, for which the labels of points are placed.
_WIDTHS = (230, 330, 420, 640, 900)


def write_page(report: StudyReport, path: str | Path, studies_dir: str | Path = "studies") -> None:
    """Write the page to ``path``; see `page`."""
    Path(path).write_text(page(report, studies_dir), encoding="utf-8")


def page(report: StudyReport, studies_dir: str | Path = "studies") -> str:
    """The page's HTML, including plotly.js once.

    Args:
        report: The study.
        studies_dir: The folder of the study's folder, for the page's commands.
    """
    folder = files("progsearch.report")
    maps = Maps(report)
    return Template((folder / "page.html").read_text(encoding="utf-8")).substitute(
        title=escape(report.study),
        style=(folder / "page.css").read_text(encoding="utf-8"),
        plotly=_packed_plotly(),
        script=(folder / "page.js").read_text(encoding="utf-8"),
        colours=json.dumps(COLOURS),
        lead=html_parts.lead(report),
        alert=html_parts.alert(report),
        summary=html_summary.summary(report, maps, Path(studies_dir)),
        picks=_picks(report, maps, Path(studies_dir)),
        sections="\n".join(_sections(report, maps)),
        footer=f"Written by progsearch {__version__}.",
    )


@cache
def _packed_plotly() -> str:
    """plotly.js, compressed: a quarter of its 4.8 MB, so that the page stays below 5 MB."""
    # Without a time, the same study makes the same page.
    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode("ascii")


def _picks(report: StudyReport, maps: Maps, studies_dir: Path) -> str:
    cards = html_summary.picks(report, maps, studies_dir)
    if not cards:
        return ""
    return _section(
        "Use a schedule",
        "A command writes the schedule as a config file. With --pick NUMBER it takes any trial. "
        "`progsearch train FILE --output-dir final-model` then trains the final model.",
        f'<div class="cards">{cards}</div>',
    )


def _sections(report: StudyReport, maps: Maps) -> list[str]:
    sections = _results(report, maps) if report.usable else [_section("No trial has a result yet")]
    if report.trials:
        sections.append(_trials(report, maps))
    if report.failed:
        sections.append(_section("Failed trials", "", html_parts.failures(report, maps)))
    if report.usable:
        sections += [
            _payback(report, maps),
            _section(
                "Limits of these numbers",
                " ".join(filter(None, (indistinct(report.usable, report.metric), report.note))),
            ),
        ]
    if report.recipe.understood:
        data = html_parts.understood(report.recipe.understood)
        sections.append(_section("Summary of the data", "", data))
    if report.usable:
        sections.append(_importance(report))
    if report.contributions:
        sections.append(_contributions(report))
    if report.usable:
        about = html_parts.about_hypervolume(report)
        sections.append(_section("History", about, _figure(figures.history_figure(report))))
    return sections


def _results(report: StudyReport, maps: Maps) -> list[str]:
    drawn = [
        figures.front_figure(report, [cost], widths=_WIDTHS) for cost in figures.costs_of(report)
    ]
    return [
        _section(
            "Front",
            "Diamonds are the references that every study tunes, at their best learning rate; the "
            "dashed line is full fine-tuning. Bars are standard errors. "
            + _ABOUT_FRONT[len(report.objectives)],
            _grid(drawn, 420) + html_parts.front_table(report, maps),
        ),
        *([_confirmed(report, report.confirmed, maps)] if report.confirmed else []),
        *_classes(report),
        _section(
            "Schedules",
            "What is trained when. From left to right: the share of the training in per cent. "
            "From bottom to top: the model from its input to its head. Filled parts are trained, "
            "pale parts are frozen.",
            maps.first(),
        ),
    ]


def _confirmed(report: StudyReport, confirmed: Confirmed, maps: Maps) -> str:
    seeds = len(confirmed.seeds)
    drawn = figures.confirmed_figure(report, confirmed, widths=_WIDTHS)
    return _section(
        f"Confirmed on {seeds} new {'seed' if seeds == 1 else 'seeds'}",
        "",
        (_figure(drawn) if confirmed.schedules else "")
        + html_parts.confirmed_table(report, confirmed, maps)
        + '<details class="more"><summary>How these numbers were computed</summary>'
        f'<p class="about">{_with_code(confirmed.note)}</p></details>',
        "confirmed",
    )


def _classes(report: StudyReport) -> list[str]:
    """The scores of each class with the schedule that `export` picks, on new seeds if possible."""
    found = by_class(report, confirmed=True) or by_class(report)
    if found is None:
        return []
    about = f"{found.about[0].upper()}{found.about[1:]}."
    return [_section("Each class", about, html_parts.class_table(found))]


def _trials(report: StudyReport, maps: Maps) -> str:
    about = "Every trial, with a link to the map of its schedule. A heading sorts by its column. "
    if report.stopped:
        about += (
            "Trials that were stopped early were no longer likely to reach the front; their "
            "metrics are of unfinished training and are not used anywhere else. "
        )
    content = trials_table(report, maps)
    if others := maps.others():
        content += (
            f'<details class="more"><summary>Maps of the other schedules</summary>{others}'
            "</details>"
        )
    return _section("All trials", about, content)


def _payback(report: StudyReport, maps: Maps) -> str:
    sentences = [str(report.payback)]
    if table := html_parts.payback_table(report, maps):
        sentences += [f"The table says {about_savings(report)}", about_numbers(report)]
    about = " ".join(f"{sentence[0].upper()}{sentence[1:]}." for sentence in sentences)
    return _section("What the search cost and saves", about, table)


def _contributions(report: StudyReport) -> str:
    drawn = [
        figures.contribution_figure({name: scores})
        for name, scores in report.contributions.items()
    ]
    return _section(
        "Contribution of the blocks",
        "Higher means more worth training. Contribution metrics have different units, so "
        "scores are drawn as a share of the metric's largest score.",
        _grid(drawn, 280),
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
        _grid([figures.importance_figure(found, [target]) for target in found.targets], 420)
        + html_parts.dimensions(report),
    )


def _section(title: str, about: str = "", content: str = "", name: str = "") -> str:
    text = f'<p class="about">{_with_code(about)}</p>' if about else ""
    anchor = f' id="{name}"' if name else ""
    return f'<section class="part"{anchor}><h2>{title}</h2>{text}{content}</section>'


def _with_code(text: str) -> str:
    """The text as HTML; what stands between backticks is code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))


def _grid(drawn: Sequence[go.Figure], least: int) -> str:
    """Figures side by side, as many as fit if each is ``least`` pixels wide or more."""
    boxes = "".join(map(_figure, drawn))
    return f'<div class="figures" style="--least:{least}px">{boxes}</div>'


def _figure(figure: go.Figure) -> str:
    """The place of a figure and its data, which page.js draws in the colours of the page."""
    data = figure.to_json().replace("<", "\\u003c")
    height = figure.layout.height
    return (
        f'<div class="figure"><div class="plot" style="height:{height}px"></div>'
        f'<script type="application/json">{data}</script></div>'
    )
