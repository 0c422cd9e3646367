"""Ray Tune, set up for trials whose results a searcher keeps."""

from __future__ import annotations

from collections.abc import Callable

from ray import tune
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from progsearch.study.folder import StudyFolder
from progsearch.workers.cluster import Machines
from progsearch.workers.halt import Halt, WorkerWatch
from progsearch.workers.worker import TrialWorker


def run_trials(
    searcher: Searcher,
    name: str,
    folder: StudyFolder,
    fit: Machines,
    halt: Halt,
    worker_died: Callable[[str, str], None],
    scheduler: TrialScheduler | None = None,
) -> None:
    """Run the trials that ``searcher`` suggests until it has no more, or until the halt.

    Args:
        searcher: Gives what `TrialWorker` reads; the trial's number is in it.
        name: Of this session, new in the study.
        folder: Where Tune keeps its state.
        fit: What a trial may use.
        halt: Heeds Ctrl-C meanwhile.
        worker_died: Told the id of a trial whose worker is gone, and why.
        scheduler: Asked after each report whether a trial goes on; by default all do.
    """
    with halt.on_signals():
        tune.run(
            TrialWorker,
            name=name,
            storage_path=str(folder.ray),
            search_alg=searcher,
            scheduler=scheduler,
            num_samples=-1,
            resources_per_trial=tune.PlacementGroupFactory(
                [{"CPU": 1, "GPU": fit.gpus_per_trial}]
            ),
            reuse_actors=True,
            stop=halt,
            callbacks=[WorkerWatch(halt, worker_died)],
            raise_on_failed_trial=False,
            trial_name_creator=_trial_name,
            trial_dirname_creator=_trial_name,
            verbose=0,
        )


def _trial_name(trial: tune.experiment.Trial) -> str:
    return f"trial-{trial.config['number']}-seed-{trial.config['run'].training.seed}"
