"""Made-up runs on new seeds for the fake studies."""

import random

from progsearch.report.data import study_report
from progsearch.study.confirmed_runs import ConfirmedRun, ConfirmedRuns
from progsearch.study.results import Timings
from progsearch.study.trial import numbered


def confirmed_run(trial, seed, accuracy, test=None, per_class=None):
    return ConfirmedRun(
        trial=trial,
        seed=seed,
        metrics={"accuracy": accuracy, "f1": accuracy + 0.05},
        test_metrics=None if test is None else {"accuracy": test, "f1": test + 0.05},
        per_class=per_class,
        timings=Timings(setup=1.0, train=90.0 + seed, evaluate=10.0),
        steps_trained=345,
        peak_memory=10**9 + seed,
    )


def fake_runs(study, n_seeds=5, margin=0.01, test=True, first=1):
    """Every schedule of a study a little off what its trial reached, seeds moving all alike."""
    draw = random.Random(0)
    shift = {seed: draw.gauss(0, 0.008) for seed in range(first, first + n_seeds)}
    runs = []
    report = study_report(study)
    references = [trial for trial in report.usable if trial.is_baseline]
    for trial in numbered([*report.front, *references]).values():
        own = draw.gauss(-0.004, 0.003)
        for seed, by_seed in shift.items():
            accuracy = trial.values[0] + own + by_seed + draw.gauss(0, 0.004)
            score = accuracy - 0.01 + draw.gauss(0, 0.004) if test else None
            runs.append(confirmed_run(trial.number, seed, accuracy, score))
    return ConfirmedRuns(margin=margin, runs=tuple(runs))
