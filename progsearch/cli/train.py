"""`progsearch train`: train the final model from an exported config."""

from __future__ import annotations

import logging
from os.path import isdir
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from progsearch.cli.options import Json, Quiet
from progsearch.errors import ConfigError, NothingUsable, TrialFailed
from progsearch.paths import check_writable_folder
from progsearch.show.output import log_shown, print_json, say

if TYPE_CHECKING:
    from progsearch.config import RunConfig, Understood
    from progsearch.show.training import TrainingView
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
        bool,
        typer.Option("--force", "--overwrite", help="Write into DIR even if it is not empty."),
    ] = False,
    reuse: Annotated[
        bool,
        typer.Option(
            "--reuse/--no-reuse",
            help="Take steps that a search has trained already from its store.",
        ),
    ] = True,
    push_to_hub: Annotated[
        str | None,
        typer.Option(metavar="USER/NAME", help="Upload the model to the Hugging Face hub."),
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Make the repository on the hub a private one.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train and save the model of a config.

    In the Hugging Face format: DIR gets model.safetensors and its config, the tokenizer,
    schedule.yaml (the config with its measured costs and results, and a summary of the data),
    metrics.json and README.md, a model card.

    Examples:
        progsearch train best.yaml --output-dir model
        progsearch train best.yaml --output-dir model --push-to-hub USER/NAME
    """
    from progsearch.schedule.files import read_config

    config = read_config(file)
    _check_output(output_dir, overwrite=overwrite)
    _check_hub(push_to_hub, private=private)
    from progsearch.config import plain, training_under
    from progsearch.engine.memory import keep_freed_memory
    from progsearch.report.model_card import write_model_card
    from progsearch.show.results import print_classes
    from progsearch.show.training import training_view
    from progsearch.training import check_files, per_class_scores, save_run
    from progsearch.training.upload import upload

    check_files(output_dir, _PLACE)
    keep_freed_memory()
    run, understood = _assembled(config, output_dir, reuse=reuse)
    with training_view(run.steps_per_epoch, config.training.epochs, quiet=json or quiet) as view:
        for line in _opening(config, run, understood):
            view.note(line)
        try:
            _train(run, view)
        except TrialFailed as failure:
            raise NothingUsable(f"the training of {file} failed: {failure}") from None
    metrics = save_run(run, output_dir, understood)
    per_class = per_class_scores(output_dir)
    has_card = write_model_card(output_dir, push_to_hub)
    if json:
        steps = run.spent().steps_trained
        print_json(
            {
                "output_dir": str(output_dir),
                "metrics": metrics,
                **({"per_class": per_class} if per_class else {}),
                "steps": {"trained": steps, "reused": run.total_steps - steps},
                "understood": plain(understood),
            }
        )
    else:
        say(f"saved in {output_dir}, measured there in fp32: {_line(metrics)}")
        if per_class:
            print_classes(per_class, "each class on the validation data")
        if training_under(config.method, config.training).frozen_dtype == "nf4":
            say(
                "its frozen weights are the exact ones; the training held them in 4 bits, so "
                "these metrics may differ a little from the search's"
            )
        if not config.method.merges:
            say(
                "its adapters are lost on AutoModel; load it with "
                f"progsearch.training.load_trained({str(output_dir)!r})"
            )
        if not has_card:
            say(f"{output_dir / 'README.md'} was there before and is kept: no model card")
    if push_to_hub is not None:
        address = upload(output_dir, push_to_hub, private=private)
        if not json:
            say(f"uploaded to {address}")


def _assembled(config: RunConfig, folder: Path, *, reuse: bool) -> tuple[TrainingRun, Understood]:
    """The run, checked to fit on the folder's disk, and the summary of its data."""
    from progsearch.config import shared_store
    from progsearch.tasks import understand
    from progsearch.training import Store, TrainingRun, check_room
    from progsearch.training.remarks import collected_remarks, doubts_of
    from progsearch.workers.processors import free_threads

    with collected_remarks() as remarks:
        store = Store(shared=shared_store()) if reuse else None
        run = TrainingRun.from_config(config, store=store, threads=free_threads())
        check_room(run, folder, _PLACE)
        # It logs a warning, which is always shown, if the metric cannot tell schedules apart.
        understood = understand(run.task, run.tokenizer)
    return run, understood.model_copy(update={"doubts": doubts_of(remarks)})


def _opening(config: RunConfig, run: TrainingRun, understood: Understood) -> list[str]:
    """What is said before the training."""
    from torch import get_num_threads

    from progsearch.numerals import counted, percent, size
    from progsearch.report.formatting import in_words
    from progsearch.report.loss import loss_in_file
    from progsearch.training.saved_results import edited, known_of_search

    schedule, stored, total = run.schedule, run.stored_steps, run.total_steps
    lines = [
        *filter(None, (understood.columns, *understood.lines())),
        f"{config.model} on {run.task.name}, {percent(run.cost.updated_parameters)} of full "
        f"fine-tuning's parameter updates: {in_words(schedule.to_dicts(), schedule.n_blocks)}",
        f"predicted peak memory of the training: {size(run.cost.peak_memory or 0)}",
    ]
    if loss := loss_in_file(known_of_search(config)):
        lines.append(loss)
    if edited(config):
        lines.append("the file was edited after its export, so the results in it are left out")
    if stored == total:
        return [*lines, f"all {total} steps were trained before and are taken from the store"]
    if stored:
        lines.append(f"{stored} of {total} steps were trained before and are taken from the store")
    if run.device.type == "cpu":
        threads = get_num_threads()
        lines.append(f"training with {counted(threads, 'thread')}")
    return lines


def _train(run: TrainingRun, view: TrainingView) -> None:
    """Train, and bring the model to the end if the store has it."""
    view.begin_at(run.stored_steps)
    run.watch(view.step)
    for record in run.records():
        view.record(record.step, _line(record.metrics))
    run.catch_up()


def _check_output(folder: Path, *, overwrite: bool) -> None:
    """Check that the folder can be written and that nothing in it would be lost."""
    check_writable_folder(folder, _PLACE)
    if overwrite or not isdir(folder) or not any(folder.iterdir()):
        return
    raise ConfigError(
        _PLACE, [("", f"{folder} is not empty; choose another folder or add --force")]
    )


def _check_hub(repository: str | None, *, private: bool) -> None:
    """Check that the model can be uploaded after the training, if it shall be."""
    if repository is not None:
        from progsearch.training.upload import check_hub

        check_hub(repository)
    elif private:
        raise ConfigError("--private", [("", "there is no --push-to-hub that it could apply to")])


def _line(metrics: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4f}" for name, value in metrics.items())
