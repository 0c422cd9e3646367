"""Loads and connects the parts of a run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from progsearch.cache import content_key
from progsearch.config import RunConfig, training_under
from progsearch.costs import ModelCost, steps_per_epoch
from progsearch.engine.lockstep import LeadingEngine
from progsearch.engine.loop import Engine
from progsearch.engine.precision import resolve_precision
from progsearch.engine.ranks import Ranks
from progsearch.engine.shortcuts.frozen_prefix import FrozenPrefix
from progsearch.engine.shortcuts.occurring_rows import OccurringRows
from progsearch.engine.shortcuts.recorded_steps import RecordedSteps
from progsearch.engine.shortcuts.usual import usual_shortcuts
from progsearch.extras import check_bitsandbytes
from progsearch.methods import apply_method
from progsearch.models.anatomy import find_anatomy
from progsearch.models.language_head import fit_to_tokenizer
from progsearch.models.loading import (
    inspect_weights,
    load_model,
    load_tokenizer,
)
from progsearch.schedule import Schedule
from progsearch.schedule.plan import Lineage, SegmentPlan
from progsearch.schedule.rescoring import make_plan
from progsearch.store import Store
from progsearch.tasks import TaskData, load_task_for
from progsearch.tasks.fit import fitted_tokenizer
from progsearch.training.lineages import Lineages
from progsearch.training.model_costs import describe
from progsearch.training.rescoring import PlannedBlocks, blocks_of
from progsearch.training.shortcut_check import checked_shortcuts

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parts:
    """The parts of a run.

    Attributes:
        config: The complete config of the run.
        device: The device that it trains on.
        tokenizer: The model's tokenizer.
        task: The data.
        model: The model, on the device.
        plan: The schedule, cut into segments.
        lineage: What determines the model's weights at each step.
        engine: Trains the model.
        blocks: Chooses the blocks of stages, as planned or by their scores.
        cost: The costs of the model's parts.
        root: What must be the same in all processes that train the run, as a key.
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
    root: str


def assemble(
    config: RunConfig,
    *,
    device: str | None,
    store: Store | None,
    prefix_cache: bool,
    threads: int | None = None,
    ranks: Ranks | None = None,
    number: int = 0,
) -> Parts:
    """Load and prepare all parts of a run; see `TrainingRun.from_config`.

    Args:
        config: As there.
        device: As there.
        store: As there.
        prefix_cache: As there.
        threads: As there.
        ranks: As there; of this process, which need not lead.
        number: The number of the run among those of ``ranks``.
    """
    chosen_device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    training = training_under(config.method, config.training)
    precision = resolve_precision(training.precision, chosen_device)
    in_four_bits = training.frozen_dtype == "nf4"
    if in_four_bits:
        of_method = config.method.frozen_dtype is not None
        check_bitsandbytes("the config", config.method.name if of_method else "frozen_dtype nf4")
    in_eight_bits = training.optimizer == "adamw-8bit"
    if in_eight_bits:
        check_bitsandbytes("the config", "optimizer adamw-8bit")
    tokenizer = load_tokenizer(config.model)
    task = load_task_for(config.model, config.task)
    task.prepare()
    seed, pad_token_id = config.training.seed, tokenizer.pad_token_id
    inspect_weights(config.model, task.head, seed=seed, pad_token_id=pad_token_id)
    check = checked_shortcuts(config.model, config.task, config.method, device=chosen_device)
    for note in check.notes.values():
        _log.info("%s: %s", config.model, note)
    model = load_model(config.model, task.head, seed=seed, pad_token_id=pad_token_id)
    tokenizer = task.type.adapted(tokenizer)
    fit_to_tokenizer(model, tokenizer)
    anatomy = find_anatomy(model)
    plan = _plan(config, anatomy.n_blocks, len(task.train))
    trainable = apply_method(model, anatomy, config.method, config.training.seed)
    n_ranks = 1 if ranks is None else ranks.size
    lineages = Lineages(config, task, plan, chosen_device, precision, ranks=n_ranks)
    if threads is not None:
        # The steps of a GPU do not depend on it.
        most = threads if chosen_device.type == "cpu" else 1
        torch.set_num_threads(lineages.best_threads(most, store))
    lineage = lineages.best(torch.get_num_threads(), store)
    model.to(chosen_device)
    left_out = [*check.left_out, *([] if prefix_cache else [FrozenPrefix])]
    is_alone = ranks is None
    if training.gradient_checkpointing or in_four_bits or in_eight_bits or not is_alone:
        # A recording cannot read the state of the random generator, from which a block is run
        # again. That kernels of bitsandbytes and sums over processes can be recorded is not
        # known, and its optimizer takes the learning rate as a number.
        left_out.append(RecordedSteps)
    if task.type.generates:
        left_out.append(OccurringRows)
    shortcuts = usual_shortcuts(
        model,
        anatomy,
        precision,
        trained=trainable.names(*plan.schedule.stages),
        splits=task.splits(),
        store=store,
        # Not a method of the run: the shortcuts would keep the run in memory after its end.
        origin=lineage.origin,
        left_out=left_out,
    )
    made: Callable[..., Engine] = Engine
    if ranks is not None:
        leads = ranks.rank == 0
        made = partial(LeadingEngine, run=number) if leads else Engine
    engine = made(
        model, anatomy, trainable, plan, training, task.train, shortcuts=shortcuts, ranks=ranks
    )
    return Parts(
        config=config,
        device=chosen_device,
        tokenizer=fitted_tokenizer(tokenizer, task.splits()),
        task=task,
        model=model,
        plan=plan,
        lineage=lineage,
        engine=engine,
        root=content_key(lineages.of(threads=1).root),
        cost=describe(config.model, config.task, config.method, config.training, n_ranks),
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


def _plan(config: RunConfig, n_blocks: int, n_examples: int) -> SegmentPlan:
    training = config.training
    schedule = Schedule.from_dicts([stage.model_dump() for stage in config.stages], n_blocks)
    epoch = steps_per_epoch(n_examples, training.batch_size, training.gradient_accumulation)
    return make_plan(schedule, epoch, training.epochs, config.contribution)
