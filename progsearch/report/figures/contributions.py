"""The figure of the contribution scores of a model's blocks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from progsearch.report.figures.style import FRONT, TEMPLATE

_COLUMNS = 3


def contribution_figure(contributions: Mapping[str, Sequence[float]]) -> go.Figure:
    """The scores of every block, one panel per contribution metric.

    Metrics have different units, so scores are drawn as a share of the metric's largest score.

    Args:
        contributions: One finite score per block for each contribution metric; at least one
            metric.
    """
    n_rows = math.ceil(len(contributions) / _COLUMNS)
    figure = make_subplots(
        rows=n_rows,
        cols=min(_COLUMNS, len(contributions)),
        shared_yaxes=True,
        horizontal_spacing=0.03,
        vertical_spacing=70 / (190 * n_rows) if n_rows > 1 else 0,
        subplot_titles=[f"<b>{name.replace('_', ' ')}</b>" for name in contributions],
    )
    for index, scores in enumerate(contributions.values()):
        largest = max(abs(score) for score in scores) or 1.0
        figure.add_bar(
            x=list(range(len(scores))),
            y=[score / largest for score in scores],
            hovertext=[f"block {block}: {score:.4g}" for block, score in enumerate(scores)],
            hoverinfo="text",
            marker_color=FRONT,
            row=index // _COLUMNS + 1,
            col=index % _COLUMNS + 1,
        )
    figure.update_xaxes(showgrid=False, tickformat="d", title_text="block")
    figure.update_yaxes(tickformat=".1~f", nticks=4)
    figure.update_annotations(font_size=12.5)
    figure.update_layout(
        template=TEMPLATE, height=190 * n_rows + 80, showlegend=False, bargap=0.25
    )
    return figure
