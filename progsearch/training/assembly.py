"""Puts together all that a run is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from progsearch.config import RunConfig
from progsearch.costs import ModelCost, steps_per_epoch
from progsearch.engine.loop import Engine
from progsearch.engine.precision import arithmetic, resolve_precision
from progsearch.engine.shortcuts.frozen_prefix import FrozenPrefix
from progsearch.engine.shortcuts.usual import usual_shortcuts
from progsearch.methods import apply_method
from progsearch.models.anatomy import find_anatomy
from progsearch.models.loading import load_model, load_tokenizer, model_fingerprint
from progsearch.schedule import Schedule
from progsearch.schedule.plan import Lineage, SegmentPlan
from progsearch.schedule.rescoring import make_plan
from progsearch.store import Store
from progsearch.tasks import TaskData, load_task
from progsearch.training.model_costs import describe
from progsearch.training.rescoring import PlannedBlocks, blocks_of
from progsearch.training.segments import ENVIRONMENT
from progsearch.training.shortcut_check import checked_shortcuts


@dataclass(frozen=True)
class Parts:
    """What a run is made of.

    Attributes:
        config: The run, whole.
        device: Where it trains.
        tokenizer: The model's.
        task: The data.
        model: The model, on the device.
        plan: What is trained when.
        lineage: What the model's weights come from.
        engine: Trains the model.
        blocks: How the run comes to the blocks of its stages.
        cost: What the parts of the model cost.
    """

    config: RunConfig
    device: torch.device
    tokenizer: PreTrainedTokenizerBase
    task: TaskData
    model: PreTrainedModel
    plan: SegmentPlan
    lineage: Lineage
    engine: Engine
    blocks: PlannedBlocks
    cost: ModelCost


def assemble(
    config: RunConfig, *, device: str | None, store: Store | None, prefix_cache: bool
) -> Parts:
    """Load and prepare all parts of a run; see `TrainingRun.from_config`."""
    chosen_device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    tokenizer = load_tokenizer(config.model)
    task = load_task(config.task, tokenizer)
    task.prepare()
    check = checked_shortcuts(config.model, config.task, config.method, device=chosen_device)
    model = _load_model(config, task, tokenizer)
    anatomy = find_anatomy(model)
    plan = _plan(config, anatomy.n_blocks, len(task.train))
    trainable = apply_method(model, anatomy, config.method, config.training.seed)
    lineage = _lineage(config, task, plan, chosen_device)
    model.to(chosen_device)
    shortcuts = usual_shortcuts(
        model,
        anatomy,
        resolve_precision(config.training.precision, chosen_device),
        trained=trainable.names(*plan.schedule.stages),
        splits=task.splits(),
        store=store,
        # The shortcuts must not hold the run, which would outlive its end.
        origin=lineage.origin,
        left_out=(*check.left_out, *(() if prefix_cache else (FrozenPrefix,))),
    )
    engine = Engine(
        model, anatomy, trainable, plan, config.training, task.train, shortcuts=shortcuts
    )
    return Parts(
        config=config,
        device=chosen_device,
        tokenizer=tokenizer,
        task=task,
        model=model,
        plan=plan,
        lineage=lineage,
        engine=engine,
        cost=describe(config.model, config.task, config.method),
        blocks=blocks_of(
            plan,
            config,
            model,
            anatomy,
            task.train,
            recent_gradients=engine.optimizer.recent_gradients,
            store=store,
        ),
    )


def _load_model(
    config: RunConfig, task: TaskData, tokenizer: PreTrainedTokenizerBase
) -> PreTrainedModel:
    return load_model(
        config.model,
        task.head,
        seed=config.training.seed,
        pad_token_id=tokenizer.pad_token_id,
    )


def _plan(config: RunConfig, n_blocks: int, n_examples: int) -> SegmentPlan:
    training = config.training
    schedule = Schedule.from_dicts([stage.model_dump() for stage in config.stages], n_blocks)
    epoch = steps_per_epoch(n_examples, training.batch_size, training.gradient_accumulation)
    return make_plan(schedule, epoch, training.epochs, config.contribution)


def _lineage(
    config: RunConfig, task: TaskData, plan: SegmentPlan, device: torch.device
) -> Lineage:
    precision = resolve_precision(config.training.precision, device)
    hardware = arithmetic(device)
    start: tuple[Any, ...] = (
        ENVIRONMENT,
        model_fingerprint(config.model),
        config.method.own_fields(),
    )
    training = config.training.model_dump(mode="json") | {"precision": precision}
    return Lineage(
        # Every method starts where the pre-trained model is, whatever the seed.
        pretrained=(*start, precision, hardware),
        root=(*start, task.fingerprint, training, (hardware, torch.get_num_threads())),
        plan=plan,
    )
