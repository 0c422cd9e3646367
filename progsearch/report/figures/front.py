"""The figure of the front: the task's metric against each cost."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from progsearch.report.data import StudyReport
from progsearch.report.figures.labels import place_by_width
from progsearch.report.figures.style import (
    BASELINE,
    FRONT,
    TEMPLATE,
    TRIAL,
    axis_of,
    hover,
    padded,
)
from progsearch.study.trial import Trial

Point = tuple[float, float]


def costs_of(report: StudyReport) -> tuple[str, ...]:
    """The costs that the metric is drawn against, one panel each.

    If the metric is the only objective, the updated parameters.
    """
    return report.objectives[1:] or ("updated_parameters",)


def front_figure(
    report: StudyReport,
    costs: Sequence[str] | None = None,
    *,
    widths: Sequence[float] = (900,),
    height: float = 430,
) -> go.Figure:
    """The metric of every trial against its cost, with the front and the references marked.

    With two objectives the front is a step line: the best metric at each cost.

    Args:
        report: The study.
        costs: One panel each; by default all of `costs_of`.
        widths: Expected widths of all drawing areas together in pixels, for placing the labels,
            see `place_by_width`.
        height: Least height of a drawing area in pixels; the legend's rows take from what is
            more.
    """
    costs = costs or costs_of(report)
    figure = make_subplots(cols=len(costs), shared_yaxes=True, horizontal_spacing=0.04)
    for column, cost in enumerate(costs, start=1):
        _Panel(figure, report, cost, column).draw([w / len(costs) for w in widths], height)
    figure.update_yaxes(title_text=report.metric.replace("_", " "), col=1)
    figure.update_layout(template=TEMPLATE, height=height + 120)
    return figure


class _Panel:
    """The panel of one cost."""

    def __init__(self, figure: go.Figure, report: StudyReport, cost: str, column: int) -> None:
        self.figure, self.report, self.cost, self.column = figure, report, cost, column
        self.factor, self.axis = axis_of(cost)
        points = [self.point(trial) for trial in report.usable]
        errors = [t.estimate.error if t.estimate else 0.0 for t in report.usable]
        bars = zip(points, errors, strict=True)
        self.x_range = padded([x for x, _ in points])
        self.y_range = padded([end for (_, y), e in bars for end in (y - e, y + e)])

    def point(self, trial: Trial) -> Point:
        """The position of a trial, in units of the axes."""
        if self.cost in self.report.objectives:
            cost = trial.values[self.report.objectives.index(self.cost)]
        else:
            cost = trial.updated_parameters
        return self.factor * cost, trial.values[0]

    def share(self, trial: Trial) -> Point:
        """The same as shares of the drawing area."""
        x, y = self.point(trial)
        (left, right), (bottom, top) = self.x_range, self.y_range
        return (x - left) / (right - left), (y - bottom) / (top - bottom)

    def draw(self, widths: Sequence[float], height: float) -> None:
        """Draw the panel; its expected widths and its height are in pixels."""
        trials, front = self.report.usable, self.report.front
        # At other learning rates than its best one a reference is a trial like all others.
        references = [trial for trial in self.report.baselines if trial.is_usable]
        named_or_front = {trial.number for trial in [*references, *front]}
        others = [trial for trial in trials if trial.number not in named_or_front]
        self._full_line()
        self._marks(others, "trials", mode="markers", marker={"size": 7, "color": TRIAL})
        self._marks(
            sorted(front, key=self.point),
            "front",
            mode="lines+markers" if len(self.report.objectives) == 2 else "markers",
            line={"shape": "hv", "color": FRONT, "width": 2},
            marker={"size": 10, "color": FRONT},
            error_y=_errors(sorted(front, key=self.point), FRONT),
        )
        diamond = {"size": 11, "color": BASELINE, "symbol": "diamond"}
        errors = _errors(references, BASELINE)
        self._marks(references, "references", mode="markers", marker=diamond, error_y=errors)
        self._labels([*references, *_front_by_interest(self.report)], others, widths, height)
        self.figure.update_xaxes(self.axis, range=self.x_range, col=self.column)
        self.figure.update_yaxes(range=self.y_range, col=self.column)

    def _full_line(self) -> None:
        if self.report.full is not None:
            self._add(
                [(x, self.report.full.values[0]) for x in self.x_range],
                name="full fine-tuning",
                mode="lines",
                line={"color": BASELINE, "width": 1.2, "dash": "dash"},
                hoverinfo="skip",
            )

    def _marks(self, trials: Sequence[Trial], name: str, **style: object) -> None:
        texts = [hover(self.report, trial) for trial in trials]
        points = [self.point(trial) for trial in trials]
        self._add(points, name=name, hovertext=texts, hoverinfo="text", **style)

    def _labels(
        self,
        trials: Sequence[Trial],
        others: Sequence[Trial],
        widths: Sequence[float],
        height: float,
    ) -> None:
        texts = [trial.label for trial in trials]
        styles = place_by_width(
            [self.share(trial) for trial in trials],
            texts,
            [self.share(trial) for trial in others],
            [*self._lines(), *map(self._bar, trials)],
            widths,
            height,
        )
        for trial, text, style in zip(trials, texts, styles, strict=True):
            if style:
                self._add(
                    [self.point(trial)],
                    # The invisible marker keeps the text away from the visible one.
                    mode="markers+text",
                    marker={"size": 12, "opacity": 0},
                    text=[text],
                    textfont={"color": BASELINE if trial.is_baseline else FRONT},
                    hoverinfo="skip",
                    **style,
                )

    def _bar(self, trial: Trial) -> tuple[Point, Point]:
        """The bar of a trial's standard error, as shares of the drawing area."""
        x, y = self.share(trial)
        low, high = self.y_range
        error = (trial.estimate.error if trial.estimate else 0.0) / (high - low)
        return (x, y - error), (x, y + error)

    def _lines(self) -> list[tuple[Point, Point]]:
        """The lines in the panel, as shares of the drawing area."""
        lines = []
        if self.report.full is not None:
            height = self.share(self.report.full)[1]
            lines.append(((0.0, height), (1.0, height)))
        if len(self.report.objectives) == 2:
            steps = [self.share(trial) for trial in sorted(self.report.front, key=self.point)]
            for (x, y), (next_x, next_y) in pairwise(steps):
                lines += [((x, y), (next_x, y)), ((next_x, y), (next_x, next_y))]
        return lines

    def _add(self, points: Sequence[Point], *, name: str | None = None, **style: object) -> None:
        self.figure.add_scatter(
            x=[x for x, _ in points],
            y=[y for _, y in points],
            name=name,
            legendgroup=name,
            showlegend=name is not None and self.column == 1 and bool(points),
            row=1,
            col=self.column,
            **style,
        )


def _errors(trials: Sequence[Trial], color: str) -> dict[str, object]:
    """Bars of one standard error, where that is known."""
    errors = [0.0 if trial.estimate is None else trial.estimate.error for trial in trials]
    return {"array": errors, "color": color, "thickness": 1.2, "width": 0, "visible": any(errors)}


def _front_by_interest(report: StudyReport) -> list[Trial]:
    """The front's searched trials, picked ones first, since labels without room are left out."""
    if not report.front:
        return []
    picks = [report.pick(how) for how in ("knee", "best")]
    order = list({trial.number: trial for trial in [*picks, *report.front]}.values())
    return [trial for trial in order if not trial.is_baseline]
