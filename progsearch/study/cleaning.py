"""Removes passwords of databases that earlier versions left in studies."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from progsearch.cache import write_bytes
from progsearch.config import StorageUrl, read_yaml
from progsearch.study.folder import RECIPE, StudyFolder
from progsearch.study.secrets import secrets_of

# Larger files are weights and tables, which never held a URL.
_LARGEST = 2**26


def clean(folder: StudyFolder) -> None:
    """Hide the password of a study's database in its files and its attributes.

    Call it only while no other process works in the study. Binary files of Ray that hold the
    password are removed: no command reads them.
    """
    url = folder.recipe.storage
    if url is None:
        return
    recipes = [read_yaml(folder.path / RECIPE), folder.study.user_attrs.get("recipe") or {}]
    secrets = dict(secrets_of(url))
    for recipe in recipes:
        with suppress(ValueError):
            secrets |= StorageUrl(recipe.get("storage") or "").given

    def without(text: str) -> str:
        return url.hide_in_urls(text, secrets)

    for path in folder.path.rglob("*"):
        # Ray's folder has links to its own files.
        if path.is_file() and not path.is_symlink() and path.stat().st_size <= _LARGEST:
            _clean_file(path, without, is_removable=folder.ray in path.parents)
    study_id = folder.storage.get_study_id_from_name(folder.name)
    system = folder.storage.get_study_system_attrs(study_id)
    for name, value in _cleaned(folder.study.user_attrs, without):
        folder.storage.set_study_user_attr(study_id, name, value)
    for name, value in _cleaned(system, without):
        folder.storage.set_study_system_attr(study_id, name, value)


def _clean_file(path: Path, without: Callable[[str], str], *, is_removable: bool) -> None:
    data = path.read_bytes()
    cleaned = without(data.decode(errors="surrogateescape")).encode(errors="surrogateescape")
    if cleaned == data:
        return
    # A binary format does not survive another length.
    if b"\0" in data and is_removable:
        path.unlink()
    else:
        write_bytes(path, cleaned)


def _cleaned(
    attributes: Mapping[str, Any], without: Callable[[str], str]
) -> list[tuple[str, Any]]:
    """The attributes that held a password, without it."""
    texts = {name: json.dumps(value) for name, value in attributes.items()}
    return [(n, json.loads(without(text))) for n, text in texts.items() if without(text) != text]
