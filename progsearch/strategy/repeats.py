"""Which trials of a search are run again with another seed, and when.

A metric of one seed is noisy, and the best of many is lucky. So the places on the front are
repeated: during the search where a repeat is expected to change the front by more than a new
schedule does, and at its end until each was trained with enough seeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from progsearch.config import Recipe
from progsearch.strategy.candidates import Candidate, with_other_seed
from progsearch.strategy.observations import Observations
from progsearch.strategy.problem import Problem
from progsearch.strategy.prospects import Prospects
from progsearch.study.folder import StudyFolder
from progsearch.study.front import allowed, front_of, full_of
from progsearch.study.progress import seeds_of, spent
from progsearch.study.trial import Trial

FIRST_OF_CONFIRMATIONS = 100
"""The seed of the first run of a confirmation, minus the study's: repeats never reach it."""

# Beyond the seeds that every place on the front ends with, as long as they may change the front.
_MOST_FURTHER = 2
# How much budget is kept for each repeat that is missing, since schedules come onto the front when
# its places are repeated.
_SPARE = 2
# What stays for new schedules: a share of the budget, and so many whole trials of a small one.
_LEAST_SHARE, _LEAST_SEARCHED = 1 / 3, 6


class Repeats:
    """Chooses trials to repeat.

    Args:
        folder: The study.
        problem: Its model and task.
        observations: Of its trials.
        prospects: Values repeats and candidates.
    """

    def __init__(
        self,
        folder: StudyFolder,
        problem: Problem,
        observations: Observations,
        prospects: Prospects,
    ) -> None:
        self._folder = folder
        self._problem = problem
        self._observations = observations
        self._prospects = prospects

    @property
    def _recipe(self) -> Recipe:
        return self._folder.recipe

    def due(self, trials: Sequence[Trial], *, at_end: bool = False) -> Trial | None:
        """A trial that must be repeated now, the one with the fewest seeds first.

        Full fine-tuning, since all are compared with it; the other places on the front once the
        rest of the budget is what their repeats take. References cost no budget.

        Args:
            trials: All trials of the study.
            at_end: Whether the search would end otherwise.
        """
        left = self._recipe.budget - spent(trials)
        seeds = seeds_of(trials, self._recipe)
        front = front_of(allowed(trials, self._recipe.limits))
        wanted = self._recipe.front_seeds
        lacking = [trial for trial in front if seeds[trial.number] < wanted]
        is_settled = not any(map(_is_new, _running(trials)))
        if not lacking and left > 0 and is_settled and not self.leave_room(trials):
            wanted += _MOST_FURTHER
            lacking = [t for t in front if seeds[t.number] < wanted and not t.is_baseline]
        searched = [trial for trial in lacking if not trial.is_baseline]
        missing = sum(wanted - seeds[trial.number] for trial in searched)
        enough = min(_SPARE * missing + self._to_come(trials, front), self._free(trials))
        is_last = at_end or left <= enough or not self.leave_room(trials)
        chosen = [t for t in lacking if is_last and (t.is_baseline or left > 0)]
        full = full_of(trials)
        if full is not None and seeds[full.number] < self._recipe.front_seeds:
            chosen.append(full)
        return min(chosen, key=lambda t: (seeds[t.number], t.number), default=None)

    def leave_room(self, trials: Sequence[Trial]) -> bool:
        """Whether the rest of the budget is enough for a new schedule and all repeats to come."""
        budget = self._recipe.budget
        front = front_of(allowed(trials, self._recipe.limits))
        needed = min(self._each + self._to_come(trials, front), self._most)
        return budget - spent(trials) > needed

    def promising(self, trials: Sequence[Trial], waiting: Sequence[Candidate]) -> Trial | None:
        """The trial whose repeat promises more than any waiting candidate, for its time."""
        if self._recipe.front_seeds == 1 or not waiting:
            return None
        seeds = seeds_of(trials, self._recipe)
        most = self._recipe.front_seeds + _MOST_FURTHER
        affordable = self._free(trials) > 0
        # What a repeat will show is not known while one is running.
        running = {trial.repeats for trial in _running(trials)}
        asked = [
            trial
            for trial in allowed(trials, self._recipe.limits)
            if seeds[trial.number] < most
            and (trial.is_baseline or affordable)
            and trial.number not in running
        ]
        gains = self._prospects.repeats(asked, [sum(trial.segment_flops) for trial in asked])
        best = max(range(len(asked)), key=lambda index: gains[index], default=None)
        if best is None or gains[best] <= self._prospects.waiting(waiting):
            return None
        return asked[best]

    def run_of(self, trial: Trial, trials: Iterable[Trial]) -> Candidate:
        """The run of ``trial`` with the next seed."""
        used = sum(t.repeats == trial.number and not t.is_interrupted for t in trials)
        seed = self._recipe.training.seed + self._recipe.seeds + used
        return with_other_seed(trial, seed, self._recipe, self._problem)

    def _to_come(self, trials: Sequence[Trial], front: Sequence[Trial]) -> float:
        """The repeats that the schedules that are running now are expected to need."""
        ended = sum(_is_new(trial) and trial.is_usable for trial in trials)
        on_front = sum(_is_new(trial) for trial in front)
        # Laplace's rule of succession.
        share = (on_front + 1) / (ended + 2)
        return share * self._each * sum(map(_is_new, _running(trials)))

    @property
    def _each(self) -> int:
        """How many repeats a place on the front gets."""
        return max(0, self._recipe.front_seeds - self._recipe.seeds)

    def _free(self, trials: Sequence[Trial]) -> float:
        """The budget that repeats may still take from new schedules."""
        repeats = [t for t in trials if t.repeats is not None and not t.is_interrupted]
        taken = sum(not trial.is_baseline for trial in repeats)
        return self._most - taken

    @property
    def _most(self) -> float:
        """The budget that repeats may take in all."""
        budget = self._recipe.budget
        return max(0.0, budget - max(_LEAST_SEARCHED, _LEAST_SHARE * budget))


def _running(trials: Iterable[Trial]) -> list[Trial]:
    """The trials that are running."""
    return [trial for trial in trials if trial.is_running]


def _is_new(trial: Trial) -> bool:
    """Whether a trial is a schedule that was searched, and no repeat."""
    return not trial.is_baseline and trial.repeats is None
