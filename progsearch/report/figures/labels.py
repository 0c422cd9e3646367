"""Places the labels of points so that they do not overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# Above the point first, because the front's line comes from below and goes to the right.
_POSITIONS = {
    "top center": (0.0, 1.0),
    "middle right": (0.5, 0.0),
    "bottom center": (0.0, -1.0),
    "middle left": (-0.5, 0.0),
    "bottom right": (0.5, -1.0),
    "top right": (0.5, 1.0),
    "bottom left": (-0.5, -1.0),
    "top left": (-0.5, 1.0),
}
# Of DejaVu Sans, the widest of the fonts that the page may get.
_CHARACTER, _LINE, _MARK = 8.3, 18.0, 13.0

Box = tuple[float, float, float, float]
Point = tuple[float, float]


def place_by_width(
    points: Sequence[Point],
    texts: Sequence[str],
    obstacles: Sequence[Point],
    lines: Sequence[tuple[Point, Point]],
    widths: Sequence[float],
    height: float,
) -> list[dict[str, Any]]:
    """What a label's trace needs to be drawn at any of several widths, for each label.

    Its ``textposition`` and whether it is ``visible`` are those of the largest width. The page
    takes those of its own width from ``meta``. A label without room at any width is empty.

    Args:
        points: See `place`.
        texts: See `place`.
        obstacles: See `place`.
        lines: See `place`.
        widths: Widths of the drawing area in pixels, in ascending order.
        height: Its height.
    """
    placed = [place(points, texts, obstacles, lines, (width, height)) for width in widths]
    found = []
    for positions in zip(*placed, strict=True):
        position = positions[-1]
        style: dict[str, Any] = {}
        if any(positions):
            style = {"textposition": position or "top center", "visible": position is not None}
        if any(positions) and len(widths) > 1:
            style["meta"] = {"positions": [list(p) for p in zip(widths, positions, strict=True)]}
        found.append(style)
    return found


def place(
    points: Sequence[Point],
    texts: Sequence[str],
    obstacles: Sequence[Point],
    lines: Sequence[tuple[Point, Point]],
    size: tuple[float, float],
) -> list[str | None]:
    """A plotly ``textposition`` for each label, or None if there is no room for it.

    Greedy in the given order, so put the most important labels first.

    Args:
        points: The labelled points as shares of the drawing area, in [0, 1].
        texts: Their labels, one line each.
        obstacles: Other marks, in the same units; labels avoid them if possible.
        lines: The ends of horizontal and vertical lines, which no label may cover.
        size: Width and height of the drawing area in pixels.
    """
    width, height = size
    marks = [(x * width, y * height) for x, y in points]
    soft = [_box(x * width, y * height, _MARK, _MARK) for x, y in obstacles]
    taken = [_box(x, y, _MARK, _MARK) for x, y in marks]
    for start, end in lines:
        (left, right), (low, high) = (sorted(axis) for axis in zip(start, end, strict=True))
        taken.append((left * width - 1, low * height - 1, right * width + 1, high * height + 1))
    chosen: list[str | None] = []
    for (x, y), text in zip(marks, texts, strict=True):
        boxes = _boxes(x, y, _CHARACTER * len(text) + 3)
        free = [p for p, box in boxes.items() if _fits(box, size) and not _covered(box, taken)]
        position = min(free, key=lambda p: _covered(boxes[p], soft)) if free else None
        chosen.append(position)
        if position is not None:
            taken.append(boxes[position])
    return chosen


def _boxes(x: float, y: float, length: float) -> dict[str, Box]:
    """The box of a label in each position around its mark."""
    return {
        position: _box(x + (length + _MARK) * right, y + up * (_LINE + _MARK) / 2, length, _LINE)
        for position, (right, up) in _POSITIONS.items()
    }


def _box(x: float, y: float, width: float, height: float) -> Box:
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def _fits(box: Box, size: tuple[float, float]) -> bool:
    return box[0] >= 0 and box[1] >= 0 and box[2] <= size[0] and box[3] <= size[1]


def _covered(box: Box, others: Sequence[Box]) -> int:
    """The number of ``others`` that the box overlaps."""
    left, low, right, high = box
    return sum(left < o[2] and o[0] < right and low < o[3] and o[1] < high for o in others)
