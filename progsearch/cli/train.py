"""`progsearch train`: train the final model from an exported config."""

from __future__ import annotations

import logging
from os.path import isdir
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from progsearch.cli.options import Json, Quiet
from progsearch.cli.show.output import log_shown, print_json, say
from progsearch.errors import ConfigError, NothingUsable, TrialFailed
from progsearch.paths import check_writable_folder

if TYPE_CHECKING:
    from progsearch.config import RunConfig, Understood
    from progsearch.training import TrainingRun

_PLACE = "--output-dir"


@log_shown(logging.WARNING)
def train(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A config that `progsearch export` wrote.", readable=False
        ),
    ],
    output_dir: Annotated[
        Path,
        typer.Option(
            metavar="DIR", help="The folder for the model.", show_default=False, readable=False
        ),
    ],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Write into DIR even if it is not empty.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train and save the model of a config.

    In the Hugging Face format: DIR gets model.safetensors and its config, the tokenizer,
    schedule.yaml (the config with its measured costs and results, and a summary of the data) and
    metrics.json.
    """
    from progsearch.schedule.files import read_config

    config = read_config(file)
    _check_output(output_dir, overwrite=overwrite)
    from progsearch.config import plain
    from progsearch.engine.memory import keep_freed_memory
    from progsearch.report.formatting import in_words, percent
    from progsearch.training import check_files, per_class_scores, save_run
    from progsearch.workers.processors import use_allowed_threads

    check_files(output_dir, _PLACE)
    keep_freed_memory()
    use_allowed_threads()
    run, understood = _assembled(config, output_dir)
    stages = run.schedule.to_dicts()
    show = not (json or quiet)
    lines = [
        *filter(None, (understood.columns, *understood.lines())),
        f"{config.model} on {run.task.name}, {percent(run.cost.updated_parameters)} of full "
        f"fine-tuning's parameter updates: {in_words(stages, run.schedule.n_blocks)}",
    ]
    for line in lines if show else ():
        say(line)
    try:
        for record in run.records():
            if show:
                say(
                    f"epoch {record.epoch:.3g} of {config.training.epochs}  "
                    f"{_line(record.metrics)}  {record.seconds:.0f} s"
                )
    except TrialFailed as failure:
        raise NothingUsable(f"the training of {file} failed: {failure}") from None
    metrics = save_run(run, output_dir, understood)
    per_class = per_class_scores(output_dir)
    if json:
        results = {"output_dir": str(output_dir), "metrics": metrics}
        tables = {"per_class": per_class} if per_class else {}
        print_json(results | tables | {"understood": plain(understood)})
    else:
        say(f"saved in {output_dir}, measured there in fp32: {_line(metrics)}")
        for line in _table(per_class):
            say(line)
        if not config.method.merges:
            say(
                "its adapters are lost on AutoModel; load it with "
                f"progsearch.training.load_trained({str(output_dir)!r})"
            )


def _assembled(config: RunConfig, folder: Path) -> tuple[TrainingRun, Understood]:
    """The run, checked to fit on the folder's disk, and the summary of its data."""
    from progsearch.tasks import understand
    from progsearch.training import TrainingRun, check_room
    from progsearch.training.remarks import collected_remarks, doubts_of

    with collected_remarks() as remarks:
        run = TrainingRun.from_config(config)
        check_room(run, folder, _PLACE)
        # It logs a warning, which is always shown, if the metric cannot tell schedules apart.
        understood = understand(run.task, run.tokenizer)
    return run, understood.model_copy(update={"doubts": doubts_of(remarks)})


def _check_output(folder: Path, *, overwrite: bool) -> None:
    """Check that the folder can be written and that nothing in it would be lost."""
    check_writable_folder(folder, _PLACE)
    if overwrite or not isdir(folder) or not any(folder.iterdir()):
        return
    raise ConfigError(
        _PLACE, [("", f"{folder} is not empty; choose another folder or add --overwrite")]
    )


def _table(per_class: dict[str, dict[str, float]]) -> list[str]:
    """The scores of each class as lines of columns; none if there are no classes."""
    if not per_class:
        return []
    columns = list(next(iter(per_class.values())))
    width = max(map(len, per_class))
    lines = [" " * width + "".join(f"  {name:>9}" for name in columns)]
    for name, scores in per_class.items():
        cells = (f"{v:.4f}" if isinstance(v, float) else str(v) for v in scores.values())
        lines.append(f"{name:<{width}}" + "".join(f"  {cell:>9}" for cell in cells))
    return lines


def _line(metrics: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4f}" for name, value in metrics.items())
