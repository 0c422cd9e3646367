"""The figure of the front by means over new seeds, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import plotly.graph_objects as go

from progsearch.report.confirmation import Confirmed, ConfirmedSchedule
from progsearch.report.data import StudyReport
from progsearch.report.figures.labels import place_by_width
from progsearch.report.figures.style import BASELINE, FRONT, TEMPLATE, axis_of, padded
from progsearch.report.formatting import in_words, value_in_words
from progsearch.study.dominance import directions, non_dominated

Point = tuple[float, float]


def confirmed_figure(
    report: StudyReport,
    confirmed: Confirmed,
    *,
    widths: Sequence[float] = (900,),
    height: float = 430,
) -> go.Figure:
    """The mean metric of every schedule against its first cost, with intervals of the means.

    The step line is the front of the means. The mean of full fine-tuning is a dashed line; a
    dotted line is the margin below it.

    Args:
        report: The study.
        confirmed: Its schedules on new seeds.
        widths: Expected widths of the drawing area in pixels, for placing the labels, see
            `place_by_width`.
        height: Least height of the drawing area in pixels; the legend's rows take from what is
            more.
    """
    return _Drawing(report, confirmed).draw(widths, height)


class _Drawing:
    """The figure and its axes."""

    def __init__(self, report: StudyReport, confirmed: Confirmed) -> None:
        self.report, self.confirmed = report, confirmed
        self.cost = next(iter(report.objectives[1:]), "updated_parameters")
        self.factor, self.axis = axis_of(self.cost)
        self.full = next((s for s in confirmed.schedules if s.name == "full"), None)
        heights = [y for schedule in confirmed.schedules for y in _reach(schedule)]
        if self.full is not None:
            heights.append(self.full.summary.mean - confirmed.margin)
        self.x_range = padded([self.point(s)[0] for s in confirmed.schedules])
        self.y_range = padded(heights)
        self.figure = go.Figure()

    def point(self, schedule: ConfirmedSchedule) -> Point:
        """The position of a schedule, in units of the axes."""
        has_cost = len(schedule.means) > 1
        cost = schedule.means[1] if has_cost else schedule.updated_parameters
        return self.factor * cost, schedule.summary.mean

    def share(self, x: float, y: float) -> Point:
        """The same as shares of the drawing area."""
        (left, right), (low, high) = self.x_range, self.y_range
        return (x - left) / (right - left), (y - low) / (high - low)

    def draw(self, widths: Sequence[float], height: float) -> go.Figure:
        """Draw everything; the expected widths and the height are in pixels."""
        schedules = self.confirmed.schedules
        # The figure shows only the first cost, so the front is that of the metric and this cost.
        values = [(s.summary.mean, self.point(s)[0]) for s in schedules]
        front = [schedules[index] for index in non_dominated(values, directions(2))]
        front.sort(key=self.point)
        lines = [*self._full_lines(), *self._step_line(front)]
        searched = [s for s in schedules if s.name is None]
        references = [s for s in schedules if s.name is not None]
        self._marks(searched, "searched", FRONT, {"size": 10})
        self._marks(references, "references", BASELINE, {"size": 11, "symbol": "diamond"})
        self._labels([*references, *searched], lines, widths, height)
        self.figure.update_xaxes(self.axis, range=self.x_range)
        title = f"{self.report.metric.replace('_', ' ')}, mean over seeds"
        self.figure.update_yaxes(title_text=title, range=self.y_range)
        self.figure.update_layout(template=TEMPLATE, height=height + 120)
        return self.figure

    def _full_lines(self) -> list[tuple[Point, Point]]:
        if self.full is None:
            return []
        mean, margin = self.full.summary.mean, self.confirmed.margin
        points = f"{100 * margin:g} pt"
        lines = []
        for y, name, dash in (
            (mean, "full fine-tuning", "dash"),
            (mean - margin, f"{points} below it", "dot"),
        ):
            self.figure.add_scatter(
                x=self.x_range,
                y=(y, y),
                name=name,
                mode="lines",
                line={"color": BASELINE, "width": 1.2, "dash": dash},
                hoverinfo="skip",
            )
            height = self.share(0.0, y)[1]
            lines.append(((0.0, height), (1.0, height)))
        return lines

    def _step_line(self, front: Sequence[ConfirmedSchedule]) -> list[tuple[Point, Point]]:
        points = [self.point(schedule) for schedule in front]
        self.figure.add_scatter(
            x=[x for x, _ in points],
            y=[y for _, y in points],
            name="front of the means",
            mode="lines",
            line={"shape": "hv", "color": FRONT, "width": 2},
            hoverinfo="skip",
        )
        lines = []
        for (x, y), (next_x, next_y) in pairwise(self.share(*point) for point in points):
            lines += [((x, y), (next_x, y)), ((next_x, y), (next_x, next_y))]
        return lines

    def _marks(
        self,
        schedules: Sequence[ConfirmedSchedule],
        name: str,
        color: str,
        marker: dict[str, object],
    ) -> None:
        points = [self.point(schedule) for schedule in schedules]
        reaches = [_reach(schedule) for schedule in schedules]
        self.figure.add_scatter(
            x=[x for x, _ in points],
            y=[y for _, y in points],
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [high - y for (_, high), (_, y) in zip(reaches, points, strict=True)],
                "arrayminus": [y - low for (low, _), (_, y) in zip(reaches, points, strict=True)],
                "thickness": 1.4,
                "width": 4,
            },
            name=name,
            mode="markers",
            marker={"color": color, **marker},
            showlegend=bool(points),
            hovertext=[self._hover(schedule) for schedule in schedules],
            hoverinfo="text",
        )

    def _labels(
        self,
        schedules: Sequence[ConfirmedSchedule],
        lines: list[tuple[Point, Point]],
        widths: Sequence[float],
        height: float,
    ) -> None:
        marks, bars = [], []
        for schedule in schedules:
            x, y = self.point(schedule)
            low, high = _reach(schedule)
            marks.append(self.share(x, y))
            bars.append((self.share(x, low), self.share(x, high)))
        texts = [schedule.trial.label for schedule in schedules]
        styles = place_by_width(marks, texts, [], [*lines, *bars], widths, height)
        for schedule, text, style in zip(schedules, texts, styles, strict=True):
            if style:
                x, y = self.point(schedule)
                self.figure.add_scatter(
                    x=[x],
                    y=[y],
                    # The invisible marker keeps the text away from the visible one.
                    mode="markers+text",
                    marker={"size": 12, "opacity": 0},
                    text=[text],
                    textfont={"color": BASELINE if schedule.name else FRONT},
                    hoverinfo="skip",
                    showlegend=False,
                    **style,
                )

    def _hover(self, schedule: ConfirmedSchedule) -> str:
        low, high = _reach(schedule)
        lines = [f"<b>{schedule.trial.label}</b>"]
        for objective, value in zip(self.report.objectives, schedule.means, strict=True):
            lines.append(f"{objective.replace('_', ' ')} {value_in_words(objective, value)}")
        if low < high:
            lines.append(f"interval {low:.4f} to {high:.4f}")
        lines.append(f"{schedule.summary.n} seeds")
        if schedule.verdict:
            lines.append(schedule.verdict)
        words = in_words(schedule.trial.stages, self.report.n_blocks)
        return "<br>".join([*lines, *words.split(" · ")])


def _reach(schedule: ConfirmedSchedule) -> tuple[float, float]:
    """The interval of the mean; for a single seed, the value itself."""
    return schedule.summary.interval or (schedule.summary.mean, schedule.summary.mean)
