"""The study of `study.py` as one would write it without progsearch.

    python benchmarks/peer_study.py [--task mrpc --data-dir GLUE/MRPC] [--schedules 24]

transformers.Trainer with a callback that freezes, under Ray Tune with OptunaSearch: 2 workers of
one CPU each that are kept from trial to trial, data tokenised once and shared through Ray's object
store, evaluation after each epoch, no checkpoints; precision (fp32) and batches (shuffled) as
transformers has them by default. With ``--tuned`` batches are grouped by length and computed in
bf16 where the CPU has it. progsearch gives only the rows, the model's folder and the list of runs.

Prints JSON: seconds, CPU-seconds of the trials and of this process, optimizer steps, and each run.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from typing import Any

import numpy as np
import ray
import torch
from datasets import Dataset
from optuna.distributions import CategoricalDistribution
from ray import tune
from ray.tune.search.optuna import OptunaSearch
from schedules import (
    BATCH,
    EPOCHS,
    LEARNING_RATES,
    MODEL,
    add_arguments,
    points,
    schedules,
    task_of,
)
from transformers import (
    AutoModelForSequenceClassification,
    DataCollatorWithPadding,
    PreTrainedTokenizerBase,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    set_seed,
)
from transformers.utils import logging

from progsearch.engine.precision import resolve_precision
from progsearch.models.loading import load_tokenizer
from progsearch.models.references import model_path
from progsearch.tasks import Split, load_task

SEED = 0


class StageFreezing(TrainerCallback):
    """Freezes what a stage does not train, when the stage begins.

    Args:
        stages: ``end`` as a fraction of the training, ``trainable_blocks`` and ``embeddings``.
    """

    def __init__(self, stages: list[dict[str, Any]]) -> None:
        self.stages = stages
        self.stage: dict[str, Any] | None = None
        self.trainable = 0
        self.updates = 0

    def on_step_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: Any = None,
        **kwargs: Any,
    ) -> None:
        """Enter the stage of this step."""
        position = state.global_step
        stage = next(s for s in self.stages if position < round(s["end"] * state.max_steps))
        if stage is not self.stage:
            self.stage = stage
            model.bert.embeddings.requires_grad_(stage["embeddings"])
            for index, block in enumerate(model.bert.encoder.layer):
                block.requires_grad_(index in stage["trainable_blocks"])
            self.trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
        self.updates += self.trainable


class TuneReport(TrainerCallback):
    """Reports each evaluation to Ray Tune."""

    def __init__(self, freezing: StageFreezing, started: tuple[float, float]) -> None:
        self.freezing = freezing
        self.started = started

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: Any = None,
        metrics: Any = None,
        **kwargs: Any,
    ) -> None:
        """The metrics so far; the last report is the trial's result."""
        parameters = sum(p.numel() for p in model.parameters())
        tune.report(
            {
                "accuracy": metrics["eval_accuracy"],
                "updated_parameters": self.freezing.updates / state.global_step / parameters,
                "steps": state.global_step,
                "seconds": time.perf_counter() - self.started[0],
                "cpu_seconds": time.process_time() - self.started[1],
            }
        )


def accuracy(prediction: Any) -> dict[str, float]:
    return {"accuracy": float(np.mean(prediction.predictions.argmax(-1) == prediction.label_ids))}


def train(
    config: dict[str, Any],
    data: dict[str, Dataset],
    tokenizer: PreTrainedTokenizerBase,
    folder: str,
    n_labels: int,
    stages: dict[str, list[dict[str, Any]]],
    tuned: bool,
    bf16: bool,
) -> None:
    """One trial."""
    started = time.perf_counter(), time.process_time()
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    set_seed(SEED)
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=n_labels)
    freezing = StageFreezing(stages[config["schedule"]])
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir="trainer",
            num_train_epochs=EPOCHS,
            per_device_train_batch_size=BATCH,
            per_device_eval_batch_size=64,
            learning_rate=config["learning_rate"],
            weight_decay=0.01,
            warmup_steps=0.1,
            train_sampling_strategy="group_by_length" if tuned else "random",
            bf16=bf16,
            seed=SEED,
            eval_strategy="epoch",
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=False,
            use_cpu=not torch.cuda.is_available(),
        ),
        train_dataset=data["train"],
        eval_dataset=data["validation"],
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=accuracy,
        callbacks=[freezing, TuneReport(freezing, started)],
    )
    trainer.train()


def dataset_of(split: Split) -> Dataset:
    """The rows as `Dataset.map(tokenizer)` would leave them, with their lengths."""
    rows = [split.batch([index]) for index in range(len(split))]
    columns = {
        name: [row[name][0].tolist() for row in rows] for name in rows[0] if name != "labels"
    }
    return Dataset.from_dict(
        columns | {"labels": split.targets["labels"].tolist(), "length": split.lengths.tolist()}
    )


def main() -> None:
    """Run the study and print its results."""
    started = time.perf_counter()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--tuned", action="store_true")
    arguments = parser.parse_args()
    bf16 = arguments.precision == "bf16"
    if arguments.tuned and arguments.precision in (None, "auto"):
        device = torch.device("cuda" if arguments.gpus_per_trial else "cpu")
        bf16 = resolve_precision("auto", device) == "bf16"
    runs = points(arguments.schedules)
    stages = {name: schedule.to_dicts() for name, schedule in schedules().items()}
    tokenizer = load_tokenizer(MODEL)
    task = load_task(task_of(arguments), tokenizer)
    data = {"train": dataset_of(task.train), "validation": dataset_of(task.validation)}

    ray.init(num_cpus=arguments.parallel, include_dashboard=False, log_to_driver=False)
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            tune.with_resources(
                tune.with_parameters(
                    train,
                    data=data,
                    tokenizer=tokenizer,
                    folder=model_path(MODEL),
                    n_labels=task.head.n_outputs,
                    stages=stages,
                    tuned=arguments.tuned,
                    bf16=bf16,
                ),
                {"cpu": 1, "gpu": arguments.gpus_per_trial},
            ),
            tune_config=tune.TuneConfig(
                search_alg=OptunaSearch(
                    space={
                        "schedule": CategoricalDistribution(list(stages)),
                        "learning_rate": CategoricalDistribution(LEARNING_RATES),
                    },
                    metric=["accuracy", "updated_parameters"],
                    mode=["max", "min"],
                    points_to_evaluate=[
                        {"schedule": name, "learning_rate": rate} for name, rate in runs
                    ],
                    seed=SEED,
                ),
                num_samples=len(runs),
                max_concurrent_trials=arguments.parallel,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        )
        results = list(tuner.fit())
    ray.shutdown()
    if errors := [result.error for result in results if result.error]:
        raise errors[0]
    keys = ("accuracy", "updated_parameters", "steps", "seconds", "cpu_seconds")
    found = [result.config | {key: result.metrics[key] for key in keys} for result in results]
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - started,
                "cpu_seconds": {
                    "trials": sum(point["cpu_seconds"] for point in found),
                    "driver": time.process_time(),
                },
                "steps": sum(point["steps"] for point in found),
                "precision": "bf16" if bf16 else "fp32",
                "points": found,
            }
        )
    )


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    main()
