"""Results of a study's schedules on new seeds, as data and in words."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from progsearch.report.statistics import ALPHA, CONFIDENCE, POWER, Difference, Summary, Verdict
from progsearch.study.results import ClassScores
from progsearch.study.trial import FULL, PAPER, Trial

Values = Mapping[int, float]


@dataclass(frozen=True)
class ConfirmedSchedule:
    """One schedule on new seeds.

    Attributes:
        trial: The trial of the schedule.
        values: The task's metric on validation data, by seed.
        summary: Mean and spread of ``values``.
        means: The mean of each of the study's objectives.
        failed: The reasons of failed runs, by seed.
        to_full: Difference to full fine-tuning on the same seeds; None for full fine-tuning
            itself, and if that has no run.
        p: The p-value of the test that it loses less than the margin compared with full
            fine-tuning; None without a test.
        corrected_p: The same, corrected for the number of schedules tested.
        verdict: The verdict from both; None if there is nothing to compare with.
        to_paper: Difference to the paper's schedule of 3 stages.
        better_than_paper: Whether its mean is better than the paper's in every objective.
        test_values: The metric on test data, by seed.
        test: Mean and spread of ``test_values``; None if the task has no labelled test data.
        test_to_full: Like ``to_full``, on test data.
        per_class: The mean scores of each class on validation data; None if no run has them.
        others: The means of the task's other metrics on validation data.
    """

    trial: Trial
    values: Values
    summary: Summary
    means: tuple[float, ...]
    failed: Mapping[int, str]
    to_full: Difference | None
    p: float | None
    corrected_p: float | None
    verdict: Verdict | None
    to_paper: Difference | None
    better_than_paper: bool | None
    test_values: Values
    test: Summary | None
    test_to_full: Difference | None
    per_class: ClassScores | None = None
    others: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str | None:
        """The name of a reference; None for a searched trial."""
        return self.trial.name

    @property
    def updated_parameters(self) -> float:
        """Updated parameters as a fraction of full fine-tuning's; the same for every seed."""
        return self.trial.updated_parameters

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data; only references have a ``name``."""
        return {
            "number": self.trial.number,
            **({} if self.name is None else {"name": self.name}),
            "updated_parameters": self.updated_parameters,
            "schedule": self.trial.stages,
            "seeds": list(self.values),
            "values": list(self.values.values()),
            **_summary_dict(self.summary),
            "means": self.means,
            "other_metrics": dict(self.others),
            "difference_to_full": _difference_dict(self.to_full),
            "p": self.p,
            "corrected_p": self.corrected_p,
            "verdict": self.verdict,
            "difference_to_paper": _difference_dict(self.to_paper),
            "better_than_paper": self.better_than_paper,
            "test": self.test
            and {
                "seeds": list(self.test_values),
                "values": list(self.test_values.values()),
                **_summary_dict(self.test),
                "difference_to_full": _difference_dict(self.test_to_full),
            },
            "per_class": self.per_class,
            "failed": [{"seed": seed, "reason": why} for seed, why in self.failed.items()],
        }


@dataclass(frozen=True)
class Confirmed:
    """All schedules that have runs on new seeds.

    Attributes:
        margin: How much a schedule may lose compared with full fine-tuning.
        split: The data on which ``values`` were measured and the schedules were chosen.
        seeds: The new seeds of all runs.
        schedules: Those of the front first, then the others; best mean first in both.
        failed: Trials without any successful run, with the reason of the first failure.
        full_collapsed: The seeds with which full fine-tuning collapsed; they are left out of the
            differences to it.
    """

    margin: float
    split: str
    seeds: tuple[int, ...]
    schedules: tuple[ConfirmedSchedule, ...]
    failed: tuple[tuple[Trial, str], ...]
    full_collapsed: tuple[int, ...] = ()

    @property
    def n_tested(self) -> int:
        """Number of schedules that were tested against full fine-tuning."""
        return sum(schedule.p is not None for schedule in self.schedules)

    def seeds_to_tell(self, schedule: ConfirmedSchedule) -> int | None:
        """See `Difference.seeds_to_tell`; None unless a test was ``inconclusive``."""
        if schedule.verdict != "inconclusive" or schedule.to_full is None or schedule.p is None:
            return None
        return schedule.to_full.seeds_to_tell(self.margin, self.n_tested)

    @property
    def has_test(self) -> bool:
        """Whether there are results on test data."""
        return any(schedule.test is not None for schedule in self.schedules)

    @property
    def note(self) -> str:
        """How the numbers were computed, and their limits."""
        points = f"{100 * self.margin:g} pt"
        sentences = [
            "These schedules were trained again with seeds that the search did not use: "
            f"{seeds_in_words(self.seeds)}.",
            f"± is the standard deviation over seeds. The interval is a {CONFIDENCE:.0%} "
            "bootstrap interval of the mean, which is too narrow if there are few seeds.",
        ]
        names = {schedule.name for schedule in self.schedules}
        if FULL in names:
            sentences.append(
                "Differences to full fine-tuning are paired over seeds, with a "
                f"{CONFIDENCE:.0%} t interval."
            )
        else:
            sentences.append(
                f"Full fine-tuning has no result here, so nothing is tested{instead(names)}."
            )
        if self.full_collapsed:
            sentences.append(
                "Full fine-tuning collapsed (its predictions were constant) with "
                f"{'seed' if len(self.full_collapsed) == 1 else 'seeds'} "
                f"{seeds_in_words(self.full_collapsed)}; differences to it leave these out, since "
                "not collapsing is no gain."
            )
        untested = any(s.to_full is not None and s.p is None for s in self.schedules)
        if self.n_tested:
            sentences.append(
                f"Non-inferior: a one-sided paired t-test at {ALPHA:.0%}, with Holm's correction "
                f"for the {self.n_tested} schedules tested, rejects a loss of {points} or more. "
                f"Inferior: the whole interval is below \N{MINUS SIGN}{points}. "
                "Inconclusive: these seeds show neither."
            )
        if any(map(self.seeds_to_tell, self.schedules)):
            sentences.append(
                "The number of seeds next to a verdict is what the test needs for a power of "
                f"{POWER:.0%} if the true difference is zero, even if differences vary somewhat "
                "more than they did here. With fewer schedules it needs fewer seeds. Each test "
                "after adding seeds is another chance of a false finding."
            )
        if untested:
            sentences.append(
                "Schedules without a p were not tested: a test needs at least 2 seeds, no failed "
                "run, and differences to full fine-tuning that are not all the same."
            )
        if any(schedule.better_than_paper is not None for schedule in self.schedules):
            sentences.append(
                "Beats paper: a better mean in every objective than the paper's schedule of 3 "
                "stages (progtuning-3), without a test."
            )
        sentences.append(
            "Intervals and tests cover the variation between seeds, not between data sets. The "
            f"schedules were chosen on the same {self.split} data, so their means there are still "
            "biased upwards"
            + ("; the test data was not used for any choice." if self.has_test else ".")
        )
        return " ".join(sentences).replace("%", " %")

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return {
            "seeds": self.seeds,
            "split": self.split,
            "margin": self.margin,
            "confidence": CONFIDENCE,
            "alpha": ALPHA,
            "power": POWER,
            "verdict_by": "one-sided paired t-test over seeds",
            "correction": "Holm",
            "n_tested": self.n_tested,
            "note": self.note,
            "schedules": [
                {**schedule.to_dict(), "seeds_to_tell": self.seeds_to_tell(schedule)}
                for schedule in self.schedules
            ],
            "full_collapsed": self.full_collapsed,
            "failed": [
                {"number": trial.number, "reason": reason} for trial, reason in self.failed
            ],
        }


def instead(names: Collection[str | None]) -> str:
    """What means are compared with without full fine-tuning, as the rest of a sentence.

    Args:
        names: Of the references that have a result.
    """
    if PAPER in names:
        return f"; means are compared with that of {PAPER}"
    others = ", ".join(sorted(name for name in names if name is not None))
    return f"; compare the means with those of the references ({others})" if others else ""


def seeds_in_words(seeds: tuple[int, ...]) -> str:
    """``1 to 5`` for consecutive seeds, otherwise a list of all."""
    if len(seeds) > 2 and seeds == tuple(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds))


def _summary_dict(found: Summary) -> dict[str, Any]:
    return {"mean": found.mean, "sd": found.sd, "interval": found.interval}


def _difference_dict(found: Difference | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"mean": found.mean, "interval": found.interval, "n_seeds": found.n}
