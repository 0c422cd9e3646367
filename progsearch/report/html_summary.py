"""The first screen of the page: what was searched, how, at what cost, and what is known."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from html import escape
from pathlib import Path
from statistics import median

from progsearch.config import Rows
from progsearch.errors import StudyError
from progsearch.numerals import counted, duration, learning_rate, percent
from progsearch.report import collapsed
from progsearch.report.confirmation import instead
from progsearch.report.constant import constant_of
from progsearch.report.data import StudyReport
from progsearch.report.formatting import count, spent_in_words
from progsearch.report.html_maps import Maps
from progsearch.report.html_terms import command, term
from progsearch.report.payback_rows import payback_rows
from progsearch.report.rows import metric_in_words, rules
from progsearch.report.sampling_error import sampling_error
from progsearch.study.collapse import constant_answer
from progsearch.study.folder import command_line
from progsearch.study.trial import FULL, Trial


def summary(report: StudyReport, maps: Maps, studies_dir: Path) -> str:
    """All panels."""
    panels = {
        "Data": _facts(_data(report)),
        "Model and search": _facts(_search(report)),
        "References": _references(report, maps),
        "Cost": _cost(report),
        "Noise": _noise(report),
        "Confirmation": _verdicts(report, studies_dir),
    }
    return "".join(
        f'<section class="panel"><h2>{title}</h2>{content}</section>'
        for title, content in panels.items()
        if content
    )


def _facts(items: Iterable[tuple[str, str]]) -> str:
    rows = "".join(f"<div><dt>{term(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in items)
    return f'<dl class="facts">{rows}</dl>' if rows else ""


def _data(report: StudyReport) -> list[tuple[str, str]]:
    task, understood = report.recipe.task, report.recipe.understood
    items = [("Task", task.name)]
    if task.train_file:
        items.append(("File", task.train_file))
    elif task.data_dir:
        items.append(("Folder", task.data_dir))
    if understood is None:
        return items
    items.append(("Read as", ", ".join(filter(None, (understood.type, understood.columns)))))
    rows = [f"{split.rows:,} {name}" for name, split in understood.splits.items()]
    items.append(("Rows", ", ".join(rows)))
    first = next(iter(understood.splits.values()), None)
    if first is not None and (answers := first.answers.in_words(first.rows)):
        items.append(("Classes" if first.answers.classes else "Labels", answers))
    if first is not None and first.cut:
        length = understood.max_length or task.max_length
        items.append(("Tokens cut off", f"{percent(first.cut)}, at {length} tokens"))
    return items


def _search(report: StudyReport) -> list[tuple[str, str]]:
    recipe, training = report.recipe, report.recipe.training
    batch = f"{training.batch_size}"
    if training.gradient_accumulation > 1:
        batch += f" × {training.gradient_accumulation}"
    size = f"{count(report.parameters)} parameters, {report.n_blocks} blocks"
    items = [
        ("Model", f"{recipe.model}: {size}" if report.parameters else recipe.model),
        ("Epochs", str(training.epochs)),
        ("Batch size", batch),
        ("Space", recipe.space),
        ("Sampler", recipe.sampler),
        ("Budget", spent_in_words(report.spent, recipe.budget)),
        ("Searched trials", str(len(report.searched))),
        ("Stopped early", str(len(report.stopped))),
        ("Failed", str(len(report.failed))),
        ("On the front", str(len(report.front))),
    ]
    methods = sorted({trial.run.method.name for trial in report.trials})
    if methods and methods != ["full"]:
        items.insert(4, ("Method", ", ".join(methods)))
    if recipe.seeds > 1:
        items.append(("Seeds", f"{recipe.seeds} per trial"))
    if limits := str(recipe.limits):
        items.append(("Limits", limits))
    started = [trial.started for trial in report.trials if trial.started]
    if started:
        items.append(("Started", f"{min(started):%d %b %Y}"))
    return items


def _references(report: StudyReport, maps: Maps) -> str:
    """The references at their best learning rates, and the constant answer."""
    body = "".join(_reference(report, maps, trial) for trial in report.baselines)
    if (answer := constant_answer(report.metric, report.majority)) is not None:
        body += (
            f"<tr><td>{term('constant answer')}</td>"
            f'<td class="number">{answer:.4f}</td><td></td><td></td></tr>'
        )
    if not body:
        return ""
    head = f'<th scope="col">{term("reference")}</th>' + "".join(
        f'<th scope="col" class="number">{term(title)}</th>'
        for title in (report.metric.replace("_", " "), "rate", "updated")
    )
    rates = [len(_rates(report, trial)) for trial in report.baselines]
    about = ""
    if rates and max(rates) > 1:
        several = f"{min(rates)} to {max(rates)}" if min(rates) < max(rates) else f"{max(rates)}"
        about = f"<p>Each at the best of {several} learning rates.</p>"
    return (
        f'{about}<div class="scroll"><table class="plain"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _rates(report: StudyReport, trial: Trial) -> set[float]:
    """The learning rates at which a reference was tried."""
    return {t.run.training.learning_rate for t in report.trials if t.name == trial.name}


def _reference(report: StudyReport, maps: Maps, trial: Trial) -> str:
    rate = learning_rate(trial.run.training.learning_rate)
    if trial.is_usable:
        value = metric_in_words(trial)
        if collapsed.of(report, trial):
            value += " (collapsed)"
    else:
        value = "running" if trial.is_running else "no result"
    return (
        f'<tr class="baseline"><td class="name"><a href="{maps.link(trial)}">'
        f'{escape(trial.label)}</a></td><td class="number">{escape(value)}</td>'
        f'<td class="number">{rate}</td>'
        f'<td class="number">{percent(trial.updated_parameters)}</td></tr>'
    )


def _cost(report: StudyReport) -> str:
    items = [("Search time", duration(report.seconds))]
    if report.reuse.steps_reused:
        share = percent(report.reuse.share)
        reused = f"{report.reuse.steps_reused:,} of {report.reuse.steps:,} ({share})"
        items += [
            ("Steps reused", reused),
            ("Saved by reuse", duration(report.reuse.seconds_saved)),
        ]
    text = str(report.payback)
    saves = ""
    picked = {report.pick(how).label: how for how in rules(report)} if report.front else {}
    for row in payback_rows(report):
        if how := picked.get(row.name):
            saves += f"<li>{term(how)} ({escape(row.name)}): {escape(_saves(row.cells))}</li>"
    saves = f'<ul class="plain">{saves}</ul>' if saves else ""
    return f"<p>{escape(text[:1].upper() + text[1:])}.</p>{saves}{_facts(items)}"


def _saves(cells: dict[str, str]) -> str:
    """What one training saves against full fine-tuning, and when the search is paid back."""
    changes = []
    for name, less in (("FLOPs", "fewer"), ("time", "less")):
        size = cells[name].replace("\N{MINUS SIGN}", "")
        changes.append(f"{size} {less if size == cells[name] else 'more'} {name}")
    flops, time = cells["paid back in FLOPs"], cells["paid back in time"]
    times = ""
    if flops.startswith("after"):
        times = " training" if flops == "after 1" else " trainings"
    return (
        f"{' and '.join(changes)} than full; the search is paid back {flops}{times} in FLOPs, "
        f"{time} in time"
    )


def _noise(report: StudyReport) -> str:
    split = None
    if report.recipe.understood is not None:
        split = report.recipe.understood.splits.get(report.split)
    trials = report.front or report.usable
    items, unbeaten = [], ""
    if split is not None:
        rows = Rows.of(report.split, split.rows, report.metric)
        items.append((f"{report.split.capitalize()} rows", f"{split.rows:,}, one {rows.one}"))
        if trials:
            error = sampling_error(report.metric, [t.values[0] for t in trials], split)
            items.append((f"Standard error from {split.rows:,} rows", f"± {error:.4f}"))
    errors = [trial.estimate.error for trial in trials if trial.estimate is not None]
    if errors:
        items.append(("Standard error between seeds", f"± {median(errors):.4f} on the front"))
    if trials:
        seeds = sorted({trial.n_seeds for trial in trials})
        words = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
        items.append(("Seeds of a trial", f"{words} on the front"))
    if not report.nothing_learned and (constant := constant_of(report)) and constant.unbeaten:
        sentence = str(constant)
        unbeaten = f"<p>{escape(sentence[:1].upper() + sentence[1:])}.</p>"
    if not any(name.startswith("Standard error") for name, _ in items):
        return _facts(items) + unbeaten
    chance = "<p>Differences of less than two standard errors may be chance.</p>"
    return _facts(items) + unbeaten + chance


def _verdicts(report: StudyReport, studies_dir: Path) -> str:
    """The verdicts on new seeds; without them, the command that gets them."""
    if report.confirmed is None:
        if report.nothing_learned or not report.front:
            return ""
        if report.full is not None:
            what = "trains it on new seeds and tests it against full fine-tuning"
        else:
            names = {trial.name for trial in report.baselines if trial.is_usable}
            what = (
                "trains it on new seeds. Full fine-tuning has no result here, so nothing is "
                f"tested{instead(names)}"
            )
        return (
            "<p>Not done. The front was chosen on the same data that it was measured on. This "
            f"{what}:</p>" + command(command_line("confirm", report.study, studies_dir))
        )
    body = "".join(
        f'<tr class="{"baseline" if found.name else "searched"}">'
        f'<td class="name">{escape(found.trial.label)}</td>'
        f'<td class="number">{found.summary.mean:.4f}</td>'
        f"<td>{escape(found.verdict or '')}</td></tr>"
        for found in report.confirmed.schedules
    )
    seeds = len(report.confirmed.seeds)
    about = f"Means over {counted(seeds, 'new seed')}"
    names = {found.name for found in report.confirmed.schedules}
    if FULL in names:
        about += f", compared with full (margin {100 * report.confirmed.margin:g} pt)"
    else:
        about += instead(names)
    return (
        f'<p>{about}. <a href="#confirmed">'
        'Details</a></p><table class="plain"><thead><tr><th scope="col">schedule</th>'
        f'<th scope="col" class="number">mean</th><th scope="col">{term("verdict")}</th></tr>'
        f"</thead><tbody>{body}</tbody></table>"
    )


def picks(report: StudyReport, maps: Maps, studies_dir: Path) -> str:
    """The trials that most people look for first, with the commands that export them."""
    if not report.front or report.nothing_learned:
        return ""
    within = "of full" if report.full else "of the best"
    titles = {
        "best": "Best metric",
        "knee": "Knee of the front",
        "cheapest@1pt": f"Cheapest within 1 pt {within}",
    }
    chosen = {}
    # Near the metric of a collapsed run is no place to be.
    for how in (*rules(report), *([] if collapsed.full_collapsed(report) else ["cheapest@1pt"])):
        # With limits, no trial may be good enough.
        with contextlib.suppress(StudyError):
            chosen[how] = report.pick(how)
    return "".join(
        _card(report, maps, titles[how], trial, export_command(report, how, studies_dir))
        for how, trial in chosen.items()
    )


def export_command(report: StudyReport, how: str, studies_dir: Path) -> str:
    """The command that exports a pick."""
    out = f"{how.partition('@')[0]}.yaml"
    return command_line("export", report.study, studies_dir, "--pick", how, "--out", out)


def _card(report: StudyReport, maps: Maps, title: str, trial: Trial, line: str) -> str:
    share = percent(trial.updated_parameters)
    return (
        f'<div class="card"><h3>{term(title)}</h3>'
        f'<div class="value">{trial.values[0]:.4f} '
        f'<span class="unit">{escape(report.metric.replace("_", " "))}</span></div>'
        f'<p><a href="{maps.link(trial)}">{escape(trial.label)}</a>, {share} updated '
        f"parameters</p>{command(line)}</div>"
    )
