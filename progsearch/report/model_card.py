"""The model card of a saved model: ``README.md`` in the format of the Hugging Face hub."""

from __future__ import annotations

import json
from collections.abc import Mapping
from os.path import exists
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from progsearch.config import RunConfig
from progsearch.models.loading import trained_head
from progsearch.models.references import hub_name, shown_name
from progsearch.numerals import learning_rate, percent
from progsearch.report.how_to_load import how_to_load
from progsearch.report.schedule_map import schedule_map
from progsearch.schedule import Schedule
from progsearch.schedule.files import blocks_of_model, read_config
from progsearch.tasks.sources.catalogue import hub_dataset
from progsearch.training.save import PER_CLASS

CARD = "README.md"
# A README without it was written by someone else and is kept.
_MARK = "<!-- Written by `progsearch train`. -->"
_PIPELINES = {
    "AutoModelForSequenceClassification": "text-classification",
    "AutoModelForTokenClassification": "token-classification",
    "AutoModelForMultipleChoice": "multiple-choice",
    "AutoModelForQuestionAnswering": "question-answering",
    "AutoModelForCausalLM": "text-generation",
}
_MOMENTS = {"adamw": "", "adamw-8bit": " with moments in 8 bits"}
# The hub's names of metrics, where they differ from ours.
_HUB_METRICS = {
    "pearson": "pearsonr",
    "spearman": "spearmanr",
    "f1_macro": "f1",
    "f1_micro": "f1",
    "token_accuracy": "accuracy",
}


def write_model_card(folder: Path, repository: str | None = None) -> bool:
    """Write the model card of a model that `save_run` saved, from the files beside it.

    Args:
        folder: The saved model.
        repository: Its name on the hub; by default the card names the folder.

    Returns:
        Whether it was written: a ``README.md`` of another origin is kept.
    """
    file = folder / CARD
    if exists(file) and _MARK not in file.read_text(encoding="utf-8", errors="replace"):
        return False
    config = read_config(folder / "schedule.yaml")
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    per_class = metrics.pop(PER_CLASS, {})
    head = trained_head(str(folder))
    auto_class = "AutoModel" if head is None else head.auto_class
    name = repository or folder.absolute().name
    card = _metadata(config, metrics, name, _PIPELINES.get(auto_class))
    text = "\n\n".join(
        [
            f"---\n{card.to_yaml()}\n---",
            _MARK,
            f"# {name.rpartition('/')[2]}",
            _introduction(config),
            how_to_load(config, name, auto_class, is_on_hub=repository is not None),
            _results(config, metrics),
            *([_per_class(per_class)] if per_class else []),
            _schedule(config),
            _training(config),
            _open_fields(),
        ]
    )
    ModelCard(text + "\n", ignore_metadata_errors=True).save(file)
    return True


def _metadata(
    config: RunConfig, metrics: Mapping[str, float], name: str, pipeline: str | None
) -> ModelCardData:
    dataset = hub_dataset(config.task)
    data_name = shown_name(config.task.name)
    evaluated = [
        EvalResult(
            task_type=pipeline or "other",
            dataset_type=dataset or data_name,
            dataset_name=data_name,
            dataset_split=split,
            dataset_args={"rows": rows} if rows else None,
            metric_type=_HUB_METRICS.get(metric, metric),
            metric_name=metric,
            metric_value=value,
            metric_args={"seeds": 1, "seed": config.training.seed},
        )
        for split, rows, values in _by_split(config, metrics)
        for metric, value in values.items()
    ]
    return ModelCardData(
        base_model=hub_name(config.model),
        datasets=None if dataset is None else [dataset],
        license="unknown",
        library_name="transformers" if config.method.merges else "progsearch",
        pipeline_tag=pipeline,
        tags=["progsearch", "progressive-fine-tuning", config.method.name],
        metrics=sorted({result.metric_type for result in evaluated}),
        model_name=name.rpartition("/")[2],
        eval_results=evaluated,
    )


def _introduction(config: RunConfig) -> str:
    cost = config.costs or {}
    updated = cost.get("updated_parameters")
    text = (
        f"{shown_name(config.model)}, fine-tuned on {shown_name(config.task.name)} by progsearch "
        f"{config.progsearch_version} with a progressive fine-tuning schedule "
        "([Progtuning](https://arxiv.org/abs/2506.21119)), which says which blocks are trained in "
        "which part of the training."
    )
    if updated is not None:
        text += f" It makes {percent(updated)} of the parameter updates of full fine-tuning."
    return text


def _results(config: RunConfig, metrics: Mapping[str, float]) -> str:
    splits = _by_split(config, metrics)
    names = list(splits[0][2])
    rows = [
        f"| {split} | {rows or ''} | "
        + " | ".join(f"{values[name]:.4f}" if name in values else "" for name in names)
        + " |"
        for split, rows, values in splits
    ]
    table = [
        f"| data | rows | {' | '.join(names)} |",
        f"|---|---|{'---|' * len(names)}",
        *rows,
    ]
    words = (
        f"One training, with seed {config.training.seed}, measured on the saved model in fp32. "
        "Schedules and their settings are chosen on the validation data, so the metrics there "
        "are optimistic."
    )
    if any(split == "test" for split, _, _ in splits):
        words += " The test data was not used for any choice."
    return "\n\n".join(["## Results", "\n".join(table), words, *_of_search(config)])


def _per_class(per_class: Mapping[str, Mapping[str, float]]) -> str:
    """The table of the scores of each class on the validation data."""
    names = list(next(iter(per_class.values())))
    rows = [
        f"| {label} | "
        + " | ".join(f"{v:.4f}" if isinstance(v, float) else str(v) for v in scores.values())
        + " |"
        for label, scores in per_class.items()
    ]
    head = [f"| label | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    return "\n".join(["Each label on the validation data:\n", *head, *rows])


def _of_search(config: RunConfig) -> list[str]:
    """What the search measured of this schedule and of full fine-tuning, over its seeds."""
    results = config.results or {}
    searched, reference = results.get("searched"), results.get("reference")
    if not searched:
        return []
    updated = (config.costs or {}).get("updated_parameters")
    rows = [_row("this schedule", searched, updated, config.training.learning_rate)]
    if reference:
        rows.append(
            _row(
                "full fine-tuning, its learning rate tuned as well",
                reference,
                reference.get("updated_parameters"),
                reference.get("learning_rate"),
            )
        )
    head = f"| in the search | updated parameters | learning rate | {results['metric']} | seeds |"
    return [
        "\n".join([head, "|---|---|---|---|---|", *rows]),
        "Means over seeds on the validation data, ± their standard error.",
    ]


def _row(name: str, found: Mapping[str, Any], updated: float | None, rate: float | None) -> str:
    value = f"{found['value']:.4f}"
    if "standard_error" in found:
        value += f" ± {found['standard_error']:.4f}"
    cells = [
        name,
        "" if updated is None else percent(updated),
        "" if rate is None else learning_rate(rate),
        value,
        str(found.get("seeds", "")),
    ]
    return f"| {' | '.join(cells)} |"


def _schedule(config: RunConfig) -> str:
    blocks = blocks_of_model(config.stages, config.costs)
    schedule = Schedule.from_dicts([stage.model_dump() for stage in config.stages], blocks)
    return f"## Schedule\n\n```text\n{schedule_map(schedule)}\n```"


def _training(config: RunConfig) -> str:
    training = config.training
    settings = {
        "method": config.method.description,
        "epochs": training.epochs,
        "learning rate": f"{learning_rate(training.learning_rate)}, linear with "
        f"{percent(training.warmup_ratio)} warm-up",
        "examples per step": training.batch_size * training.gradient_accumulation,
        "weight decay": f"{training.weight_decay:g} (AdamW{_MOMENTS[training.optimizer]})",
        "precision": training.precision,
    }
    understood = config.understood
    longest = config.task.max_length or (understood and understood.max_length)
    if longest:
        settings["longest text"] = f"{longest} tokens"
    if understood is not None:
        settings |= {
            f"{name} data": str(split).replace("|", "\\|")
            for name, split in understood.splits.items()
        }
    rows = "\n".join(f"| {name} | {value} |" for name, value in settings.items())
    return (
        f"## Training\n\n| | |\n|---|---|\n{rows}\n\n"
        "`schedule.yaml` repeats it: `progsearch train schedule.yaml --output-dir DIR`."
    )


def _open_fields() -> str:
    return (
        "## To be filled in\n\n"
        "- Licence: set `license` at the top of this file (now `unknown`); the licences of the "
        "base model and of the data apply.\n"
        "- Language: add `language` at the top of this file.\n"
        "- Intended use, limits, and where the data comes from."
    )


def _by_split(
    config: RunConfig, metrics: Mapping[str, float]
) -> list[tuple[str, int | None, dict[str, float]]]:
    """Name, rows and metrics of each split; only those of other splits have its name before."""
    known = {} if config.understood is None else config.understood.splits
    others = [name for name in (*known, "test") if name not in ("train", "validation")]
    found: dict[str, dict[str, float]] = {}
    for key, value in metrics.items():
        split = next((name for name in others if key.startswith(f"{name}_")), "validation")
        found.setdefault(split, {})[key.removeprefix(f"{split}_")] = value
    return [
        (split, known[split].rows if split in known else None, values)
        for split, values in found.items()
    ]
