"""What is measured once, after the last step of a run: generated answers, and forgetting."""

from __future__ import annotations

from contextlib import nullcontext

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from progsearch.cache import cache_dir, content_key, keep_json, kept_json
from progsearch.config import RunConfig, training_under
from progsearch.engine.frozen_weights import rounds
from progsearch.engine.loop import Engine
from progsearch.engine.precision import arithmetic, autocast
from progsearch.models.loading import model_fingerprint
from progsearch.tasks import TaskData
from progsearch.tasks.types.causal_lm import FORGETTING
from progsearch.tasks.types.language_examples import GENERAL
from progsearch.training.segments import ENVIRONMENT


class AtEnd:
    """Measures what takes too long for each epoch, and what a language model forgets.

    Forgetting is the loss on text outside of the task after the training minus before.

    Args:
        engine: Before its first step.
        model: The model that it trains.
        tokenizer: The model's.
        task: The data.
        config: Names the model.
    """

    def __init__(
        self,
        engine: Engine,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        task: TaskData,
        config: RunConfig,
    ) -> None:
        self._engine = engine
        self._model = model
        self._tokenizer = tokenizer
        self._task = task
        self._general = task.extra_validation.get(GENERAL)
        choice = training_under(config.method, config.training).frozen_dtype
        self._rounds = rounds(choice, engine.precision)
        self._before = 0.0 if self._general is None else self._measured(config)

    def __call__(self) -> dict[str, float]:
        """The metrics of the engine's model by their names; mostly there are none."""
        task = self._task
        with autocast(self._engine.precision, self._model.device):
            found = task.type.at_end(
                self._model, self._tokenizer, task.examples.validation, task.max_length
            )
        if self._general is not None:
            # What rounding alone changes is not forgotten: the saved model has exact weights.
            with self._engine.exact_weights() if self._rounds else nullcontext():
                found[FORGETTING] = self._loss() - self._before
        return found

    def _measured(self, config: RunConfig) -> float:
        """The loss of the pre-trained model, the same for all runs of a study."""
        assert self._general is not None, "there is general text"
        key = content_key(
            ENVIRONMENT,
            model_fingerprint(config.model),
            self._general.fingerprint(),
            self._engine.precision,
            arithmetic(self._model.device),
        )
        path = cache_dir("general") / f"{key}.json"
        known = kept_json(path)
        if not isinstance(known, float):
            known = self._loss()
            keep_json(path, known)
        return known

    def _loss(self) -> float:
        assert self._general is not None, "there is general text"
        # With a precision, no states of frozen blocks are kept for this one pass.
        kept = self._engine.predict(
            self._general, self._task.keep, precision=self._engine.precision
        ).numpy()
        return self._task.type.evaluate(["loss"], kept, self._general)["loss"]
