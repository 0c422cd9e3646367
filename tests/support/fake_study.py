"""Finished studies without any training: made-up metrics, real schedules and costs."""

from __future__ import annotations

import math
import random
import warnings
from datetime import datetime, timedelta
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from progsearch.config import (
    Answers,
    Recipe,
    RunConfig,
    TaskConfig,
    TrainingConfig,
    Understood,
    UnderstoodSplit,
    method_of,
)
from progsearch.costs import ModelCost, PartCost
from progsearch.schedule import Schedule, ScheduleSpec
from progsearch.study.dominance import directions
from progsearch.study.info import ModelSize, Session, StudyInfo
from progsearch.study.metadata import keep_info, keep_recipe, keep_sessions, trials_of
from progsearch.study.new_trials import new_trial, outcome_attributes, record_attributes
from progsearch.study.results import Outcome, Record, Spent, Timings
from progsearch.study.trial import STOPPED, Plan
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


def record(epoch, metric, seconds, constant=False):
    return Record(
        step=STEPS * epoch // EPOCHS,
        fraction=epoch / EPOCHS,
        epoch=epoch,
        metrics={"accuracy": metric},
        seconds=seconds,
        constant=constant,
    )


def understood(rows):
    """Validation data of ``rows`` rows, 68.4 % of them of one of two classes."""
    many = round(0.684 * rows)
    classes = Answers(classes={"0": rows - many, "1": many}, positive="1")
    return Understood(
        type="classification", splits={"validation": UnderstoodSplit(rows=rows, answers=classes)}
    )


class FakeStudy:
    """Builds an in-memory study, trial by trial, with the attributes a search leaves."""

    def __init__(
        self,
        objectives=("metric", "updated_parameters"),
        n_blocks=6,
        budget=12,
        seed=0,
        rows=None,
    ):
        self.random = random.Random(seed)
        self.n_blocks = n_blocks
        self.scores = {
            "fisher": [self.random.random() * 1e-6 * (b + 1) for b in range(n_blocks)],
            "block_influence": [self.random.random() - 0.1 for _ in range(n_blocks)],
        }
        self.recipe = Recipe(
            study="fake",
            task=TaskConfig(
                name="mrpc", general_file="general.txt" if "forgetting" in objectives else None
            ),
            objectives=objectives,
            budget=budget,
            # It has no repeats.
            front_seeds=1,
            understood=rows and understood(rows),
        )
        self.study = optuna.create_study(
            study_name="fake",
            directions=directions(len(objectives)),
            sampler=optuna.samplers.RandomSampler(seed=0),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self.study.set_metric_names(["accuracy", *objectives[1:]])
        keep_recipe(self.study, self.recipe)
        info = StudyInfo(
            baselines=("full", "progtuning-3", "last-quarter", "head-only"),
            contributions=self.scores,
            model=ModelSize(n_blocks=n_blocks, parameters=model_cost(n_blocks).parameters),
            metric="accuracy",
            majority=0.684,
            progsearch_version=__version__,
        )
        keep_info(self.study, info)
        keep_sessions(
            self.study, [Session(started="2026-11-23T18:00:00", seconds=900.0, trials=12)]
        )
        self.clock = datetime(2026, 11, 23, 18)

    @property
    def trials(self):
        return trials_of(self.study)

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
        repeats=None,
        constant_from=None,
        per_class=None,
        forgetting=None,
    ):
        plan = self._plan(schedule, learning_rate, scores)
        cost = plan.costs
        seconds = 20 + 300 * cost.flops_relative
        saved = seconds * steps_reused / STEPS
        outcome = Outcome(
            metrics={"accuracy": metric, "f1": metric + 0.05}
            | ({} if forgetting is None else {"forgetting": forgetting}),
            spent=Spent(
                timings=Timings(2.0, seconds - 10.0, 10.0, saved),
                steps_trained=STEPS - steps_reused,
                peak_memory=1_400_000_000,
            ),
            seeds=seeds,
            per_class=per_class,
        )
        records = [
            record(
                epoch,
                metric - 0.02 * (EPOCHS - epoch),
                seconds * epoch / EPOCHS,
                constant=constant_from is not None and epoch >= constant_from,
            )
            for epoch in range(1, EPOCHS + 1)
        ]
        attrs = {
            **new_trial(plan, name=name).user_attrs,
            **outcome_attributes(outcome),
            **record_attributes(records),
            **({} if continues is None else {"continues": continues}),
            **({} if repeats is None else {"repeats": repeats}),
        }
        values = {
            "metric": metric,
            "updated_parameters": cost.updated_parameters,
            "flops": cost.flops,
            "seconds": seconds,
            "peak_memory": 1.0e9 + 5e8 * cost.updated_parameters,
            "forgetting": forgetting,
        }
        self._add(
            TrialState.COMPLETE,
            attrs,
            params,
            values=[values[objective] for objective in self.recipe.objectives],
        )

    def fail(self, reason, schedule=None, *, name=None, state=TrialState.FAIL):
        plan = self._plan(schedule or Schedule.full(self.n_blocks))
        self._add(state, {**new_trial(plan, name=name).user_attrs, "reason": reason}, None)

    def stop(self, metric, epoch=1, *, schedule=None, name=None, steps_reused=0, constant=False):
        """A trial that the scheduler stopped after ``epoch`` epochs, at ``metric``."""
        plan = self._plan(schedule or Schedule.full(self.n_blocks))
        steps, seconds = STEPS * epoch // EPOCHS, 100.0 * epoch
        spent = Spent(
            timings=Timings(2.0, seconds - 5.0, 5.0, seconds * steps_reused / steps),
            steps_trained=steps - steps_reused,
            peak_memory=1_400_000_000,
        )
        attrs = {
            **new_trial(plan, name=name).user_attrs,
            **record_attributes(
                [record(e, metric, 100.0 * e, constant) for e in range(1, epoch + 1)]
            ),
            **spent.to_dict(),
            "reason": STOPPED,
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
            params: dict[str, Any] = {
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

    def _plan(self, schedule, learning_rate=1e-4, scores=None):
        run = RunConfig(
            progsearch_version=__version__,
            model=self.recipe.model,
            task=self.recipe.task,
            method=method_of(),
            training=TrainingConfig(epochs=EPOCHS, learning_rate=learning_rate),
            contribution=scores and {"metric": scores, "scores": self.scores[scores]},
            stages=schedule.to_dicts(),
        )
        cost = model_cost(self.n_blocks).of(schedule, EPOCHS, 3668, STEPS)
        return Plan(
            schedule=schedule,
            run=run,
            costs=cost,
            key=schedule.key(),
            segments=((STEPS, schedule.key()),),
            segment_flops=(cost.flops,),
        )

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
