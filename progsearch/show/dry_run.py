"""What `progsearch run --dry-run` prints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import redirect_stdout
from sys import stderr
from typing import TYPE_CHECKING

from progsearch.numerals import counted, duration, learning_rates, size, whole_percent
from progsearch.show.output import log_shown, print_json, say

if TYPE_CHECKING:
    from progsearch.driver.dry_run import DryRun, Expected
    from progsearch.driver.prepared import Prepared


def show_dry_run(prepared: Prepared, *, json: bool) -> None:
    """Print what the search of a recipe would do."""
    # Libraries may print; a warning on the data is shown as a search shows it.
    with log_shown(), redirect_stdout(stderr):
        from progsearch.driver.dry_run import dry_run

        found = dry_run(prepared)
    if json:
        print_json(found.to_dict())
        return
    for line in _lines(found):
        say(line)


def _lines(found: DryRun) -> Iterator[str]:
    recipe, problem, data = found.recipe, found.problem, found.understood
    file = recipe.task.train_file or recipe.task.data_dir or recipe.task.name
    yield f"data: {file}" + (f", {data.columns}" if data.columns else "")
    for note in data.notes:
        yield f"  {note}"
    for name, split in data.splits.items():
        yield f"  {name} ({data.type}): {split}"
    yield f"  lengths: {found.lengths} (--max-length {data.max_length})"
    yield f"model: {recipe.model}, {problem.n_blocks} blocks, {problem.parameters:,} parameters"
    constant = (
        "" if problem.majority is None else f"; a constant answer has {problem.majority:.4f}"
    )
    yield f"metric: {problem.metric}{constant}"
    names = found.space.config.dimensions
    yield f"space: {recipe.space}, {counted(len(names), 'dimension')}: {', '.join(names)}"
    yield f"references, trained first: {len(found.references.all)}"
    ranks = recipe.ranks_per_trial
    each = f" in each of {ranks} processes" if ranks > 1 else ""
    for name, rates in found.references.rates.items():
        memory = found.references.memory[name]
        needs = f", predicted peak memory {size(memory)}{each}" if memory else ""
        yield f"  {name} at {learning_rates(rates)}{needs}"
    for sentence in found.references.left_out:
        yield f"  {sentence}"
    budget = counted(recipe.budget, "whole trial")
    each = counted(recipe.training.epochs, "epoch")
    yield f"then searched: a budget of {budget} of {each} each"
    yield from _expected_lines(found.expected, ranks)
    yield "nothing was trained or saved; leave out --dry-run to search"
    if found.exists_already:
        yield f"there is already a study {recipe.study}; to search, give another --study NAME, too"


def _expected_lines(expected: Expected | None, ranks: int) -> Iterator[str]:
    if expected is None:
        yield "expected time: unknown, since a few steps could not be trained"
        return
    at_once = counted(expected.parallel, "trial")
    yield (
        f"expected time: about {duration(expected.seconds)} with {at_once} at once, if nothing is "
        f"reused or stopped early; an estimate from {expected.steps_timed} steps of full "
        f"fine-tuning of {expected.seconds_per_step:.2g} s each and from the FLOPs of the "
        f"schedules, of which a searched one has {whole_percent(expected.share)} on average"
    )
    if ranks > 1:
        yield (
            f"  as if the {ranks} processes of a trial trained as fast as one; how much faster "
            "they are was not measured"
        )
    work = "no reusable work"
    if expected.most_bytes:
        work = (
            f"about {size(expected.bytes)} of reusable work in the cache, which removes what was "
            f"not used for longest at {size(expected.most_bytes)} (--reuse-budget)"
        )
    yield f"expected disk: {work}, and a few MiB for the study"
