"""The figure of the importance of the space's dimensions."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from progsearch.report.figures.style import FRONT, FROZEN, TEMPLATE
from progsearch.report.importance import Importance, target_in_words


def importance_figure(importance: Importance, targets: Sequence[str] | None = None) -> go.Figure:
    """The share of each dimension, one panel per target; pale bars may be due to chance.

    Args:
        importance: The importances, with at least one target.
        targets: The targets to draw; by default all.
    """
    # plotly draws the first row at the bottom.
    dimensions = importance.dimensions[::-1]
    targets = importance.targets if targets is None else targets
    figure = make_subplots(
        cols=len(targets),
        shared_yaxes=True,
        horizontal_spacing=0.05,
        subplot_titles=[f"<b>{target_in_words(target)}</b>" for target in targets],
    )
    for column, target in enumerate(targets, start=1):
        figure.add_bar(
            orientation="h",
            x=[100 * d.shares[target] for d in dimensions],
            y=[d.name.replace("_", " ") for d in dimensions],
            hovertext=[
                f"{d.name.replace('_', ' ')}: {100 * d.shares[target]:.1f} %, "
                f"{d.trials} of {importance.trials} trials have it"
                for d in dimensions
            ],
            hoverinfo="text",
            marker_color=[FRONT if target in d.beyond_chance else FROZEN for d in dimensions],
            row=1,
            col=column,
        )
    longest = max(100 * share for d in dimensions for share in d.shares.values())
    figure.update_xaxes(ticksuffix=" %", range=[0, 1.1 * longest], nticks=5)
    figure.update_yaxes(showgrid=False)
    figure.update_annotations(font_size=12.5)
    figure.update_layout(
        template=TEMPLATE, height=26 * len(dimensions) + 100, showlegend=False, bargap=0.3
    )
    return figure
