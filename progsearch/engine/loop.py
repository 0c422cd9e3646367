"""The training loop: one model, one schedule, exact for a seed.

Every random choice of a step follows from (seed, step) alone, never from what ran before it, so
that a run can be cut anywhere and give the same weights.
"""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from transformers.trainer_pt_utils import get_parameter_names

from progsearch.config import Precision, TrainingConfig
from progsearch.costs import steps_per_epoch
from progsearch.determinism import Repeatable
from progsearch.engine.batches import (
    Indices,
    common_width,
    epoch_batches,
    evaluation_batches,
    optimizer_steps,
)
from progsearch.engine.freezer import Freezer
from progsearch.engine.memory import PeakMemory
from progsearch.engine.precision import autocast, resolve_precision
from progsearch.engine.shortcuts.frozen_prefix import FrozenPrefix, HiddenStates
from progsearch.engine.shortcuts.head_token import HeadToken
from progsearch.engine.shortcuts.recorded_steps import StepGraphs, recordable
from progsearch.errors import TrialFailed
from progsearch.models.anatomy import Anatomy
from progsearch.models.trainable import TrainableParameters
from progsearch.schedule import Schedule, Stage
from progsearch.store import Store
from progsearch.tasks import Split

_log = logging.getLogger(__name__)

# transformers.Trainer's rule: biases and the weights of norms do not decay.
_NO_DECAY = [r"bias", r"layernorm", r"rmsnorm", r"(?:^|\.)norm(?:$|\.)", r"_norm(?:$|\.)"]
# The loss is looked at this often, in steps: on a GPU each look waits for the device.
_LOSS_CHECK = 32
# Larger than any run's number of steps, so that no two seeds share a step's random numbers.
_SEED_STRIDE = 1_000_000_007


class _Pass:
    """One batch's way through the model.

    Args:
        split: Where its examples are from.
        indices: Which they are.
        width: Tokens that they are padded to.
        states: What stands for its frozen blocks.
    """

    def __init__(
        self, split: Split, indices: Indices, width: int, states: HiddenStates | None
    ) -> None:
        self.split = split
        self.indices = indices
        self.width = width
        self.states = states

    @property
    def kind(self) -> Hashable | None:
        """What its kernels depend on while a stage lasts; None where they cannot be known."""
        # Where a batch needs no padding, transformers leaves the attention mask out, but only
        # where it can look.
        if self.split.lengths[self.indices].min() == self.width:
            return None
        # What lies elsewhere is waited for.
        if self.states is not None and not self.states.at_hand:
            return None
        return len(self.indices), self.width


class Engine:
    """Trains ``model`` by ``schedule`` on ``split``.

    Args:
        model: The model; it goes to ``device``.
        anatomy: Its parts.
        trainable: What its method trains.
        schedule: When which parts are trained.
        training: Hyperparameters and the seed.
        split: The examples.
        device: Where to train.
        prefix_cache: Whether the output of frozen blocks is kept.
        store: Where that output is shared with other runs.
        origin: Given a step, all that determines the weights there, as JSON-able data.

    Attributes:
        step: Optimizer steps made so far.
        total_steps: Optimizer steps of the whole run.
        steps_per_epoch: Optimizer steps of one pass over the data.
        memory: The most memory held so far.
        precision: What the configured precision means on this device.
    """

    def __init__(
        self,
        model: nn.Module,
        anatomy: Anatomy,
        trainable: TrainableParameters,
        schedule: Schedule,
        training: TrainingConfig,
        split: Split,
        device: torch.device,
        *,
        prefix_cache: bool = True,
        store: Store | None = None,
        origin: Callable[[int], Sequence[Any]] = lambda step: [step],
    ) -> None:
        self._model = model.to(device)
        self._training = training
        self._split = split
        self._device = device
        self.memory = PeakMemory(device)
        self.precision = resolve_precision(training.precision, device)
        self.steps_per_epoch = steps_per_epoch(
            len(split), training.batch_size, training.gradient_accumulation
        )
        self.total_steps = self.steps_per_epoch * training.epochs
        self.step = 0
        self.follow(schedule)
        self._freezer = Freezer(model, anatomy, trainable)
        self._head_token = HeadToken(self._model, anatomy, split)
        self._prefix = FrozenPrefix(model, anatomy, self._head_token, prefix_cache, store, origin)
        self._optimizer = self._make_optimizer()
        self._all_groups = [list(group["params"]) for group in self._optimizer.param_groups]
        self._scaler = torch.amp.GradScaler(device.type, enabled=self.precision == "fp16")
        self._loss_sum = torch.zeros((), device=device)
        self._repeatable = Repeatable(device)
        self._graphs: StepGraphs | None = None
        # A scaler looks at the gradients before it lets the optimizer have them.
        if device.type == "cuda" and not self._scaler.is_enabled() and recordable(model):
            self._graphs = StepGraphs(device)
        self._span: tuple[int, int, Stage] | None = None

    def _make_optimizer(self) -> torch.optim.AdamW:
        self._decayed = set(get_parameter_names(self._model, [nn.LayerNorm], _NO_DECAY))
        groups: tuple[list[nn.Parameter], list[nn.Parameter]] = ([], [])
        for name, parameter in self._model.named_parameters():
            groups[name not in self._decayed].append(parameter)
        on_gpu = self._device.type == "cuda"
        return torch.optim.AdamW(
            [
                {"params": groups[0], "weight_decay": self._training.weight_decay},
                {"params": groups[1], "weight_decay": 0.0},
            ],
            # On a GPU a tensor, which recorded steps can read.
            lr=torch.zeros((), device=self._device) if on_gpu else 0.0,
            fused=True,
            capturable=on_gpu,
        )

    def follow(self, schedule: Schedule) -> None:
        """Go on by another schedule; up to here both must be the same."""
        self._spans = schedule.spans(self.total_steps)

    def advance(self, until: int) -> None:
        """Train up to optimizer step ``until``.

        Raises:
            TrialFailed: The loss is no longer finite.
        """
        for first, end, stage in self._spans:
            if self.step < min(end, until) and self.step >= first:
                self._freezer.enter(stage, self._optimizer)
                depth = self._freezer.frozen_prefix(stage)
                self._prefix.set_depth(depth, self._frozen_since(depth, first))
                left_out = self._freezer.behind_prefix(stage)
                if self._prefix.keeps and self.step == first and left_out:
                    _log.info("steps %d to %d, not in the prefix cache: %s", first, end, left_out)
                for group, parameters in zip(
                    self._optimizer.param_groups, self._all_groups, strict=True
                ):
                    group["params"] = [p for p in parameters if p.requires_grad]
                if self._span != (first, end, stage):
                    self._begin((first, end, stage))
                self._train(min(end, until))
        self._check_loss()

    def _begin(self, span: tuple[int, int, Stage] | None) -> None:
        """Other tensors take part from here on: what was recorded reads the old ones."""
        self._span = span
        self._allocated = False
        self._most_tokens = 0
        if self._graphs:
            self._graphs.clear()

    def _frozen_since(self, depth: int, step: int) -> int:
        """The first step after the last one before ``step`` that trained the prefix ``depth``."""
        trained = [
            end
            for _, end, stage in self._spans
            if end <= step and self._freezer.frozen_prefix(stage) < depth
        ]
        return max(trained, default=0)

    def _train(self, until: int) -> None:
        while self.step < until:
            epoch, position = divmod(self.step, self.steps_per_epoch)
            batches = epoch_batches(
                self._split.lengths, self._training.batch_size, self._training.seed, epoch
            )
            steps = list(optimizer_steps(batches, self._training.gradient_accumulation))
            steps = steps[position : position + until - self.step]
            self._fill(self._split, np.concatenate([*itertools.chain(*steps)]))
            for batches_of_step in steps:
                self._make_step(batches_of_step)

    def _fill(self, split: Split, indices: Indices) -> None:
        """Compute what frozen blocks make of these examples, before their first pass."""

        def forward(states: HiddenStates | None, batch: Indices) -> None:
            rows = torch.from_numpy(batch).to(self._device, non_blocking=True)
            with autocast(self.precision, self._device):
                self._forward(_Pass(split, batch, self._width(split, batch), states), rows)

        self._repeatable.run(lambda: self._prefix.fill(split, indices, forward))

    def _make_step(self, batches: list[Indices]) -> None:
        passes = [self._pass(indices) for indices in batches]
        rows = [torch.from_numpy(indices) for indices in batches]
        recorded = self._recorded(passes, rows)
        self._set_learning_rate()
        if recorded:
            self._seed_step()
            recorded()
        else:
            self._repeatable.run(lambda: self._make_step_by_hand(passes, rows))
        self.step += 1
        if self.step % _LOSS_CHECK == 0:
            self._check_loss()

    def _recorded(self, passes: list[_Pass], rows: list[Tensor]) -> Callable[[], None] | None:
        """The step as a call without Python, where there can be one."""
        # A stage's first step is not recorded: it allocates what the others work with.
        if self._graphs is None or not self._allocated:
            return None
        kinds = [forward.kind for forward in passes]
        if None in kinds:
            return None
        return self._graphs.get(
            tuple(kinds),
            rows,
            lambda held: self._repeatable.run(lambda: self._update(passes, held)),
        )

    def _make_step_by_hand(self, passes: list[_Pass], rows: list[Tensor]) -> None:
        self._seed_step()
        self._forget_gradients()
        self._update(passes, [row.to(self._device, non_blocking=True) for row in rows])
        self._allocated = True

    def _update(self, passes: list[_Pass], rows: list[Tensor]) -> None:
        """All of a step that the device does, and nothing that waits for it."""
        n_examples = sum(len(forward.indices) for forward in passes)
        looks = self._is_largest(passes)
        for forward, rows_of_batch in zip(passes, rows, strict=True):
            with autocast(self.precision, self._device):
                loss = self._forward(forward, rows_of_batch).loss
            # Activations are highest here, gradients after the backward pass.
            if looks:
                self.memory.sample()
            # A step is the mean over its examples, however they are spread over batches.
            weight = len(forward.indices) / n_examples
            self._scaler.scale(loss * weight if weight != 1 else loss).backward()
            self._loss_sum += loss.detach()
        if looks:
            self.memory.sample()
        self._scaler.unscale_(self._optimizer)
        self._clip()
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._forget_gradients()

    def _is_largest(self, passes: list[_Pass]) -> bool:
        """Whether the stage had no step yet that needs as much memory.

        Looking at a large heap takes a millisecond.
        """
        tokens = max(len(batch.indices) * batch.width for batch in passes)
        if tokens <= self._most_tokens:
            return False
        # Adam's state is not there in the first step.
        if self._allocated:
            self._most_tokens = tokens
        return True

    def _forget_gradients(self) -> None:
        for group in self._optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def _set_learning_rate(self) -> None:
        value = self.learning_rate(self.step)
        for group in self._optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(value)
            else:
                group["lr"] = value

    def _seed_step(self) -> None:
        seed = self._training.seed * _SEED_STRIDE + self.step
        # `torch.manual_seed` asks every other kind of device as well, in vain: 0.3 ms, a tenth of
        # a step of the head alone.
        torch.default_generator.manual_seed(seed)
        if self._device.type == "cuda":
            torch.cuda.default_generators[self._loss_sum.device.index].manual_seed(seed)
        elif self._device.type != "cpu":
            torch.manual_seed(seed)

    def learning_rate(self, step: int) -> float:
        """Linear warm-up from 0, then linear decay to 0, as transformers' ``linear`` schedule."""
        warmup = math.ceil(self._training.warmup_ratio * self.total_steps)
        if step < warmup:
            return self._training.learning_rate * (step / warmup)
        left = (self.total_steps - step) / max(1, self.total_steps - warmup)
        return self._training.learning_rate * left

    def _pass(self, indices: Indices) -> _Pass:
        width = self._width(self._split, indices)
        if self._device.type == "cuda":
            width = common_width(width, int(self._split.lengths.max()))
        return _Pass(self._split, indices, width, self._prefix.states(self._split))

    @staticmethod
    def _width(split: Split, indices: Indices) -> int:
        return int(split.lengths[indices].max())

    def _forward(self, batch: _Pass, rows: Tensor) -> Any:
        inputs = batch.split.gather(rows, batch.width)
        with (
            self._head_token.alone(inputs["attention_mask"]),
            self._prefix.replay(batch.states, rows, batch.width),
        ):
            return self._model(**inputs)

    def state(self, names: Iterable[str]) -> dict[str, Tensor]:
        """The tensors that a continuation needs: weights of ``names``, Adam's of the trained."""
        parameters = dict(self._model.named_parameters())
        tensors = {f"weight:{name}": parameters[name].detach() for name in names}
        for name, parameter in parameters.items():
            for key, value in self._optimizer.state.get(parameter, {}).items():
                tensors[f"{key}:{name}"] = value
        return tensors

    def restore(self, step: int, chain: list[dict[str, Tensor]]) -> None:
        """Go to ``step``, as another engine left it.

        Args:
            step: Optimizer steps made.
            chain: What `state` gave at this step and at the ends of segments before it, the
                last one first; together they hold every weight that was trained.
        """
        parameters = dict(self._model.named_parameters())
        weights: dict[str, Tensor] = {}
        for tensors in reversed(chain):
            weights |= {key: value for key, value in tensors.items() if key.startswith("weight:")}
        with torch.no_grad():
            for key, value in weights.items():
                parameters[key.partition(":")[2]].copy_(value)
        self._optimizer.state.clear()
        for key, value in chain[0].items():
            kind, _, name = key.partition(":")
            if kind != "weight":
                self._optimizer.state[parameters[name]][kind] = value.to(self._device)
        # What was frozen here may have been trained on the way that was skipped.
        self._prefix.set_depth(0)
        self._begin(None)
        self.step = step

    def recent_gradients(self, parameters: Iterable[nn.Parameter]) -> list[Tensor] | None:
        """The mean gradient of each parameter over the last steps, in its shape.

        The mean that Adam keeps (the bias-corrected first moment of algorithm 1 in arXiv
        1412.6980): of clipped gradients, each weighing 0.9 times what the next one does. None
        where some of the parameters are not in training.
        """
        beta = self._optimizer.defaults["betas"][0]
        states = [self._optimizer.state.get(parameter) for parameter in parameters]
        if not all(states):
            return None
        return [state["exp_avg"] / (1 - beta ** float(state["step"])) for state in states if state]

    def trained_names(self, first: int, end: int) -> frozenset[str]:
        """Names of the parameters trained between two steps."""
        spans = self._spans
        stages = [stage for start, stop, stage in spans if start < end and stop > first]
        return self._freezer.names(*stages)

    def decay(self, name: str) -> float:
        """What weight decay alone would have made of a parameter so far, as a factor.

        Args:
            name: The parameter's name.
        """
        weight_decay = self._training.weight_decay if name in self._decayed else 0.0
        factor = 1.0
        for first, end, stage in self._spans:
            if name in self._freezer.names(stage):
                for step in range(first, min(end, self.step)):
                    factor *= 1 - self.learning_rate(step) * weight_decay
        return factor

    def _clip(self) -> None:
        """Scale the gradients down to the largest norm, or have the optimizer do it."""
        parameters = [p for group in self._optimizer.param_groups for p in group["params"]]
        grads = [p.grad for p in parameters if p.grad is not None]
        norm, largest = get_total_norm(grads), self._training.max_grad_norm
        if self._device.type == "cpu":
            # Where they are too large, the fused optimizer divides by this as it reads them,
            # which spares a pass over all.
            scale = (norm + 1e-6) / largest if norm > largest else None
            self._optimizer.grad_scale = scale  # type: ignore[attr-defined]
        else:
            clip_grads_with_norm_(parameters, largest, norm)

    def _check_loss(self) -> None:
        if not torch.isfinite(self._loss_sum):
            raise TrialFailed(f"the loss is not finite at step {self.step} of {self.total_steps}")

    @torch.no_grad()
    def predict(self, split: Split, precision: Precision | None = None) -> Tensor:
        """Logits of ``split``, shape ``(n_examples, n_labels)``, fp32 on the CPU.

        Args:
            split: The examples.
            precision: Of the forward passes; by default the training's.
        """
        self._model.eval()
        batches = evaluation_batches(split.lengths, self._device)
        order = np.concatenate(batches)
        states = None
        # What the prefix cache holds was computed in the training's precision.
        if precision is None:
            self._fill(split, order)
            states = self._prefix.states(split)
        outputs = self._repeatable.run(
            lambda: self._outputs(split, batches, states, precision or self.precision)
        )
        self._freezer.set_modes()
        # Taken off the device once: each time, the process waits for it.
        sorted_logits = torch.cat(outputs).cpu()
        logits = torch.empty_like(sorted_logits)
        logits[torch.as_tensor(order)] = sorted_logits
        return logits

    def _outputs(
        self,
        split: Split,
        batches: list[Indices],
        states: HiddenStates | None,
        precision: Precision,
    ) -> list[Tensor]:
        outputs: list[Tensor] = []
        # Around all batches: what it has cast of the trained weights serves them all.
        with autocast(precision, self._device):
            for indices in batches:
                rows = torch.from_numpy(indices).to(self._device, non_blocking=True)
                batch = _Pass(split, indices, self._width(split, indices), states)
                outputs.append(self._forward(batch, rows).logits.float())
        return outputs
