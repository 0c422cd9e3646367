"""The figure of a search's progress: its results by the number of trials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from progsearch.report.data import StudyReport
from progsearch.report.figures.style import BASELINE, FRONT, TEMPLATE, TRIAL, hover
from progsearch.report.stopped import in_short, last_metric
from progsearch.study.front import front_of
from progsearch.study.trial import Trial


def history_figure(report: StudyReport) -> go.Figure:
    """The metric of each trial with the best so far, and the hypervolume of the front so far.

    Stopped trials are hollow, at their last metric; they do not count in either line.
    """
    trials = report.usable
    numbers = [trial.number for trial in trials]
    metrics = [trial.values[0] for trial in trials]
    on_front = {trial.number for trial in report.front}
    figure = make_subplots(rows=2, shared_xaxes=True, vertical_spacing=0.08)
    figure.add_scatter(
        x=numbers,
        y=list(accumulate(metrics, max)),
        mode="lines",
        line={"shape": "hv", "color": FRONT, "width": 1.5},
        name="best so far",
        hoverinfo="skip",
        row=1,
        col=1,
    )
    searched = [trial for trial in trials if not trial.is_baseline]
    groups = {
        "trials": (TRIAL, [trial for trial in searched if trial.number not in on_front]),
        "front": (FRONT, [trial for trial in searched if trial.number in on_front]),
        "references": (BASELINE, [trial for trial in trials if trial.is_baseline]),
    }
    for name, (colour, shown) in groups.items():
        points = [(trial.number, trial.values[0], hover(report, trial)) for trial in shown]
        _add_points(figure, name, {"size": 8, "color": colour}, points)
    stopped = [
        (trial.number, metric, f"<b>{trial.label}</b><br>{in_short(report, trial)}")
        for trial in report.stopped
        if (metric := last_metric(report, trial)) is not None
    ]
    if stopped:
        marker = {"size": 7, "color": TRIAL, "symbol": "circle-open"}
        _add_points(figure, "stopped early", marker, stopped)
    figure.add_scatter(
        x=numbers,
        y=[report.hypervolume(front) for front in _fronts(report)],
        mode="lines",
        line={"shape": "hv", "color": FRONT, "width": 2},
        name="hypervolume",
        showlegend=False,
        row=2,
        col=1,
    )
    figure.update_yaxes(title_text=report.metric.replace("_", " "), row=1)
    figure.update_yaxes(title_text="hypervolume", rangemode="tozero", row=2)
    figure.update_xaxes(title_text="trial", row=2)
    figure.update_xaxes(tickformat="d")
    figure.update_layout(template=TEMPLATE, height=480)
    return figure


def _add_points(
    figure: go.Figure, name: str, marker: dict[str, Any], points: Sequence[tuple[int, float, str]]
) -> None:
    """Add trials to the upper panel: number, metric and hover text of each."""
    figure.add_scatter(
        x=[number for number, _, _ in points],
        y=[metric for _, metric, _ in points],
        mode="markers",
        marker=marker,
        name=name,
        hovertext=[text for _, _, text in points],
        hoverinfo="text",
        row=1,
        col=1,
    )


def _fronts(report: StudyReport) -> Iterator[list[Trial]]:
    """The front after each trial with a result."""
    front: list[Trial] = []
    for trial in report.usable:
        if trial.keeps_to(report.recipe.limits):
            front = front_of([*front, trial])
        yield front
