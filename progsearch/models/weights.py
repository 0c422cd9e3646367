"""Loads a model and checks that its weights come from its files.

transformers initialises missing weights at random and only logs that. This is right for a new
head but not for the body.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from progsearch.errors import ModelError
from progsearch.internals.transformers import (
    body_renamed,
    forget_renaming,
    has_adapter,
    has_model,
    types_with_model,
)
from progsearch.models.architectures import ARCHITECTURES
from progsearch.models.head import CAUSAL, SEQUENCE, Head
from progsearch.numerals import whole_percent

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_log = logging.getLogger(__name__)

_MOST_RANDOM = 0.5
"""The largest share of the body's parameters that may be random."""
# Nested wrappers, such as module._orig_mod.model., are the longest in use.
_LONGEST_PREFIX = 4


def load_checked(path: str, head: Head) -> tuple[PreTrainedModel, str | None]:
    """Load a model in fp32.

    Args:
        path: A folder, or a name on the hub.
        head: What the task asks of its head.

    Returns:
        The model and the remark of `check_loaded`.

    Raises:
        ModelError: The architecture has no such head, there is an adapter, or the weights of the
            body do not come from the files.
        Exception: Any error of transformers.
    """
    import torch
    import transformers

    auto_class = getattr(transformers, head.auto_class)
    renamed: dict[str, str] = {}
    try:
        if head.auto_class != SEQUENCE:
            config = transformers.AutoConfig.from_pretrained(path, trust_remote_code=False)
            renamed = body_renamed(auto_class, config) if has_model(auto_class, config) else {}
        model, info = auto_class.from_pretrained(
            path,
            dtype=torch.float32,
            output_loading_info=True,
            # Otherwise transformers asks on the terminal whether to run the model's own code.
            trust_remote_code=False,
            **({"key_mapping": renamed} if renamed else {}),
            **head.settings(),
        )
    except ValueError:
        config = transformers.AutoConfig.from_pretrained(path, trust_remote_code=False)
        if has_model(auto_class, config):
            raise
        raise ModelError(
            f"{path} is a {config.model_type} model, for which transformers has no "
            f"{head.auto_class}; choose a model that has one: {_having(auto_class)}"
        ) from None
    if has_adapter(model):
        raise ModelError(
            f"{path} is a PEFT adapter; merge it into its base model (`merge_and_unload`), save "
            f"the result with save_pretrained and give that folder"
        )
    if renamed:
        forget_renaming(model)
    if head.auto_class == CAUSAL:
        _check_language_model(model, info, path)
    return model, check_loaded(model, info, path)


def _check_language_model(model: PreTrainedModel, info: Mapping[str, Any], place: str) -> None:
    """Check that a language model predicts the next token, and that its head is in the files."""
    from progsearch.models.language_head import check_causal

    check_causal(model, place)
    outside = [n for n in info["missing_keys"] if not n.startswith(f"{model.base_model_prefix}.")]
    if outside:
        raise ModelError(
            f"the weights in {place} hold no head of a language model ({_listed(outside)} would "
            "be random): give the whole pre-trained model, saved with its head"
        )


def check_loaded(model: PreTrainedModel, info: Mapping[str, Any], place: str) -> str | None:
    """Compare a model with the files that it was loaded from.

    The head is not compared, since it may be new; nor is the pooler, which masked language
    models do not have.

    Args:
        model: The model as it was loaded.
        info: The loading report of transformers (``output_loading_info``).
        place: Where the files are.

    Returns:
        A sentence for the user on how the body differs from the files; None if it does not.

    Raises:
        ModelError: The body's weights do not have the shapes of its config, or most of them
            are random.
    """
    body = _Body(model)
    _refuse_other_shapes(body, info["mismatched_keys"], place)
    missing = sorted(body.sizes.keys() & set(info["missing_keys"]))
    unexpected = sorted(info["unexpected_keys"])
    share = sum(body.sizes[name] for name in missing) / max(1, sum(body.sizes.values()))
    if share > _MOST_RANDOM:
        raise ModelError(
            f"the weights in {place} do not fit a {body.kind}: {len(missing)} of the "
            f"{len(body.sizes)} weights of its body ({whole_percent(share)} of its parameters) "
            f"are not there and would be random{_explained(body, missing, unexpected)}"
        )
    pooler = sorted(name for name in info["missing_keys"] if _is_pooler(name))
    if pooler:
        _log.info("%s holds no pooler; it is new (%s)", place, ", ".join(pooler))
    remarks = []
    if missing:
        remarks.append(
            f"{len(missing)} of the {len(body.sizes)} weights of its body "
            f"({whole_percent(share)} of its parameters) are not there and are random "
            f"({_listed(missing)})"
        )
    dropped = [name for name in unexpected if body.would_hold(name)]
    if dropped:
        remarks.append(
            f"{len(dropped)} of the weights in the files do not belong to it and are left out "
            f"({_listed(dropped)})"
        )
    text = f"the weights in {place} do not quite fit a {body.kind}: {', and '.join(remarks)}"
    return text if remarks else None


def _having(auto_class: Any) -> str:
    """The tested architectures that ``auto_class`` has a model for."""
    tested = [name for name, known in ARCHITECTURES.items() if known.tested]
    return ", ".join(ARCHITECTURES[name].title for name in types_with_model(auto_class, tested))


class _Body:
    """The part of a model that was pre-trained."""

    def __init__(self, model: PreTrainedModel) -> None:
        base = model.base_model
        self.kind = type(model).__name__
        self.prefix = "" if base is model else f"{model.base_model_prefix}."
        self.sizes = {
            name: parameter.numel()
            for name, parameter in model.named_parameters()
            if name.startswith(self.prefix) and not _is_pooler(name)
        }
        self._children = {name for name, _ in base.named_children() if not _is_pooler(name)}
        self._kinds = {name.rpartition(".")[2] for name in self.sizes}

    def would_hold(self, name: str) -> bool:
        """Whether a weight of this name belongs to the body: not to a head, and not a buffer."""
        is_inside = name.removeprefix(self.prefix).partition(".")[0] in self._children
        return is_inside and name.rpartition(".")[2] in self._kinds

    def knows(self, name: str) -> bool:
        """Whether the body has this weight, with or without the body's own prefix."""
        return name in self.sizes or self.prefix + name in self.sizes


def _is_pooler(name: str) -> bool:
    return "pooler" in name.split(".")


def _refuse_other_shapes(body: _Body, mismatched: Collection[Any], place: str) -> None:
    shapes = sorted(entry for entry in mismatched if entry[0] in body.sizes)
    if shapes:
        name, found, wanted = shapes[0]
        raise ModelError(
            f"the weights in {place} do not fit its config.json: {name} is {_shape(found)} in "
            f"the files and {_shape(wanted)} by the config, and {len(shapes)} of the "
            f"{len(body.sizes)} weights of the body differ so; give the config.json that belongs "
            f"to these weights"
        )


def _shape(sizes: Sequence[int]) -> str:
    return "×".join(map(str, sizes))


def _explained(body: _Body, missing: Sequence[str], unexpected: Sequence[str]) -> str:
    """Why the weights are missing, if the names in the files show it, and what to do."""
    prefix, count = _wrong_prefix(body, unexpected)
    if count > len(missing) / 2:
        return (
            f"; {count} names in the files start with `{prefix}`, which does not belong there: "
            f"remove it from the names (save the model itself, not what wraps it), or give the "
            f"config.json that belongs to these weights"
        )
    found = f" ({unexpected[0]} is there, {missing[0]} is not)" if unexpected else ""
    return f"{found}; give the config.json that belongs to these weights"


def _wrong_prefix(body: _Body, unexpected: Sequence[str]) -> tuple[str, int]:
    """The most frequent prefix before names of the body, and how many names have it."""
    prefixes: Counter[str] = Counter()
    for name in unexpected:
        parts = name.split(".")
        for depth in range(1, min(_LONGEST_PREFIX, len(parts) - 1) + 1):
            if body.knows(".".join(parts[depth:])):
                prefixes[".".join(parts[:depth]) + "."] += 1
                break
    return prefixes.most_common(1)[0] if prefixes else ("", 0)


def _listed(names: Sequence[str], most: int = 3) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
