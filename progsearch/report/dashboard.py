"""Adds the front's figure and table to a study in Optuna's dashboard."""

from __future__ import annotations

import optuna
from optuna_dashboard import save_note, save_plotly_graph_object

from progsearch.report.data import StudyReport
from progsearch.report.figures import front_figure
from progsearch.report.rows import rows

FIGURE_ID = "front"


def save_to_dashboard(study: optuna.Study, report: StudyReport) -> None:
    """Store the front's figure and table in the study, replacing the previous ones.

    Writes to the study's storage, so only the study's single writer may call it.
    """
    # The dashboard's panel is smaller than the page and may be dark, so the figure is smaller and
    # has a white background.
    figure = front_figure(report, widths=(590,), height=350)
    figure.update_layout(paper_bgcolor="white", plot_bgcolor="white")
    save_plotly_graph_object(study, figure, graph_object_id=FIGURE_ID)
    save_note(study, _note(report))


def _note(report: StudyReport) -> str:
    lines = [
        f"**{report.recipe.model}** on **{report.recipe.task.name}**, {report.split} data. "
        f"{report.note}",
        "",
        *([f"**{report.nothing_learned}**", ""] if report.nothing_learned else []),
    ]
    table = rows(report)
    if table:
        titles = ["trial", *table[0].cells]
        lines += ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
        lines += ["| " + " | ".join([row.name, *row.cells.values()]) + " |" for row in table]
    return "\n".join(lines)
