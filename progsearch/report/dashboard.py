"""Adds the front's figure and table to a study in Optuna's dashboard, and notes to its trials."""

from __future__ import annotations

import optuna
from optuna_dashboard import get_note, save_note, save_plotly_graph_object

from progsearch.internals.optuna import trial_of
from progsearch.numerals import learning_rate
from progsearch.report import collapsed, stopped
from progsearch.report.data import StudyReport
from progsearch.report.figures import front_figure
from progsearch.report.formatting import in_words, value_in_words
from progsearch.report.rows import rows
from progsearch.schedule.short import in_short
from progsearch.study.trial import Trial

FIGURE_ID = "front"


def save_to_dashboard(study: optuna.Study, report: StudyReport) -> None:
    """Store the front's figure and table in the study, replacing the previous ones.

    Trials that have ended get a note, unless they have one.

    Writes to the study's storage, so only the study's single writer may call it.
    """
    # The dashboard's panel is smaller than the page and may be dark, so the figure is smaller and
    # has a white background.
    figure = front_figure(report, widths=(590,), height=350)
    figure.update_layout(paper_bgcolor="white", plot_bgcolor="white")
    save_plotly_graph_object(study, figure, graph_object_id=FIGURE_ID)
    save_note(study, _note(report))
    for trial in report.trials:
        handle = trial_of(study, trial.number)
        if trial.is_finished and not get_note(handle):
            save_note(handle, _note_of_trial(report, trial))


def _note_of_trial(report: StudyReport, trial: Trial) -> str:
    """The trial's name, its schedule and its result."""
    short = in_short(trial.stages, report.n_blocks)
    lines = [f"**{trial.label}**: `{short}`", "", in_words(trial.stages, report.n_blocks), ""]
    if trial.repeats is not None:
        seed = trial.run.training.seed
        lines.append(f"- repeats trial {trial.repeats} with seed {seed}")
    if trial.continues is not None:
        lines.append(f"- continues trial {trial.continues}")
    if trial.is_usable:
        values = [trial.measured, *trial.values[1:]]
        lines += [
            f"- {name.replace('_', ' ')} {value_in_words(name, value)}"
            for name, value in zip(report.objectives, values, strict=True)
        ]
    elif trial.is_stopped:
        lines.append(f"- {stopped.in_short(report, trial)}")
    else:
        how = "run again" if trial.is_interrupted else "failed"
        lines.append(f"- {how}: {trial.reason or 'no reason was recorded'}")
    lines.append(f"- learning rate {learning_rate(trial.run.training.learning_rate)}")
    if remark := collapsed.in_short(report, trial):
        lines.append(f"- {remark}")
    return "\n".join(lines)


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
