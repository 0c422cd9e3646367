"""Inspects a model's folder before anything is loaded: no torch, a few milliseconds.

Files that transformers would silently replace, attach to the model or fail on with its own error
are refused here, in one sentence.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from progsearch.errors import ModelError
from progsearch.models.file_damage import (
    AGAIN,
    check_file,
    missing_target,
    read_object,
    unreadable,
)
from progsearch.models.hub import cached_folder

_CONFIG = "config.json"
_ADAPTER = "adapter_config.json"
# In the order in which transformers looks for them; the first one is loaded.
_WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
_TOKENIZER_CONFIG = "tokenizer_config.json"
_INDEX = ".index.json"
_PART = re.compile(r".*-\d{5}-of-\d{5}\.(safetensors|bin)")
# Parts that transformers finds without an index.
_DISTRIBUTED = re.compile(r"shard-\d{5}-model-\d{5}-of-\d{5}\.safetensors")
_OF_WEIGHTS = (
    ".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".gguf", ".onnx", ".index",
)  # fmt: skip

_KIND = re.compile(r'"model"\s*:\s*\{\s*"type"\s*:\s*"(\w+)"')
_TOKENIZER = re.compile(r"tokenizer(\.[\d.]+)?\.json")
_HALVES = {"vocab.json": "merges.txt", "merges.txt": "vocab.json"}
_VOCABULARY = re.compile(
    r"vocab\.txt|vocab\.json|merges\.txt|vocab-src\.json|byte_maps\.json|tekken\.json"
    r"|prophetnet\.tokenizer|.+\.model|.+\.spm|.+\.tiktoken"
)
# Byte and character tokenizers, which have no vocabulary file.
_WITHOUT_FILES = ("ByT5Tokenizer", "CanineTokenizer", "PerceiverTokenizer")
_MODELS_WITHOUT_FILES = ("canine", "perceiver")
COPY_TOKENIZER = (
    "copy the tokenizer's files from the model that it comes from (tokenizer.json and "
    "tokenizer_config.json, as the tokenizer's save_pretrained writes them)"
)
"""What to do without a tokenizer."""


def check_config(folder: Path) -> None:
    """Refuse a folder that holds no model.

    Raises:
        ModelError: Its ``config.json`` is missing or damaged, or it can't be read.
    """
    if _CONFIG in _names(folder):
        read_object(folder / _CONFIG)
        return
    _refuse_adapter(folder)
    if error := missing_target(folder / _CONFIG):
        raise error
    raise ModelError(
        f"the folder {folder} holds no config.json; give a folder that save_pretrained wrote"
    )


def check_weights(model: str) -> None:
    """Refuse weights that cannot be loaded or would not be the ones trained.

    Args:
        model: A folder with a ``config.json``, or a hub name. For hub models, only the files
            downloaded so far are checked.

    Raises:
        ModelError: The weights are missing, damaged or quantised, or there is an adapter.
    """
    folder = _Folder.of(model)
    if folder is None:
        return
    config = folder.read(_CONFIG)
    _refuse_quantised(folder.path, config)
    _refuse_adapter(folder.path)
    named = config.get("transformers_weights")
    chosen = _first(folder.path, (named,) if isinstance(named, str) else _WEIGHTS)
    parts = [name for name in _names(folder.path) if _DISTRIBUTED.fullmatch(name)]
    if chosen is not None:
        folder.check(chosen)
        parts = _parts(folder, chosen) if chosen.endswith(_INDEX) else []
    elif not parts and not folder.is_cached:
        raise _no_weights(folder.path)
    for name in parts:
        folder.check(name)


def check_tokenizer(model: str) -> None:
    """Refuse a folder without the files of a tokenizer, or with damaged ones.

    Without these files, transformers makes a tokenizer that knows no words.

    Args:
        model: As for `check_weights`.

    Raises:
        ModelError: They are missing or damaged.
    """
    folder = _Folder.of(model)
    if folder is None:
        return
    names = _names(folder.path)
    # If tokenizer.json exists, the other files are not read.
    files = [name for name in names if _TOKENIZER.fullmatch(name)]
    files = files or [name for name in names if _VOCABULARY.fullmatch(name)]
    for name in files:
        folder.check(name)
    if folder.is_cached or _needs_no_files(folder):
        return
    if not files:
        raise _no_files(folder.path)
    if len(files) == 1 and files[0] in _HALVES:
        raise ModelError(
            f"the folder {model} holds half a tokenizer, {files[0]} without {_HALVES[files[0]]}; "
            f"{COPY_TOKENIZER}"
        )


def tokenizer_kind_in(folder: str) -> str | None:
    """How the tokenizer of a folder cuts words by its file, such as BPE; None if it is not said.

    transformers builds the tokenizer of some models, such as Qwen2, as that of their class, even
    if the file holds another kind: then most words are lost without a word.
    """
    file = Path(folder) / "tokenizer.json"
    if not os.path.isfile(file):
        return None
    # The vocabulary may be large, and this is all that is needed of it.
    found = _KIND.search(file.read_text(encoding="utf-8"))
    return None if found is None else found[1]


@dataclass(frozen=True)
class _Folder:
    """Where a model's files are.

    Attributes:
        path: The folder.
        is_cached: Whether it is the hub's copy on this machine: what is missing there is
            downloaded when it is needed.
    """

    path: Path
    is_cached: bool

    @classmethod
    def of(cls, model: str) -> _Folder | None:
        """The folder of a model; None if none of its files are on this machine."""
        if os.path.isdir(model):
            return cls(Path(model), False)
        path = cached_folder(model)
        return None if path is None else cls(path, True)

    @property
    def cure(self) -> str:
        """What to do with a damaged file."""
        return "remove it, so that it is downloaded again" if self.is_cached else AGAIN

    def check(self, name: str) -> None:
        """See `check_file`."""
        check_file(self.path / name, self.cure)

    def read(self, name: str) -> dict[str, Any]:
        """See `read_object`."""
        return read_object(self.path / name, self.cure)


def _no_files(folder: Path) -> ModelError:
    for name in sorted(os.listdir(folder)):
        is_wanted = _TOKENIZER.fullmatch(name) or _VOCABULARY.fullmatch(name)
        if is_wanted and (error := missing_target(folder / name)):
            return error
    return ModelError(f"the folder {folder} holds no tokenizer; {COPY_TOKENIZER}")


def _names(folder: Path) -> list[str]:
    """The files in a folder, sorted, without broken links."""
    try:
        return sorted(name for name in os.listdir(folder) if os.path.isfile(folder / name))
    except OSError as error:
        raise unreadable(folder, error) from error


def _first(folder: Path, names: Sequence[str]) -> str | None:
    return next((name for name in names if os.path.isfile(folder / name)), None)


def _refuse_quantised(folder: Path, config: dict[str, Any]) -> None:
    for key in ("quantization_config", "compression_config"):
        settings = config.get(key)
        if settings:
            method = settings.get("quant_method") if isinstance(settings, dict) else None
            raise ModelError(
                f"the model in {folder} is quantised ({method or key} in its config.json), and "
                f"quantised weights cannot be trained; give the model that it was made from"
            )


def _refuse_adapter(folder: Path) -> None:
    """Loading the model would attach the adapter, and training would change it too."""
    if not os.path.isfile(folder / _ADAPTER):
        return
    merging = "merge it with PEFT (`merge_and_unload`), save the result with save_pretrained"
    if _first(folder, _WEIGHTS) is not None:
        raise ModelError(
            f"the folder {folder} holds a PEFT adapter ({_ADAPTER}) beside the model's weights, "
            f"and both would be loaded; {merging} and give that folder, or move the adapter's "
            f"files elsewhere to train the model without it"
        )
    base = read_object(folder / _ADAPTER).get("base_model_name_or_path")
    raise ModelError(
        f"the folder {folder} holds a PEFT adapter ({_ADAPTER}) and not the model it belongs to"
        f"{f', {base}' if base else ''}; {merging} and give that folder"
    )


def _parts(folder: _Folder, index: str) -> list[str]:
    """The files that an index names."""
    weight_map = folder.read(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ModelError(f"{folder.path / index} names no weights (weight_map); {folder.cure}")
    parts = sorted(set(map(str, weight_map.values())))
    missing = [name for name in parts if not os.path.isfile(folder.path / name)]
    if missing and not folder.is_cached:
        if error := missing_target(folder.path / missing[0]):
            raise error
        raise ModelError(
            f"{len(missing)} of the {len(parts)} files that {folder.path / index} names are "
            f"missing ({_listed(missing)}); copy or download them, too"
        )
    return [name for name in parts if name not in missing]


def _no_weights(folder: Path) -> ModelError:
    for name in _WEIGHTS:
        if error := missing_target(folder / name):
            return error
    found = [name for name in _names(folder) if name.endswith(_OF_WEIGHTS)]
    parts = [name for name in found if _PART.fullmatch(name)]
    if parts:
        kind = _WEIGHTS[1 if parts[0].endswith(".safetensors") else 3]
        return ModelError(
            f"the folder {folder} holds no weights that can be loaded: there are parts "
            f"({_listed(parts)}), but not the {kind} that names them; copy or download it, too"
        )
    only = f" that can be loaded, only {_listed(found)}" if found else ""
    return ModelError(
        f"the folder {folder} holds no weights{only}; it needs a model.safetensors, which "
        f"save_pretrained writes"
    )


def _needs_no_files(folder: _Folder) -> bool:
    config, settings = folder.read(_CONFIG), {}
    if os.path.isfile(folder.path / _TOKENIZER_CONFIG):
        settings = folder.read(_TOKENIZER_CONFIG)
    kind = settings.get("tokenizer_class") or config.get("tokenizer_class")
    return kind in _WITHOUT_FILES or config.get("model_type") in _MODELS_WITHOUT_FILES


def _listed(names: Sequence[str], most: int = 3) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
