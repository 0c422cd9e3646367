"""Studies to confirm and their jobs, without Ray and without training."""

from types import SimpleNamespace

from progsearch.report.data import study_report
from progsearch.space.space import Space
from progsearch.strategy.confirmation import job_of, to_confirm
from tests.support.fakes import run_all, start, subject


def finished_study(tmp_path, **changes):
    """A study whose baselines and searched trials are done."""
    folder, searcher = start(tmp_path, space="progtuning", budget=4, **changes)
    run_all(searcher)
    return folder


def jobs_of(folder, seeds=(1, 2)):
    """Jobs by name and seed."""
    report = study_report(folder.study)
    found = subject(Space.load("progtuning"))
    return {
        (trial.user_attrs.get("name", trial.number), seed): job_of(
            trial, seed, folder.recipe, found
        )
        for trial in to_confirm(report)
        for seed in seeds
    }


def halt():
    return SimpleNamespace(ending=None)
