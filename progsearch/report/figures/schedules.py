"""The figure of schedules as maps: which part of the model is trained when."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from progsearch.report.data import StudyReport
from progsearch.report.figures.style import BASELINE, FRONT, FROZEN, TEMPLATE
from progsearch.report.formatting import value_in_words
from progsearch.study.trial import Trial

_COLUMNS = 4


def schedule_map(report: StudyReport) -> go.Figure:
    """One map per trial of the front and per reference: time to the right, the head at the top."""
    on_front = {trial.number for trial in report.front}
    rest = [t for t in report.baselines if t.is_usable and t.number not in on_front]
    trials = [*report.front, *rest]
    n_rows = max(1, math.ceil(len(trials) / _COLUMNS))
    height = 90 + 11 * (report.n_blocks + 2)
    figure = make_subplots(
        rows=n_rows,
        cols=_COLUMNS,
        shared_yaxes=True,
        horizontal_spacing=0.025,
        vertical_spacing=62 / (height * n_rows) if n_rows > 1 else 0,
        subplot_titles=[_title(report, trial) for trial in trials],
    )
    for index, trial in enumerate(trials):
        row, column = index // _COLUMNS + 1, index % _COLUMNS + 1
        figure.add_trace(_map(report, trial), row=row, col=column)
    figure.update_xaxes(
        tickvals=[0, 50, 100], ticksuffix=" %", range=[0, 100], showgrid=False, tickfont_size=11
    )
    figure.update_yaxes(
        tickvals=_ticks(report.n_blocks),
        ticktext=[_row_name(row, report.n_blocks) for row in _ticks(report.n_blocks)],
        showgrid=False,
        tickfont_size=11,
        ticklabelstandoff=5,
    )
    figure.update_annotations(font_size=12.5)
    figure.update_layout(template=TEMPLATE, height=height * n_rows + 40)
    return figure


def _map(report: StudyReport, trial: Trial) -> go.Heatmap:
    stages = trial.stages
    n_rows = report.n_blocks + 2
    trained = [
        [
            stage["embeddings"],
            *(block in stage["trainable_blocks"] for block in range(report.n_blocks)),
            stage["head"],
        ]
        for stage in stages
    ]
    edges = [0.0, *(100 * stage["end"] for stage in stages)]
    texts = [
        [
            f"{_row_name(row, report.n_blocks)}: {'trained' if on[row] else 'frozen'}, "
            f"{100 * stage['start']:.0f}–{100 * stage['end']:.0f} % of the training"
            for stage, on in zip(stages, trained, strict=True)
        ]
        for row in range(n_rows)
    ]
    colour = BASELINE if trial.is_baseline else FRONT
    return go.Heatmap(
        x=edges,
        y=list(range(n_rows)),
        z=[[int(on[row]) for on in trained] for row in range(n_rows)],
        zmin=0,
        zmax=1,
        colorscale=[[0, FROZEN], [1, colour]],
        showscale=False,
        xgap=1.5,
        ygap=1.5,
        text=texts,
        hoverinfo="text",
    )


def _title(report: StudyReport, trial: Trial) -> str:
    values = zip(report.objectives, trial.values, strict=True)
    numbers = " · ".join(value_in_words(objective, value) for objective, value in values)
    return f"<b>{trial.label}</b><br>{numbers}"


def _ticks(n_blocks: int) -> Sequence[int]:
    """The rows with a name: embeddings, head and some blocks between."""
    step = max(1, math.ceil(n_blocks / 6))
    # If rows are narrow, the name of block 0 would overlap that of the embeddings.
    return [0, *range(1 if step == 1 else 1 + step, n_blocks + 1, step), n_blocks + 1]


def _row_name(row: int, n_blocks: int) -> str:
    if row == 0:
        return "embeddings"
    return "head" if row == n_blocks + 1 else f"block {row - 1}"
