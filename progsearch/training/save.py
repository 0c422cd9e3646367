"""Saves a trained model with its config, in the Hugging Face format, and loads it again."""

from __future__ import annotations

import json
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from os.path import exists, isdir, isfile
from pathlib import Path
from typing import Any

import numpy as np
import transformers
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from progsearch.cache import cache_dir
from progsearch.config import MethodConfig, RunConfig, Understood, plain, write_yaml
from progsearch.errors import ConfigError, MachineFailed, ModelError
from progsearch.methods import apply_method, merge_method
from progsearch.models.anatomy import find_anatomy
from progsearch.models.checkpoint import check_weights
from progsearch.models.head import Head
from progsearch.models.loading import forget_files, load_model, trained_head
from progsearch.models.references import quiet_transformers
from progsearch.paths import check_writable_file, reason_of
from progsearch.schedule.files import read_config
from progsearch.training.run import TrainingRun
from progsearch.training.saved_check import check_saved
from progsearch.training.saved_results import saved_results
from progsearch.version import __version__

SCHEDULE = "schedule.yaml"
_WEIGHTS = "model.safetensors"
_METRICS = "metrics.json"
PER_CLASS = "per_class"
"""The key of the table of `TaskType.per_class` in ``metrics.json``."""
SAVED_FILES = (
    _WEIGHTS,
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    SCHEDULE,
    _METRICS,
    "README.md",
)
# A model is saved in fp32.
_BYTES = 4


def save_run(
    run: TrainingRun, folder: str | Path, understood: Understood | None = None
) -> dict[str, float]:
    """Write model, tokenizer, ``schedule.yaml`` and ``metrics.json`` to ``folder``.

    The run is finished, and LoRA's matrices are merged into the weights that they adapt, so that
    ``AutoModelForSequenceClassification.from_pretrained(folder)`` loads the whole model. Adapters
    cannot be merged: load them with `load_trained`. The metrics are computed on the saved model,
    in fp32, and are written only if the saved model gives the same outputs after loading.

    Args:
        run: The run, after the last of its `records`; its model is merged in place, and its
            config is written with the actual costs and results.
        folder: Created if it does not exist.
        understood: The summary of the data, to be written with the config.

    Returns:
        The saved metrics: those on the validation data under their own names, those on other
        labelled splits with the split's name as a prefix (``test_accuracy``). The file also has
        the table of `per_class_scores`, if the task's type gives one.

    Raises:
        NothingUsable: The saved model cannot be loaded, or its outputs differ from the trained
            one's; it is kept.
        MachineFailed: The folder cannot be written; the message says where the model is instead.
    """
    run.catch_up()
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
    # What is measured once, at the end of a run.
    metrics = run.result().metrics | metrics
    config = _saved_config(run, metrics, understood)
    table = run.task.per_class(outputs[""], run.task.validation)
    written = metrics if table is None else metrics | {PER_CLASS: table}
    _write(run, config, Path(folder), written, outputs[""])
    return metrics


def per_class_scores(folder: str | Path) -> dict[str, dict[str, float]]:
    """The scores of each class that `save_run` wrote for the validation data, if any."""
    written = json.loads((Path(folder) / _METRICS).read_text(encoding="utf-8"))
    found: dict[str, dict[str, float]] = written.get(PER_CLASS, {})
    return found


def check_files(folder: str | Path, place: str) -> None:
    """Check before the training that the files of a model in the folder can be replaced.

    Args:
        folder: The folder that `save_run` will get.
        place: The option that named it, for the message.

    Raises:
        ConfigError: One of them cannot be written.
    """
    for file in (Path(folder) / name for name in SAVED_FILES):
        if exists(file):
            check_writable_file(file, place)


def _saved_config(
    run: TrainingRun, metrics: dict[str, float], understood: Understood | None
) -> RunConfig:
    return run.config.model_copy(
        update={
            "progsearch_version": __version__,
            "costs": run.cost.to_dict(),
            "results": saved_results(run, metrics),
            "understood": understood,
        }
    )


def check_room(run: TrainingRun, folder: str | Path, place: str) -> None:
    """Check before the training that the disk has room for the model.

    Args:
        run: The run, not yet trained.
        folder: The folder that `save_run` will get.
        place: The option that named it, for the message.

    Raises:
        ConfigError: There is too little room.
    """
    folder = Path(folder)
    needed = run.cost.parameters * _BYTES
    if isfile(folder / _WEIGHTS):
        needed -= (folder / _WEIGHTS).stat().st_size
    there = next(part for part in (folder, *folder.absolute().parents) if isdir(part))
    free = shutil.disk_usage(there).free
    if free < needed:
        reason = (
            f"the disk of {folder} has {free / 1e6:.3g} MB free and the model needs "
            f"{needed / 1e6:.3g} MB; make room or choose another folder"
        )
        raise ConfigError(place, [("", reason)])


def _write(
    run: TrainingRun,
    config: RunConfig,
    folder: Path,
    metrics: dict[str, Any],
    outputs: np.ndarray,
) -> None:
    """Write a finished run, check it as it was written, and write its metrics.

    Raises:
        NothingUsable: The saved model failed the check; it is kept.
        MachineFailed: The folder cannot be written; the message says where the model is.
    """
    with run.task.type.as_saved(run.model) as kind:
        where, failed = _write_model(run, config, folder)
    forget_files()
    check_saved(
        where,
        partial(_load_as_users_do, where, run.config.method, run.task.head),
        replace(run.task, type=kind),
        outputs,
        device=run.device,
    )
    try:
        _write_results(config, where, metrics)
    except OSError as error:
        raise MachineFailed(
            f"the trained model is saved in {where}, but its metrics cannot be written there "
            f"({reason_of(error)}); make room and train again if you need them"
        ) from error
    if failed:
        raise MachineFailed(f"{failed}; it is saved in {where}, move it from there")


def _write_model(run: TrainingRun, config: RunConfig, folder: Path) -> tuple[Path, str]:
    """Write model and tokenizer; if the folder cannot be written, write them to another place.

    Returns:
        Where they are, and why they are not in ``folder``: empty if they are.

    Raises:
        MachineFailed: No place can be written.
    """
    try:
        _write_model_to(run, config, folder)
        return folder, ""
    except (OSError, SafetensorError) as error:
        failed = f"the trained model cannot be written to {folder} ({_reason_of(error)})"
    for parent in _places_left():
        kept = parent / f"{folder.absolute().name[:50]}-{secrets.token_hex(4)}"
        try:
            _write_model_to(run, config, kept)
        except (OSError, SafetensorError):
            shutil.rmtree(kept, ignore_errors=True)
        else:
            return kept, failed
    raise MachineFailed(f"{failed} or to another disk; make room and train again")


def _places_left() -> Iterator[Path]:
    with suppress(ConfigError):
        yield cache_dir("unsaved")
    yield Path(tempfile.gettempdir())


def _reason_of(error: OSError | SafetensorError) -> str:
    return reason_of(error) if isinstance(error, OSError) else str(error)


def _write_model_to(run: TrainingRun, config: RunConfig, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # The metrics of an earlier model in the folder no longer apply.
    (folder / _METRICS).unlink(missing_ok=True)
    with quiet_transformers():
        run.model.save_pretrained(folder)
    run.tokenizer.save_pretrained(folder)
    # Adapters cannot be loaded without it.
    write_yaml(folder / SCHEDULE, plain(config.model_copy(update={"results": None})))
    if isfile(folder / _WEIGHTS):
        # A network disk may cut a file off without an error.
        with safe_open(folder / _WEIGHTS, "pt"):
            pass


def _write_results(config: RunConfig, folder: Path, metrics: dict[str, Any]) -> None:
    write_yaml(folder / SCHEDULE, plain(config))
    text = json.dumps(metrics, indent=2, ensure_ascii=False)
    (folder / _METRICS).write_text(text + "\n", encoding="utf-8")


def load_trained(folder: str | Path) -> PreTrainedModel:
    """The model that `save_run` wrote, with its adapters if it has any, in eval mode.

    The model keeps the saved config, such as the class names and the problem type.

    Args:
        folder: The folder given to ``progsearch train --output-dir``.

    Raises:
        ConfigError: ``schedule.yaml`` is missing or damaged.
        ModelError: The folder holds no model.
    """
    folder = Path(folder)
    method = read_config(folder / SCHEDULE).method
    check_weights(str(folder))
    return _with_adapters(folder, method)


def _with_adapters(folder: Path, method: MethodConfig) -> PreTrainedModel:
    weights = load_file(folder / _WEIGHTS)
    head = trained_head(str(folder))
    if head is None:
        raise ModelError(
            f"{folder / 'config.json'} does not name a model with a head; give a folder that "
            "`progsearch train` wrote"
        )
    model = load_model(str(folder), head)
    if not method.merges:
        apply_method(model, find_anatomy(model), method)
        model.load_state_dict(_with_tied(weights, model))
    return model.eval()


def _with_tied(weights: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Weights from a file under all of their names: a file holds a tied one once."""
    owners = {parameter: name for name, parameter in model.named_parameters()}
    names = model.named_parameters(remove_duplicate=False)
    tied = {name: owners[p] for name, p in names if owners[p] in weights}
    return weights | {name: weights[owner] for name, owner in tied.items()}


def _load_as_users_do(folder: Path, method: MethodConfig, head: Head) -> PreTrainedModel:
    """Load with transformers alone if the method is merged into the weights."""
    if not method.merges:
        return _with_adapters(folder, method)
    model: PreTrainedModel = getattr(transformers, head.auto_class).from_pretrained(folder)
    return model
