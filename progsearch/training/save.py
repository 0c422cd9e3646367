"""Saves a trained model with its config, in the Hugging Face format, and loads it again."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import transformers
from safetensors.torch import load_file
from transformers import PreTrainedModel

from progsearch.config import MethodConfig, plain, write_yaml
from progsearch.errors import ModelError
from progsearch.methods import apply_method, merge_method
from progsearch.models.anatomy import find_anatomy
from progsearch.models.checkpoint import check_weights
from progsearch.models.head import Head
from progsearch.models.loading import forget_files, load_model, trained_head
from progsearch.schedule.files import read_config
from progsearch.training.run import TrainingRun
from progsearch.training.saved_check import check_saved
from progsearch.version import __version__

_SCHEDULE = "schedule.yaml"
_WEIGHTS = "model.safetensors"
_METRICS = "metrics.json"


def save_run(run: TrainingRun, folder: str | Path) -> dict[str, float]:
    """Write model, tokenizer, ``schedule.yaml`` and ``metrics.json`` to ``folder``.

    The run is finished, and LoRA's matrices are merged into the weights that they adapt, so that
    ``AutoModelForSequenceClassification.from_pretrained(folder)`` loads the whole model. Adapters
    cannot be merged: load them with `load_trained`. The metrics are computed on the saved model,
    in fp32, and are written only if the saved model has the same outputs when it is loaded again.

    Args:
        run: The trained run; its model is merged in place, and its config is written with the
            actual costs and results.
        folder: Created if it does not exist.

    Returns:
        The saved metrics: those on the validation data under their own names, those on other
        labelled splits with the split's name as a prefix (``test_accuracy``).

    Raises:
        NothingUsable: The saved model has other outputs than the trained one; it is kept.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # Those of an earlier model in the folder are not this one's.
    (folder / _METRICS).unlink(missing_ok=True)
    run.finish()
    merge_method(run.model, run.config.method)
    splits = {"": run.task.validation}
    splits |= {f"{name}_": split for name, split in run.task.extra_validation.items()}
    if run.task.test is not None:
        splits["test_"] = run.task.test
    outputs = {prefix: run.outputs(split, precision="fp32") for prefix, split in splits.items()}
    metrics = {
        prefix + name: value
        for prefix, split in splits.items()
        for name, value in run.task.evaluate(outputs[prefix], split).items()
    }
    run.model.save_pretrained(folder)
    run.tokenizer.save_pretrained(folder)
    forget_files()
    check_saved(
        folder,
        partial(_load_as_users_do, folder, run.config.method, run.task.head),
        run.task,
        outputs[""],
        max_length=run.config.task.max_length,
        device=run.device,
    )
    saved = run.config.model_copy(
        update={
            "progsearch_version": __version__,
            "costs": run.cost.to_dict(),
            "results": {
                "metric": run.task.metric,
                "value": metrics[run.task.metric],
                "split": "validation",
                "seeds": 1,
            },
        }
    )
    write_yaml(folder / _SCHEDULE, plain(saved))
    (folder / _METRICS).write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    return metrics


def load_trained(folder: str | Path) -> PreTrainedModel:
    """The model that `save_run` wrote, with its adapters if it has any, in eval mode.

    Its config is as it was saved: the names of the classes, the type of the problem.

    Args:
        folder: The folder given to ``progsearch train --output-dir``.

    Raises:
        ConfigError: ``schedule.yaml`` is missing or damaged.
        ModelError: The folder holds no model.
    """
    folder = Path(folder)
    method = read_config(folder / _SCHEDULE).method
    check_weights(str(folder))
    return _with_adapters(folder, method)


def _with_adapters(folder: Path, method: MethodConfig) -> PreTrainedModel:
    weights = load_file(folder / _WEIGHTS)
    head = trained_head(str(folder))
    if head is None:
        raise ModelError(
            f"{folder / 'config.json'} names no model with a head; give a folder that "
            "`progsearch train` wrote"
        )
    model = load_model(str(folder), head)
    if not method.merges:
        apply_method(model, find_anatomy(model), method)
        model.load_state_dict(weights)
    return model.eval()


def _load_as_users_do(folder: Path, method: MethodConfig, head: Head) -> PreTrainedModel:
    """By transformers alone, if that can hold the method."""
    if not method.merges:
        return _with_adapters(folder, method)
    model: PreTrainedModel = getattr(transformers, head.auto_class).from_pretrained(folder)
    return model
