"""Finished studies without any training: made-up metrics, real schedules and costs."""

from __future__ import annotations

import math
import random
import warnings
from datetime import datetime, timedelta

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from progsearch.config import Recipe, RunConfig, TaskConfig, TrainingConfig, method_of, plain
from progsearch.costs import ModelCost, PartCost, RunCost
from progsearch.schedule import Schedule, ScheduleSpec
from progsearch.version import __version__

DISTRIBUTIONS = {
    "learning_rate": FloatDistribution(1e-5, 5e-4, log=True),
    "n_stages": IntDistribution(1, 6),
    "stage_growth": FloatDistribution(0.5, 2.0),
    "initial_freeze": FloatDistribution(0.0, 0.8),
    "curve": CategoricalDistribution(["linear", "cubic", "step"]),
    "embeddings": CategoricalDistribution(["always", "first_stage", "never"]),
    "mode": CategoricalDistribution(["prefix", "any_order"]),
    "metric": CategoricalDistribution(["fisher", "block_influence"]),
}
EPOCHS, STEPS = 3, 345


def model_cost(n_blocks: int) -> ModelCost:
    embeddings = PartCost(11_900_000, 11_900_000, 1e5, 4e5, 3e5, 1e5)
    block = PartCost(1_774_000, 1_774_000, 2e9, 4e9, 3e9, 2e9)
    head = PartCost(148_600, 148_600, 3e5, 6e5, 5e5, 3e5)
    return ModelCost(embeddings, (block,) * n_blocks, head)


def record(epoch, metric, seconds):
    return {
        "step": STEPS * epoch // EPOCHS,
        "fraction": epoch / EPOCHS,
        "epoch": epoch,
        "metrics": {"accuracy": metric},
        "seconds": seconds,
    }


class FakeStudy:
    """Builds an in-memory study, trial by trial, with the attributes a search leaves."""

    def __init__(self, objectives=("metric", "updated_parameters"), n_blocks=6, budget=12, seed=0):
        self.random = random.Random(seed)
        self.n_blocks = n_blocks
        self.scores = {
            "fisher": [self.random.random() * 1e-6 * (b + 1) for b in range(n_blocks)],
            "block_influence": [self.random.random() - 0.1 for _ in range(n_blocks)],
        }
        self.recipe = Recipe(
            study="fake", task=TaskConfig(name="mrpc"), objectives=objectives, budget=budget
        )
        self.study = optuna.create_study(
            study_name="fake",
            directions=["maximize", *["minimize"] * (len(objectives) - 1)],
            sampler=optuna.samplers.RandomSampler(seed=0),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self.study.set_metric_names(["accuracy", *objectives[1:]])
        attrs = {
            "recipe": plain(self.recipe),
            "contributions": self.scores,
            "model": {"n_blocks": n_blocks, "parameters": model_cost(n_blocks).parameters},
            "metric": "accuracy",
            "split": "validation",
            "progsearch_version": __version__,
            "majority": 0.684,
            "baselines": ["full", "progtuning-3", "last-quarter", "head-only"],
            "sessions": [{"started": "2026-11-23T18:00:00", "seconds": 900.0, "trials": 12}],
        }
        for key, value in attrs.items():
            self.study.set_user_attr(key, value)
        self.clock = datetime(2026, 11, 23, 18)

    def complete(
        self,
        schedule,
        metric,
        *,
        name=None,
        params=None,
        learning_rate=1e-4,
        scores=None,
        seeds=None,
        steps_reused=0,
        continues=None,
    ):
        cost = model_cost(self.n_blocks).of(schedule, EPOCHS, 3668, STEPS)
        seconds = 20 + 300 * cost.flops_relative
        saved = seconds * steps_reused / STEPS
        attrs = {
            **self._attrs(schedule, learning_rate, cost, name, scores),
            "metrics": {"accuracy": metric, "f1": metric + 0.05},
            "records": [
                record(epoch, metric - 0.02 * (EPOCHS - epoch), seconds * epoch / EPOCHS)
                for epoch in range(1, EPOCHS + 1)
            ],
            "timings": {"setup": 2.0, "train": seconds - 10.0, "evaluate": 10.0, "saved": saved},
            "steps_trained": STEPS - steps_reused,
            "peak_memory": 1_400_000_000,
            **({"seeds": seeds} if seeds else {}),
            **({} if continues is None else {"continues": continues}),
        }
        values = {
            "metric": metric,
            "updated_parameters": cost.updated_parameters,
            "flops": cost.flops,
            "seconds": seconds,
            "peak_memory": 1.0e9 + 5e8 * cost.updated_parameters,
        }
        self._add(
            TrialState.COMPLETE,
            attrs,
            params,
            values=[values[objective] for objective in self.recipe.objectives],
        )

    def fail(self, reason, schedule=None, *, name=None, state=TrialState.FAIL):
        schedule = schedule or Schedule.full(self.n_blocks)
        cost = model_cost(self.n_blocks).of(schedule, EPOCHS, 3668, STEPS)
        self._add(state, {**self._attrs(schedule, 1e-4, cost, name), "reason": reason}, None)

    def stop(self, metric, epoch=1, *, schedule=None, steps_reused=0):
        """A trial that the scheduler stopped after ``epoch`` epochs, at ``metric``."""
        schedule = schedule or Schedule.full(self.n_blocks)
        cost = model_cost(self.n_blocks).of(schedule, EPOCHS, 3668, STEPS)
        steps, seconds = STEPS * epoch // EPOCHS, 100.0 * epoch
        attrs = {
            **self._attrs(schedule, 1e-4, cost, None),
            "reason": "stopped by the scheduler",
            "records": [record(e, metric, 100.0 * e) for e in range(1, epoch + 1)],
            "timings": {
                "setup": 2.0,
                "train": seconds - 5.0,
                "evaluate": 5.0,
                "saved": seconds * steps_reused / steps,
            },
            "steps_trained": steps - steps_reused,
        }
        self._add(TrialState.PRUNED, attrs, None)

    def baselines(self):
        n = self.n_blocks
        self.complete(Schedule.full(n), 0.7941, name="full")
        self.complete(Schedule.progtuning(n, 3), 0.8015, name="progtuning-3")
        self.complete(Schedule.last_blocks(n, max(1, n // 4)), 0.752, name="last-quarter")
        self.complete(Schedule.last_blocks(n, 0), 0.701, name="head-only")

    def searched(self, number):
        draw = self.random
        for _ in range(number):
            params = {
                "learning_rate": draw.choice([3e-5, 5e-5, 1e-4, 2e-4]),
                "n_stages": draw.randint(1, 5),
                "stage_growth": draw.choice([0.5, 1.0, 2.0]),
                "initial_freeze": draw.choice([0.0, 0.2, 0.4, 0.6]),
                "curve": draw.choice(["linear", "cubic", "step"]),
                "embeddings": draw.choice(["always", "first_stage", "never"]),
                "mode": draw.choice(["prefix", "any_order"]),
                "metric": draw.choice(["fisher", "block_influence"]),
            }
            spec = ScheduleSpec(
                final_freeze=0.85, **{k: v for k, v in params.items() if k != "learning_rate"}
            )
            schedule = spec.schedule(self.n_blocks, self.scores[params["metric"]], epochs=3)
            cost = model_cost(self.n_blocks).of(schedule, EPOCHS, 3668, STEPS)
            metric = 0.70 + 0.1 * math.tanh(5 * cost.updated_parameters) + draw.gauss(0, 0.012)
            self.complete(
                schedule,
                round(metric * 408) / 408,
                params=params,
                learning_rate=params["learning_rate"],
                scores=params["metric"] if spec.uses_scores else None,
            )

    def _attrs(self, schedule, learning_rate, cost: RunCost, name, scores=None):
        run = RunConfig(
            progsearch_version=__version__,
            model=self.recipe.model,
            task=self.recipe.task,
            method=method_of(),
            training=TrainingConfig(epochs=EPOCHS, learning_rate=learning_rate),
            contribution=scores and {"metric": scores, "scores": self.scores[scores]},
            stages=schedule.to_dicts(),
        )
        return {
            **({"name": name} if name else {}),
            "schedule": schedule.to_dicts(),
            "key": schedule.key(),
            "run": plain(run),
            "costs": cost.to_dict(),
        }

    def _add(self, state, attrs, params, values=None):
        trial = create_trial(
            state=state,
            values=values,
            params=params or {},
            distributions={k: DISTRIBUTIONS[k] for k in params or {}},
            user_attrs=attrs,
        )
        trial.datetime_start = self.clock
        self.clock += timedelta(seconds=60)
        trial.datetime_complete = self.clock
        self.study.add_trial(trial)


def fake_study(objectives=("metric", "updated_parameters"), n_blocks=6, n_searched=24):
    """A finished study with baselines, searched trials and two failures."""
    fake = FakeStudy(objectives, n_blocks, budget=n_searched)
    fake.baselines()
    fake.searched(n_searched - 2)
    fake.fail("the loss is not a number at step 40 <nan>")
    fake.fail("out of memory at step 3")
    return fake.study
