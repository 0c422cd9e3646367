"""What a study in Optuna holds beside its trials, and its trials with what is known of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import optuna

from progsearch.config import Recipe, parse, plain
from progsearch.study.info import Session, StudyInfo
from progsearch.study.trial import Estimate, Trial


def info_of(study: optuna.Study) -> StudyInfo:
    """The metadata of a study, written when it began.

    Raises:
        ConfigError: This version cannot read it.
    """
    kept = {
        name: study.user_attrs[name] for name in StudyInfo.model_fields if name in study.user_attrs
    }
    return parse(StudyInfo, kept, f"study {study.study_name}")


def recipe_of(study: optuna.Study) -> Recipe:
    """The recipe stored in a study.

    Raises:
        ConfigError: There is no recipe, or this version cannot read it.
    """
    return parse(Recipe, study.user_attrs.get("recipe"), f"study {study.study_name}")


def sessions_of(study: optuna.Study) -> list[Session]:
    """The sessions of a study so far."""
    found = study.user_attrs.get("sessions", [])
    return [parse(Session, data, f"study {study.study_name}") for data in found]


def keep_info(study: optuna.Study, info: StudyInfo) -> None:
    """Store the metadata of a study."""
    for name, value in info.model_dump(mode="json").items():
        study.set_user_attr(name, value)


def keep_recipe(study: optuna.Study, recipe: Recipe) -> None:
    """Store the recipe of a study."""
    study.set_user_attr("recipe", plain(recipe))


def keep_sessions(study: optuna.Study, sessions: Iterable[Session]) -> None:
    """Store the sessions of a study."""
    study.set_user_attr("sessions", [session.model_dump() for session in sessions])


def keep_estimates(study: optuna.Study, estimates: Mapping[int, Estimate]) -> None:
    """Store what the search knows of its trials' metrics, by number."""
    kept = {str(number): [found.mean, found.error] for number, found in estimates.items()}
    study.set_user_attr("estimates", kept)


def trials_of(study: optuna.Study) -> list[Trial]:
    """All trials in the order of their numbers, with what is known of their metrics."""
    every = [Trial(frozen) for frozen in study.get_trials(deepcopy=False)]
    repeated: dict[int, list[Trial]] = {}
    for trial in every:
        if trial.repeats is not None and trial.is_usable:
            repeated.setdefault(trial.repeats, []).append(trial)
    attributes = study.user_attrs
    estimates = attributes.get("estimates", {})
    objectives = (attributes.get("recipe") or {}).get("objectives", ())
    return [
        Trial(
            trial.frozen,
            Estimate(*estimates[str(trial.number)]) if str(trial.number) in estimates else None,
            repeated.get(trial.number, ()),
            objectives,
        )
        for trial in every
    ]
