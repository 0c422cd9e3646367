"""The front of a study and the choice of one trial from it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from progsearch.config.limits import Limits
from progsearch.errors import StudyError
from progsearch.study.dominance import directions, knee, non_dominated
from progsearch.study.trial import FULL, Trial

_NO_LIMITS = Limits()
_DROP = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(pt| ?%)?")


def usable(trials: Sequence[Trial]) -> list[Trial]:
    """The complete trials with a finite value for every objective; each once, without repeats."""
    return [trial for trial in trials if trial.is_usable and trial.repeats is None]


def allowed(trials: Sequence[Trial], limits: Limits) -> list[Trial]:
    """The `usable` trials that keep to the limits."""
    return [trial for trial in usable(trials) if trial.keeps_to(limits)]


def references_of(trials: Sequence[Trial]) -> dict[str, Trial]:
    """The references with a result by name, each at its best learning rate."""
    found: dict[str, Trial] = {}
    for trial in usable(trials):
        if trial.name is None:
            continue
        before = found.get(trial.name)
        if before is None or _rank(trial) > _rank(before):
            found[trial.name] = trial
    return found


def _rank(trial: Trial) -> tuple[bool, float]:
    """Higher is better; a run whose predictions are constant is better than none."""
    return not trial.is_constant, trial.values[0]


def full_of(trials: Sequence[Trial]) -> Trial | None:
    """Full fine-tuning at its best learning rate, if it has a result."""
    return references_of(trials).get(FULL)


def front_of(trials: Sequence[Trial]) -> list[Trial]:
    """The non-dominated trials, including references, best metric first."""
    complete = usable(trials)
    if not complete:
        return []
    indices = non_dominated([t.values for t in complete], directions(len(complete[0].values)))
    return sorted((complete[i] for i in indices), key=lambda trial: -trial.values[0])


def pick(trials: Sequence[Trial], how: str, limits: Limits = _NO_LIMITS) -> Trial:
    """One trial, chosen by a rule, by number or by name.

    Args:
        trials: All trials of a study.
        how: ``best``: the front's best metric. ``knee``: see `dominance.knee`.
            ``cheapest@0.01`` or ``cheapest@1pt``: the cheapest trial whose metric is at most 0.01
            (one percentage point) below that of the reference ``full``, or of the best trial if
            that reference is missing or its predictions are constant. Otherwise a trial's number,
            as ``7`` or ``#7``, or a reference's name.
        limits: Rules choose only trials within these limits; they do not apply to a number or a
            name.

    Raises:
        StudyError: ``how`` is not one of these, no trial has finished or is within the limits,
            or the given trial does not exist or has no result.
    """
    complete = usable(trials)
    if not complete:
        raise StudyError(
            "no trial of this study has a result, so there is nothing to pick from; "
            "`progsearch report` shows why trials failed"
        )
    is_rule = how in ("best", "knee") or how.startswith("cheapest")
    if not is_rule:
        return _named(trials, how)
    choice = allowed(complete, limits)
    if not choice:
        raise StudyError(
            f"no trial of this study has {limits}, so no rule can pick one; continue the search "
            "with `progsearch resume STUDY --budget N`, or pick a trial by its number"
        )
    front = front_of(choice)
    if how == "best":
        return front[0]
    if how == "knee":
        return front[knee([t.values for t in front], directions(len(front[0].values)))]
    full = full_of(complete)
    # Nothing is a gain over constant predictions.
    reference = front[0] if full is None or full.is_constant else full
    return _cheapest(choice, reference, how)


def drop_of(text: str) -> float | None:
    """The loss of the metric meant by ``0.01``, ``1pt`` or ``1%`` (one point), or None."""
    match = _DROP.fullmatch(text)
    return None if match is None else float(match[1]) * (0.01 if match[2] else 1.0)


def _cheapest(trials: Sequence[Trial], full: Trial, how: str) -> Trial:
    drop = drop_of(how.removeprefix("cheapest@"))
    if drop is None:
        raise StudyError(
            f"{how!r} does not say how much the metric may drop; write cheapest@0.01 or "
            "cheapest@1pt"
        )
    # The tolerance is for values such as 0.80 that are stored as 0.7999999.
    enough = [t for t in trials if t.values[0] >= full.values[0] - drop - 1e-9]
    if not enough:
        raise StudyError(
            f"no trial within the limits is at most {drop:g} below full fine-tuning; allow a "
            "larger drop"
        )
    return min(enough, key=lambda t: (_costs(t), -t.values[0], t.number))


def _costs(trial: Trial) -> list[float]:
    """The trial's values of the cost objectives; without any, its updated parameters."""
    return trial.values[1:] or [trial.updated_parameters]


def _named(trials: Sequence[Trial], how: str) -> Trial:
    # Without a result at any learning rate the latest says why.
    names = {t.name: t for t in trials if t.name is not None} | references_of(trials)
    number = how.removeprefix("#")
    if number.isdecimal():
        trial = next((t for t in trials if t.number == int(number)), None)
        if trial is not None and trial.repeats is not None:
            trial = next(t for t in trials if t.number == trial.repeats)
        if trial is None:
            numbers = [t.number for t in trials]
            raise StudyError(
                f"there is no trial {number}; this study has trials {min(numbers)} to "
                f"{max(numbers)}"
            )
    elif how in names:
        trial = names[how]
    else:
        raise StudyError(
            f"{how!r} picks no trial; give knee, best, cheapest@DROP (such as cheapest@0.01 or "
            "cheapest@1pt), a trial's number (7 or '#7') or a reference "
            f"({', '.join(names) or 'none here'})"
        )
    if not trial.is_usable:
        reason = trial.reason or "it has not finished"
        if trial.is_complete:
            reason = "a value of it is not finite"
        raise StudyError(
            f"trial {trial.number} ({trial.outcome}) has no result: {reason}; pick another one"
        )
    return trial
