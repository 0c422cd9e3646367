"""A study as Python users read it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from progsearch.errors import StudyError
from progsearch.report.data import StudyReport
from progsearch.report.files import REPORT_FILES, report_of, write_report
from progsearch.results.chosen import Pick
from progsearch.results.frames import confirmed_frame, trials_frame
from progsearch.results.words import as_html, summary_of
from progsearch.study.folder import StudyFolder

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from optuna import Study as OptunaStudy
    from pandas import DataFrame

    from progsearch.config import Recipe


class Study:
    """One study: what `progsearch.search` returns and `progsearch.load_study` reads.

    Everything is read from the study's folder at each use, so that the study may be running.

    Attributes:
        folder: Its folder, as progsearch itself uses it.

    Example:
        >>> from progsearch import load_study
        >>> study = load_study("bbc-headlines-minilm-l6")  # doctest: +SKIP
        >>> study.front[["metric", "updated_parameters", "schedule"]]  # doctest: +SKIP
        >>> study.pick("knee").export("best.yaml")  # doctest: +SKIP
    """

    def __init__(self, folder: StudyFolder) -> None:
        self.folder = folder

    @property
    def name(self) -> str:
        """Its name."""
        return self.folder.name

    @property
    def path(self) -> Path:
        """Its folder's path."""
        return self.folder.path

    @property
    def recipe(self) -> Recipe:
        """What was searched."""
        return self.folder.recipe

    @property
    def optuna(self) -> OptunaStudy:
        """Its trials as an Optuna study."""
        return self.folder.study

    # -- tables ------------------------------------------------------------------------------

    @property
    def trials(self) -> DataFrame:
        """All trials, indexed by their numbers.

        Columns:
            - ``name``: of a reference, such as ``full``; missing for a searched trial.
            - ``state``: complete, stopped early, failed, interrupted, run again (its
              worker was lost, or memory was short) or running.
            - ``on_front``: whether no other trial is better in all objectives.
            - ``metric``: the task's metric on validation data, for complete trials: an estimate
              from all runs of the study, if there is one, else the mean over the trial's seeds.
            - ``standard_error``: of that estimate.
            - ``seeds``: number of seeds that it was trained with.
            - ``to_full``: difference of the metric to full fine-tuning's.
            - ``updated_parameters``: as a fraction of full fine-tuning's.
            - ``flops``, ``seconds``, ``peak_memory`` (bytes): what the training takes.
            - ``predicted_memory`` (bytes): the peak that was predicted before it, of its weights,
              gradients, Adam's moments and activations alone.
            - ``learning_rate``, ``method``, ``schedule`` (in words): what was trained.
            - ``collapsed``: whether its predictions were constant at its end.
            - ``continues``, ``repeats``: the number of the stopped trial that it continues, of
              the trial that it runs again with another seed.
            - ``reason``: why it has no result.
            - ``forgetting``, ``exact_match``: means over its runs, if they are measured.
            - ``params_...``: the sampled parameters, by their names in the search space.
        """
        report = self._read()
        return trials_frame(report, report.trials)

    @property
    def front(self) -> DataFrame:
        """The trials that no other beats, best metric first; columns as in `trials`."""
        report = self._read()
        return trials_frame(report, report.front)

    @property
    def references(self) -> DataFrame:
        """The references at their best learning rates; columns as in `trials`."""
        report = self._read()
        return trials_frame(report, report.baselines)

    @property
    def confirmed(self) -> DataFrame | None:
        """The schedules on new seeds, by the trial's number; None before `progsearch.confirm`.

        Columns:
            - ``name``: of a reference; missing for a searched trial.
            - ``seeds``: number of new seeds with a result.
            - ``metric``, ``sd``, ``low``, ``high``: mean over the new seeds, standard deviation,
              95 % interval of the mean.
            - ``to_full``, ``to_full_low``, ``to_full_high``: the difference to full fine-tuning
              on the same seeds, with its 95 % interval.
            - ``p``, ``verdict``: the test of non-inferiority, corrected for their number.
            - ``updated_parameters``: as a fraction of full fine-tuning's.
            - ``test``, ``test_sd``, ``test_to_full`` ...: the same on test data, if there are any.
            - ``forgetting``, ``exact_match``: means over the new seeds, if they are measured.
        """
        found = self._read().confirmed
        return None if found is None else confirmed_frame(found)

    # -- one schedule ------------------------------------------------------------------------

    def pick(self, how: str | int = "knee") -> Pick:
        """One schedule with its config and its result.

        Args:
            how: ``"knee"`` (the front's bend), ``"best"`` (highest metric),
                ``"cheapest@0.01"`` or ``"cheapest@1pt"`` (the cheapest at most that far below
                full fine-tuning), a trial's number or a reference's name.

        Raises:
            StudyError: There is no such trial, or it has no result.
        """
        report = self._read()
        return Pick(report.pick(str(how).removeprefix("#")), report)

    def export(self, how: str | int, path: str | Path, *, anyway: bool = False) -> Path:
        """Write a schedule as a config file; see `pick` and `Pick.export`."""
        return self.pick(how).export(path, anyway=anyway)

    # -- in words ----------------------------------------------------------------------------

    @property
    def nothing_learned(self) -> str | None:
        """A sentence if no result beats the constant answer beyond noise."""
        return self._read().nothing_learned

    @property
    def summary(self) -> str:
        """The study in a few lines: what was searched and trained, and the trials to look at."""
        return summary_of(self._read())

    def report(self) -> Path:
        """Write ``report.html`` and ``report.json`` into the study's folder.

        Returns:
            The path of the page.
        """
        self.folder.check_writable(*REPORT_FILES)
        write_report(self.folder)
        return self.path / REPORT_FILES[0]

    def __repr__(self) -> str:
        report = self._read()
        return (
            f"<Study {self.name}: {len(report.trials)} trials, {len(report.front)} on the front>"
        )

    def _repr_html_(self) -> str:
        return as_html(self._read())

    # -- figures -----------------------------------------------------------------------------

    def plot_front(self) -> go.Figure:
        """The metric of every trial against its costs."""
        from progsearch.report.figures import front_figure

        return front_figure(self._with_results())

    def plot_schedules(self) -> go.Figure:
        """What is trained when, for the front and the references."""
        from progsearch.report.figures import schedule_map

        return schedule_map(self._with_results())

    def plot_history(self) -> go.Figure:
        """The results by the number of trials."""
        from progsearch.report.figures import history_figure

        return history_figure(self._with_results())

    def plot_importance(self) -> go.Figure:
        """Which dimensions of the space distinguish the best trials."""
        from progsearch.report.figures import importance_figure

        found = self._with_results().importance
        if not found.targets:
            raise StudyError(str(found))
        return importance_figure(found)

    def plot_contributions(self) -> go.Figure:
        """The scores of the blocks by each contribution metric that was used."""
        from progsearch.report.figures import contribution_figure

        found = self._read().contributions
        if not found:
            raise StudyError(f"study {self.name} used no contribution metric")
        return contribution_figure(found)

    def plot_confirmed(self) -> go.Figure:
        """The means over new seeds, with intervals."""
        from progsearch.report.figures import confirmed_figure

        report = self._read()
        if report.confirmed is None:
            raise StudyError(f"study {self.name} was not confirmed; call progsearch.confirm")
        return confirmed_figure(report, report.confirmed)

    def _read(self) -> StudyReport:
        return report_of(self.folder)

    def _with_results(self) -> StudyReport:
        report = self._read()
        if not report.usable:
            raise StudyError(f"no trial of study {self.name} has a result yet; nothing to draw")
        return report
