"""Studies to confirm and their jobs, without Ray and without training."""

from progsearch.space.space import Space
from progsearch.strategy.confirmation import job_of, to_confirm
from tests.support.fakes import problem, run_all, start


def finished_study(tmp_path, **changes):
    """A study whose references and searched trials are done."""
    folder, source = start(tmp_path, space="progtuning", budget=4, **changes)
    run_all(source)
    return folder


def jobs_of(folder, seeds=(1, 2)):
    """Jobs by name (or number) and seed."""
    found = problem(Space.load("progtuning"))
    return {
        (trial.name or trial.number, seed): job_of(trial, seed, folder.recipe, found)
        for trial in to_confirm(folder.trials(), folder.recipe.limits)
        for seed in seeds
    }
