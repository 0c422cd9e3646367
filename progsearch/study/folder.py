"""Studies on disk: a folder with the recipe and the journal of its trials.

Imports neither torch nor ray, because reports and the command line read studies too.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import os
import re
import shlex
import warnings
from collections.abc import Iterator, Mapping
from os.path import exists, isdir, isfile
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage

from progsearch.cache import write_bytes
from progsearch.config import Recipe, parse, plain, read_yaml, write_yaml, yaml_of
from progsearch.errors import StudyError
from progsearch.paths import check_writable_file, check_writable_folder, reason_of
from progsearch.study import remote
from progsearch.study.database import PATIENCE
from progsearch.study.dominance import directions
from progsearch.study.info import StudyInfo
from progsearch.study.journal import damaged, repair_journal
from progsearch.study.lock import Holder, lock_state, try_lock
from progsearch.study.metadata import info_of, keep_info, keep_recipe, trials_of
from progsearch.study.new_trials import NewTrial
from progsearch.study.patient import PatientStorage
from progsearch.study.soundness import check_sound
from progsearch.study.storage import open_storage, taken_in
from progsearch.study.told_later import told_later
from progsearch.study.trial import Trial

RECIPE = "study.yaml"
"""The file of the recipe in a study's folder."""

_JOURNAL, _LOG, _RAY, _OUTBOX = "journal.log", "progsearch.log", "ray", "outbox.log"


class StudyFolder:
    """One study.

    Attributes:
        path: Its folder.
        recipe: The recipe of the search; its ``study`` is the folder's name.
        storage: The storage of its trials.
        study: Its trials, as an Optuna study.
    """

    def __init__(self, path: Path, recipe: Recipe, storage: BaseStorage) -> None:
        self.path = path
        self.recipe = recipe
        self.storage = storage
        self.study = _loaded(path.name, storage)

    @property
    def name(self) -> str:
        """The study's name."""
        return self.path.name

    @property
    def journal(self) -> Path:
        """The file with its trials, if they are not in a database."""
        return self.path / _JOURNAL

    @property
    def ray(self) -> Path:
        """The folder for Ray Tune's state."""
        return self.path / _RAY

    @property
    def log(self) -> Path:
        """The file for log messages of the libraries."""
        return self.path / _LOG

    @property
    def resume_line(self) -> str:
        """The command that resumes the study."""
        return command_line("resume", self.name, self.path.parent)

    def set_budget(self, budget: int) -> None:
        """Change the budget, in whole trials."""
        self.recipe = self.recipe.model_copy(update={"budget": budget})
        # A full disk leaves the old file.
        write_bytes(self.path / RECIPE, yaml_of(plain(self.recipe)).encode())
        keep_recipe(self.study, self.recipe)

    def check_writable(self, *files: str) -> None:
        """Check before any work that the folder and the files of a command can be written.

        Args:
            files: Names of further files in the folder.

        Raises:
            ConfigError: One of them cannot be written.
        """
        check_writable(self.path, *files)

    @property
    def info(self) -> StudyInfo:
        """The metadata of the study, written when it began."""
        return info_of(self.study)

    def trials(self) -> list[Trial]:
        """All trials in the order of their numbers."""
        return trials_of(self.study)

    def trial(self, number: int) -> Trial:
        """One trial."""
        return Trial(self.study.get_trials(deepcopy=False)[number])

    def add(self, new: NewTrial) -> Trial:
        """Add a running trial, made by `new_trial`, `retrying` or `continuing`."""
        self.study.add_trial(new)
        return Trial(self.study.get_trials(deepcopy=False)[-1])

    def keep(self, number: int, attributes: Mapping[str, Any]) -> None:
        """Store attributes of a running trial, such as those from `outcome_attributes`."""
        study_id = self.storage.get_study_id_from_name(self.name)
        trial_id = self.storage.get_trial_id_from_study_id_trial_number(study_id, number)
        for name, value in attributes.items():
            self.storage.set_trial_user_attr(trial_id, name, value)

    @contextlib.contextmanager
    def locked(self, work: str = "search") -> Iterator[None]:
        """While active, this process is the only one that works in the study.

        A database is told what happens in the background, so that it may restart meanwhile.

        Args:
            work: What it does, for `progsearch status`.

        Raises:
            StudyError: Another process has the lock.
            MachineFailed: The database did not answer for too long.
        """
        with self.owned(work), self._told_later():
            yield

    @contextlib.contextmanager
    def owned(self, work: str) -> Iterator[None]:
        """As `locked`, but what is written to a database is there at once."""
        with remote.working(self.path) as begin, try_lock(self.path, Holder.of(work)) as free:
            if not free:
                holder = lock_state(self.path).holder
                who = "another process" if holder is None else f"another process ({holder})"
                raise StudyError(f"study {self.name} is in use by {who}; wait for it or stop it")
            begin()
            yield

    @contextlib.contextmanager
    def _told_later(self) -> Iterator[None]:
        if not isinstance(self.storage, PatientStorage):
            yield
            return
        before = self.storage, self.study
        advice = (
            f"are not lost: once it answers, continue a search with `{self.resume_line}`, and all "
            "else with the same command"
        )
        with told_later(self.storage, self.name, self.path / _OUTBOX, advice) as storage:
            self.storage, self.study = storage, _loaded(self.name, storage)
            try:
                yield
            finally:
                self.storage, self.study = before


def _loaded(name: str, storage: BaseStorage) -> optuna.Study:
    # Sampling is done elsewhere; this study only stores trials.
    sampler = optuna.samplers.RandomSampler()
    return optuna.load_study(study_name=name, storage=storage, sampler=sampler)


def default_name(recipe: Recipe) -> str:
    """The default name of a study: its task and its model."""
    task, model = (
        re.sub(r"[^A-Za-z0-9._-]+", "-", Path(ref).name).strip("-._") or "study"
        for ref in (recipe.task.name, recipe.model)
    )
    return f"{task}-{model}"


def is_taken(name: str, studies_dir: str | Path) -> bool:
    """Whether there is something of a study's name in the folder of all studies."""
    return exists(Path(studies_dir) / name)


def check_name_is_free(recipe: Recipe, studies_dir: str | Path) -> None:
    """Check that the study of a recipe does not exist yet.

    Raises:
        StudyError: It exists; the message says how to search all the same, or to go on with it.
    """
    name = recipe.study or default_name(recipe)
    if is_taken(name, studies_dir):
        resume = command_line("resume", name, studies_dir)
        report = command_line("report", name, studies_dir)
        raise StudyError(
            f"there is already a study {name} in {remote.given_as(studies_dir)}; give the new "
            f"search another name with --study NAME, or go on with the old one: `{report}` "
            f"shows it, `{resume}` continues it"
        )


def create_study(
    recipe: Recipe, studies_dir: str | Path, info: StudyInfo | None = None
) -> StudyFolder:
    """Create the folder and the study of a recipe.

    Args:
        recipe: The recipe of the search.
        studies_dir: The folder of all studies; created if it does not exist.
        info: The study's metadata, if it is known.

    Raises:
        StudyError: The name is taken, in the folder or in the database.
    """
    check_name_is_free(recipe, studies_dir)
    name = recipe.study or default_name(recipe)
    recipe = recipe.model_copy(update={"study": name})
    path = Path(studies_dir).absolute() / name
    path.mkdir(parents=True)
    if recipe.storage is not None:
        # Who may read the trials is up to the database; what waits for it is as private.
        path.chmod(0o700)
    try:
        storage = _storage_of(recipe, path, waits=True)
        study = optuna.create_study(
            study_name=name, storage=storage, directions=directions(len(recipe.objectives))
        )
    except BaseException as error:
        (path / _JOURNAL).unlink(missing_ok=True)
        path.rmdir()
        if isinstance(error, optuna.exceptions.DuplicatedStudyError) and recipe.storage:
            raise taken_in(recipe.storage, name) from None
        raise
    write_yaml(path / RECIPE, plain(recipe))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        metric = (info or StudyInfo()).metric
        study.set_metric_names([metric if o == "metric" else o for o in recipe.objectives])
    keep_recipe(study, recipe)
    if info is not None:
        keep_info(study, info)
    return StudyFolder(path, recipe, storage)


def open_study(
    study: str | Path, studies_dir: str | Path = "studies", *, read_only: bool = False
) -> StudyFolder:
    """The study of that name, or in that folder.

    Args:
        study: A name in ``studies_dir``, or a study's folder.
        studies_dir: The folder of all studies.
        read_only: Do not change its files; otherwise a journal that a killed search left
            incomplete is repaired, so that it can be written to.

    Raises:
        StudyError: There is no such study, or it is damaged.
    """
    path = _folder_of(study, Path(studies_dir))
    remote.bring(path)
    recipe = parse(Recipe, read_yaml(path / RECIPE), str(path / RECIPE))
    if not read_only:
        check_writable(path)
    journal = path / _JOURNAL
    resume_line = command_line("resume", path.name, path.parent)
    if recipe.storage is None and not isfile(journal):
        raise damaged(journal, resume_line)
    if recipe.storage is None and not read_only:
        with try_lock(path) as free:
            if free:
                repair_journal(journal)
    try:
        folder = StudyFolder(path, recipe, _storage_of(recipe, path, waits=False))
        if recipe.storage is None:
            check_sound(folder.study)
        return folder
    except PermissionError as error:
        raise _unreadable(journal, reason_of(error)) from None
    except (LookupError, ValueError, TypeError, AttributeError, AssertionError, RecursionError):
        if recipe.study not in (None, path.name):
            raise StudyError(
                f"the folder {path} holds the study {recipe.study}; give it this name again"
            ) from None
        if recipe.storage is None:
            raise damaged(journal, resume_line) from None
        raise StudyError(
            f"the database {recipe.storage} does not have the study {path.name}; restore it, or "
            "delete the folder and run the study again"
        ) from None


def _storage_of(recipe: Recipe, path: Path, *, waits: bool) -> BaseStorage:
    patience = PATIENCE if recipe.storage_timeout is None else recipe.storage_timeout
    return open_storage(recipe.storage, path / _JOURNAL, patience=patience, waits=waits)


def check_writable(path: Path, *files: str) -> None:
    """Check a study's folder and its own files; see `StudyFolder.check_writable`."""
    place = f"study {path.name}"
    advice = "make it writable, or copy the study to a place that is"
    check_writable_folder(path, place, advice)
    for name in (RECIPE, _JOURNAL, _LOG, *files):
        check_writable_file(path / name, place, advice)
    check_writable_folder(path / _RAY, place, advice)


def study_names(studies_dir: str | Path = "studies") -> list[str]:
    """The studies in a folder, in alphabetical order."""
    return sorted(file.parent.name for file in Path(studies_dir).glob(f"*/{RECIPE}"))


def command_line(command: str, study: str, studies_dir: str | Path, *others: str) -> str:
    """A `progsearch` command on a study, to be copied into a shell.

    Args:
        command: Such as ``resume``.
        study: The study's name.
        studies_dir: The folder of all studies; left out of the command if it is the default.
        others: Further arguments.
    """
    is_default = Path(studies_dir).absolute() == Path("studies").absolute()
    place = [] if is_default else ["--studies-dir", remote.given_as(studies_dir)]
    return shlex.join(["progsearch", command, study, *others, *place])


def _folder_of(study: str | Path, studies_dir: Path) -> Path:
    for path in (studies_dir / study, Path(study)):
        if isfile(path / RECIPE):
            return path.absolute()
        for folder in (path.parent, path):
            if isdir(folder) and not os.access(folder, os.X_OK):
                raise _unreadable(folder, os.strerror(errno.EACCES))
    names = study_names(studies_dir)
    close = difflib.get_close_matches(str(study), names, n=1)
    if close:
        hint = f"did you mean {close[0]}?"
    elif names:
        hint = f"there are {', '.join(names)}"
    else:
        hint = "there are no studies yet; `progsearch run` creates one"
    place = remote.given_as(studies_dir)
    raise StudyError(f"there is no study {str(study)!r} in {place}; {hint}")


def _unreadable(path: Path, reason: str) -> StudyError:
    return StudyError(f"{path} cannot be read ({reason}); make it readable for this user")
