"""Colours, fonts and texts of all figures, readable on light and dark backgrounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from progsearch.numerals import duration, learning_rate, percent
from progsearch.report.data import StudyReport
from progsearch.report.formatting import count, in_words, value_in_words
from progsearch.study.trial import Trial

FRONT = "#3b76e1"
BASELINE = "#dd7a2f"
TRIAL = "rgba(125, 135, 150, 0.75)"
FROZEN = "rgba(125, 135, 150, 0.18)"
INK = "#586172"
GRID = "rgba(125, 135, 150, 0.22)"

COLOURS = {
    FRONT: "--front",
    BASELINE: "--baseline",
    TRIAL: "--trial",
    FROZEN: "--frozen",
    INK: "--soft",
    GRID: "--grid",
}
"""The variable of page.css that takes the place of each colour in the page, by light and dark."""

_AXIS = {
    "gridcolor": GRID,
    "zeroline": False,
    "linecolor": GRID,
    "ticks": "",
    "automargin": True,
    "title": {"font": {"size": 13}, "standoff": 10},
}

# Not plotly's default template, which would be larger than the data.
TEMPLATE = go.layout.Template(
    layout={
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": INK},
        "paper_bgcolor": "rgba(0, 0, 0, 0)",
        "plot_bgcolor": "rgba(0, 0, 0, 0)",
        "xaxis": _AXIS,
        "yaxis": _AXIS,
        "margin": {"l": 60, "r": 20, "t": 36, "b": 50},
        "hoverlabel": {"bgcolor": "#1f2733", "font": {"color": "#ffffff", "size": 13}},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
    }
)


def hover(report: StudyReport, trial: Trial) -> str:
    """The hover text of a trial: its schedule and its results."""
    lines = [f"<b>{trial.label}</b>"]
    for objective, value in zip(report.objectives, trial.values, strict=True):
        lines.append(f"{objective.replace('_', ' ')} {value_in_words(objective, value)}")
    if "updated_parameters" not in report.objectives:
        lines.append(f"updated parameters {percent(trial.updated_parameters)}")
    if "flops" not in report.objectives:
        lines.append(f"{count(trial.costs.flops)} FLOPs")
    if "seconds" not in report.objectives:
        lines.append(duration(trial.seconds))
    lines.append(f"learning rate {learning_rate(trial.run.training.learning_rate)}")
    lines.extend(in_words(trial.stages, report.n_blocks).split(" · "))
    return "<br>".join(lines)


def axis_of(objective: str) -> tuple[float, dict[str, Any]]:
    """The factor for an objective's values, and the axis for the scaled values."""
    match objective:
        case "updated_parameters":
            return 100.0, {
                "title": {"text": "updated parameters, % of full fine-tuning"},
                "ticksuffix": " %",
            }
        case "flops":
            return 1.0, {"title": {"text": "FLOPs of the training"}, "tickformat": "~s"}
        case "seconds":
            return 1.0, {"title": {"text": "seconds"}}
        case "peak_memory":
            return 2.0**-30, {"title": {"text": "peak memory, GiB"}}
        case _:
            return 1.0, {"title": {"text": objective.replace("_", " ")}}


def padded(values: Sequence[float]) -> tuple[float, float]:
    """A range with some room around ``values``."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    margin = 0.08 * (high - low) or 0.05 * abs(high) or 0.5
    return low - margin, high + margin
