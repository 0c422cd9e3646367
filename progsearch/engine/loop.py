"""The training loop: one model, one schedule, the same weights for the same seed.

The random numbers of a step depend on (seed, step) alone, not on earlier steps. So a run can be
interrupted and resumed at any step and still give the same weights.

Several processes may train one run (`progsearch.engine.ranks`): the random numbers then depend on
the number of the process as well, and gradients are summed over all of them before each update.

A *stage* is a part of the run in which the set of trainable parts does not change. A *span* is a
stage with its first step and the step after its last. A *segment* ends wherever a stage or an
epoch ends; it is the unit that is stored and reused (`progsearch.training.segments`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain as chained
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from progsearch.config import Precision, TrainingConfig
from progsearch.determinism import Determinism
from progsearch.engine import evaluation
from progsearch.engine.batches import Batch, TrainingBatches
from progsearch.engine.checkpointing import Checkpointing
from progsearch.engine.freezer import Freezer
from progsearch.engine.frozen_weights import FrozenWeights
from progsearch.engine.memory import PeakMemory
from progsearch.engine.optimizer import Optimizer
from progsearch.engine.precision import autocast, resolve_precision
from progsearch.engine.ranks import Alone, Ranks
from progsearch.engine.shortcuts.base import Shortcut, Shortcuts, StageStart
from progsearch.engine.state import put_state, take_state, take_weights
from progsearch.engine.step import Step
from progsearch.errors import TrialFailed
from progsearch.internals.torch import seed_generator
from progsearch.models.anatomy import Anatomy
from progsearch.models.trainable import TrainableParameters
from progsearch.schedule import Stage
from progsearch.schedule.plan import SegmentPlan
from progsearch.tasks import Split
from progsearch.tasks.types.base import Keep, logits

# Steps between two checks of the loss: on a GPU each check waits for the device.
_LOSS_CHECK = 32
# Larger than the number of steps of any run, so that two seeds never share random numbers.
_SEED_STRIDE = 1_000_000_007


class Engine:
    """Trains ``model`` on ``split`` according to ``plan``.

    Args:
        model: The model, on the device where it is trained.
        anatomy: Its parts.
        trainable: The parameters that its method trains.
        plan: The schedule of the run; stages that have not begun may change.
        training: Hyperparameters and the seed.
        split: The training data.
        shortcuts: Optimisations that do not change the result; see `usual_shortcuts`.
        ranks: The processes that train this run together, each with an engine like this one.

    Attributes:
        step: Optimizer steps made so far.
        total_steps: Optimizer steps of the whole run.
        steps_per_epoch: Optimizer steps per epoch.
        memory: Peak memory so far.
        precision: The configured precision, resolved for this device.
        optimizer: AdamW and its learning rate.
        on_step: Called after each step with the number of steps made.
    """

    on_step: Callable[[int], None] | None = None

    def __init__(
        self,
        model: nn.Module,
        anatomy: Anatomy,
        trainable: TrainableParameters,
        plan: SegmentPlan,
        training: TrainingConfig,
        split: Split,
        *,
        shortcuts: Iterable[Shortcut] = (),
        ranks: Ranks | None = None,
    ) -> None:
        self._model = model
        self._trainable = trainable
        self._plan = plan
        self._training = training
        self._split = split
        self._device = next(model.parameters()).device
        self._ranks = ranks or Alone()
        self._data = TrainingBatches(
            split, training, self._device, self._ranks.rank, self._ranks.size
        )
        self.step = 0
        self.total_steps = plan.total_steps
        self.steps_per_epoch = plan.steps_per_epoch
        self.memory = PeakMemory(self._device)
        self.precision = resolve_precision(training.precision, self._device)
        self.optimizer = Optimizer(model, training, plan.total_steps)
        self.shortcuts = Shortcuts(shortcuts)
        self._freezer = Freezer(model, anatomy, trainable)
        self._frozen = FrozenWeights(model, anatomy, training.frozen_dtype, self.precision)
        self._checkpointing = Checkpointing(model, anatomy, training, self.shortcuts.all)
        self._step = Step(self.optimizer, self.precision, self.memory, self._ranks, self._device)
        self._determinism = Determinism(self._device)
        self._entered: tuple[int, int, Stage] | None = None
        self._trains = True
        self._finished = False
        self._most_memory = 0

    # -- training, from the whole to a step --------------------------------------------------

    def advance(self, until: int) -> None:
        """Train up to optimizer step ``until``.

        Raises:
            TrialFailed: The loss is no longer finite.
            RankLost: Another process that trains this run has died.
        """
        # `finish` may replace parameters (a reduced token embedding by the whole one), and the
        # optimizer does not hold the new ones.
        assert not self._finished, "a finished run cannot be trained further"
        with self._ranks.lockstep():
            with self._determinism.on():
                for span in self._plan.spans:
                    first, end, _ = span
                    if first <= self.step < min(end, until):
                        self._enter(span)
                        self._train(min(end, until))
            self._check_loss()

    def _enter(self, span: tuple[int, int, Stage]) -> None:
        self._freezer.enter(span[2], self.optimizer.adamw)
        self.optimizer.take_trainable()
        # LoRA trains nothing in a language model's own head.
        self._trains = bool(self._trainable.names(span[2]))
        if span == self._entered:
            return
        self._entered = span
        start = StageStart.of(self._freezer, span, self.step, self._plan.spans)
        self._ranks.attempt(self._begin_stage, start)

    def _begin_stage(self, start: StageStart) -> None:
        self._checkpointing.first = start.frozen_prefix
        self._frozen.hold(self._split)
        self.memory.begin_stage()
        self.shortcuts.enter_stage(start)
        if self._trains:
            self._determinism.rehearse(self._rehearse)

    def _train(self, until: int) -> None:
        while self.step < until:
            epoch, position = divmod(self.step, self.steps_per_epoch)
            steps = self._data.steps_of(epoch)[position : position + until - self.step]
            if self._trains:
                self._ranks.attempt(self._prepare, steps)
                self._ranks.meet()
            for batches in steps:
                if self._trains:
                    self._make_step(batches)
                self.step += 1
                if self.step % _LOSS_CHECK == 0:
                    self._check_loss()
                if self.on_step is not None:
                    self.on_step(self.step)

    def _prepare(self, steps: list[list[Batch]]) -> None:
        indices = np.concatenate([batch.indices for batches in steps for batch in batches])
        self.shortcuts.prepare(self._split, indices, self._pass_outside_step)

    def _make_step(self, batches: list[Batch]) -> None:
        rows = [torch.from_numpy(batch.indices) for batch in batches]
        # First, because recording a step may change the state of the random generator. It needs
        # neither value below: recorded kernels read the learning rate and the seed at each replay.
        update = partial(self._step.make, self._forward)
        shortcut = self.shortcuts.step(batches, rows, update)
        self.optimizer.set_learning_rate(self.step)
        seed = self._training.seed * _SEED_STRIDE + self.step
        seed_generator(self._ranks.own_seed(seed), self._device)
        if shortcut is not None:
            shortcut()
        else:
            update(batches, [r.to(self._device, non_blocking=True) for r in rows])

    def _forward(self, batch: Batch, rows: Tensor) -> Any:
        inputs = batch.split.gather(rows, batch.width)
        with self.shortcuts.around(batch, rows, inputs), self._checkpointing.around():
            return self._model(**inputs)

    def _check_loss(self) -> None:
        self._ranks.attempt(self._refuse_infinite_loss)
        self._most_memory = self._ranks.meet(self.memory.peak)

    def _refuse_infinite_loss(self) -> None:
        if not self._step.is_finite:
            raise TrialFailed(f"the loss is not finite at step {self.step} of {self.total_steps}")

    @property
    def peak_memory(self) -> int:
        """The highest peak memory of the processes that train this run, in bytes."""
        return max(self._most_memory, self.memory.peak)

    # -- passes outside a step ---------------------------------------------------------------

    def _pass_outside_step(self, batch: Batch) -> Any:
        rows = torch.from_numpy(batch.indices).to(self._device, non_blocking=True)
        with autocast(self.precision, self._device):
            return self._forward(batch, rows)

    def _rehearse(self) -> None:
        """Run forward and backward of the next batch and drop the gradients."""
        # `Determinism.settle` runs this twice if an operation is refused midway.
        self.optimizer.forget_gradients()
        epoch, position = divmod(self.step, self.steps_per_epoch)
        batch, *_ = self._data.steps_of(epoch)[position]
        self._pass_outside_step(batch).loss.backward()
        self.optimizer.forget_gradients()

    # -- evaluation --------------------------------------------------------------------------

    def predict(
        self,
        split: Split,
        keep: Keep = logits,
        *,
        precision: Precision | None = None,
    ) -> Tensor:
        """The kept part of the model's output on ``split``, in its order, on the CPU.

        Args:
            split: The examples.
            keep: Returns the part of a batch's output to keep, see `TaskType.keep`: shape
                ``(rows, ...)``, or ``(rows, width, ...)`` if `Split.keeps_tokens`.
            precision: Precision of the passes, which then use no cached results; by default
                that of the training.

        Returns:
            Shape ``(n_examples, ...)``, or ``(sum of lengths, ...)`` if `Split.keeps_tokens`.
        """
        cached = precision is None
        if precision not in (None, self.precision):
            self.release_weights()

        def outputs() -> Tensor:
            if cached:
                every = np.arange(len(split))
                self.shortcuts.prepare(split, every, self._pass_outside_step)
            return evaluation.outputs(
                split,
                self._forward,
                keep,
                device=self._device,
                precision=precision or self.precision,
                cached=cached,
            )

        self._model.eval()
        with torch.no_grad():
            kept = self._determinism.settle(outputs)
        self._freezer.set_modes()
        return kept

    # -- state -------------------------------------------------------------------------------

    def state(self, names: Iterable[str]) -> dict[str, Tensor]:
        """The tensors needed to resume: the weights of ``names`` and Adam's state, if any."""
        goes_on = self.step < self.total_steps  # otherwise Adam's state is not needed
        adam = take_state(self._model, self.optimizer) if goes_on else {}
        return take_weights(self._model, names) | self._frozen.masters(names) | adam

    def restore(self, step: int, chain: Sequence[dict[str, Tensor]]) -> None:
        """Load the state that another engine had after ``step``.

        Args:
            step: Number of optimizer steps made.
            chain: The results of `state` at this step and at the ends of earlier segments, the
                latest first; together they hold every weight that was trained.
        """
        self.release_weights()
        put_state(self._model, self.optimizer, chain)
        self.shortcuts.forget()
        self.step = step

    def release_weights(self) -> None:
        """Give all weights their exact values; the next step holds frozen ones again."""
        self._frozen.release()
        # Recorded steps read the weights where they were.
        self._entered = None

    @contextmanager
    def exact_weights(self) -> Iterator[None]:
        """While active, all weights have their exact values; afterwards they are held again."""
        self.release_weights()
        yield
        self._frozen.hold(self._split)

    def trained_names(self, first: int, end: int) -> frozenset[str]:
        """Names of the parameters trained between two steps."""
        return self._trainable.names(*self._plan.stages_between(first, end))

    def decay(self, name: str) -> float:
        """The factor by which weight decay alone would have scaled a parameter so far."""
        steps = (
            range(first, min(end, self.step))
            for first, end, stage in self._plan.spans
            if name in self._trainable.names(stage)
        )
        return self.optimizer.decay(name, chained.from_iterable(steps))

    def finish(self) -> None:
        """Restore the whole model; it cannot be trained further. May be called again."""
        self._finished = True
        self._frozen.release()
        self.shortcuts.finish(self.decay)
