"""Figures of a study, one file each."""

from progsearch.report.figures.confirmed import confirmed_figure
from progsearch.report.figures.contributions import contribution_figure
from progsearch.report.figures.front import costs_of, front_figure
from progsearch.report.figures.history import history_figure
from progsearch.report.figures.importance import importance_figure
from progsearch.report.figures.schedules import schedule_map

__all__ = [
    "confirmed_figure",
    "contribution_figure",
    "costs_of",
    "front_figure",
    "history_figure",
    "importance_figure",
    "schedule_map",
]
