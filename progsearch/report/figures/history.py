"""How a search went on: what it found after how many trials."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

import plotly.graph_objects as go
from optuna.trial import FrozenTrial
from plotly.subplots import make_subplots

from progsearch.report.data import StudyReport
from progsearch.report.figures.style import BASELINE, FRONT, TEMPLATE, TRIAL, hover
from progsearch.report.rows import trial_name
from progsearch.report.stopped import in_short, last_metric
from progsearch.study.front import front_of
from progsearch.study.trial import Trial


def history_figure(report: StudyReport) -> go.Figure:
    """The metric of each trial with the best so far, and the hypervolume of the front so far.

    Stopped trials are hollow, at their last metric, which counts for neither line.
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
    searched = [trial for trial in trials if "name" not in trial.user_attrs]
    groups = {
        "trials": (TRIAL, [trial for trial in searched if trial.number not in on_front]),
        "front": (FRONT, [trial for trial in searched if trial.number in on_front]),
        "baselines": (BASELINE, [trial for trial in trials if "name" in trial.user_attrs]),
    }
    for name, (colour, shown) in groups.items():
        figure.add_scatter(
            x=[trial.number for trial in shown],
            y=[trial.values[0] for trial in shown],
            mode="markers",
            marker={"size": 8, "color": colour},
            name=name,
            hovertext=[hover(report, trial) for trial in shown],
            hoverinfo="text",
            row=1,
            col=1,
        )
    stopped = [t for t in report.stopped if last_metric(report, t) is not None]
    if stopped:
        figure.add_scatter(
            x=[trial.number for trial in stopped],
            y=[last_metric(report, trial) for trial in stopped],
            mode="markers",
            marker={"size": 7, "color": TRIAL, "symbol": "circle-open"},
            name="stopped early",
            hovertext=[f"<b>{trial_name(t)}</b><br>{in_short(report, t)}" for t in stopped],
            hoverinfo="text",
            row=1,
            col=1,
        )
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


def _fronts(report: StudyReport) -> Iterator[list[FrozenTrial]]:
    """The front after each trial with a result."""
    front: list[Trial] = []
    for trial in map(Trial, report.usable):
        if trial.keeps_to(report.recipe.limits):
            front = front_of([*front, trial])
        yield [kept.frozen for kept in front]
