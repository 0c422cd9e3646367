"""Loads models and tokenizers by alias, folder or hub name, each once per process.

torch and transformers are imported on first use, so that listing aliases is fast.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from progsearch.cache import cache_dir, content_key, keep_json, kept_json
from progsearch.errors import ModelError
from progsearch.internals.transformers import commit_of
from progsearch.models.checkpoint import COPY_TOKENIZER, check_tokenizer, tokenizer_kind_in
from progsearch.models.file_damage import unreadable
from progsearch.models.head import Head
from progsearch.models.references import model_path, reading
from progsearch.models.weights import load_checked
from progsearch.version import WEIGHTS_VERSION

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_log = logging.getLogger(__name__)

# A trial needs the model of one seed, and contribution scores that of another.
_KEPT_MODELS = 2


@functools.lru_cache
def load_tokenizer(ref: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a model, one object per process.

    If it has no padding token, the end-of-sequence token is used, as is usual for decoders.

    Raises:
        ModelError: It cannot be loaded, knows no word, is not what its file holds, or has neither
            of the two tokens.
    """
    from transformers import AutoTokenizer

    with reading(ref, "tokenizer") as path:
        check_tokenizer(path)
        tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=False)
    if not tokenizer.get_vocab().keys() - set(tokenizer.all_special_tokens):
        raise ModelError(
            f"the tokenizer of {ref} knows no word, since {path} holds no files of a "
            f"{type(tokenizer).__name__}; {COPY_TOKENIZER}"
        )
    kinds = tokenizer_kind_in(path), _kind_of(tokenizer)
    if None not in kinds and kinds[0] != kinds[1]:
        raise ModelError(
            f"the tokenizer.json of {ref} holds a {kinds[0]} model, but transformers makes a "
            f"{type(tokenizer).__name__} of it, a {kinds[1]} model, which loses its words; give "
            "the folder the tokenizer that the model was trained with"
        )
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is None:
            raise ModelError(
                f"the tokenizer of {ref} has neither a padding nor an end-of-sequence token; set "
                f"pad_token in its tokenizer_config.json"
            )
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _kind_of(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """How a tokenizer cuts words, such as BPE; None if it is not a fast one."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    return None if backend is None else type(backend.model).__name__


def load_model(
    ref: str, head: Head, *, seed: int = 0, pad_token_id: int | None = None
) -> PreTrainedModel:
    """A new copy of a model: fp32, on the CPU, in eval mode.

    The original weights stay in memory, so that only the first call with the same arguments
    reads files.

    Args:
        ref: An alias, a folder in the Hugging Face format, or a hub name.
        head: The head that the task needs.
        seed: Determines the weights that are not in the files: those of a new head.
        pad_token_id: The tokenizer's padding token. Decoders read the last token before the
            padding, so they need it.

    Raises:
        ModelError: The model cannot be loaded, has no such head, or does not match its files.
    """
    return copy.deepcopy(_pristine_model(ref, head, seed, pad_token_id).model)


def inspect_weights(
    ref: str, head: Head, *, seed: int = 0, pad_token_id: int | None = None
) -> None:
    """Log a warning that says how the model of `load_model` differs from its files.

    The model is loaded for this only if no process on this machine has done so before.

    Raises:
        ModelError: As for `load_model`.
    """
    key = content_key(WEIGHTS_VERSION, model_fingerprint(ref), head.n_outputs, *head.identity)
    kept = cache_dir("weights") / f"{key}.json"
    known = kept_json(kept)
    if known is None:
        known = {"remark": _pristine_model(ref, head, seed, pad_token_id).remark}
        keep_json(kept, known)
    if known["remark"] is not None:
        _log.warning("%s", known["remark"])


@dataclass(frozen=True)
class _Loaded:
    """A model, made from its files and a seed.

    Attributes:
        model: The model.
        remark: How it differs from its files, if it does.
    """

    model: PreTrainedModel
    remark: str | None


@functools.lru_cache(maxsize=_KEPT_MODELS)
def _pristine_model(ref: str, head: Head, seed: int, pad_token_id: int | None) -> _Loaded:
    import torch
    import transformers

    from progsearch.models.span_loss import SPAN, leave_out_padding

    with reading(ref, "model") as path, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model, remark = load_checked(path, head)
        if head.replaces:
            torch.manual_seed(seed)
            auto_class = getattr(transformers, head.auto_class)
            _replace_head(model, auto_class.from_config(model.config))
        if head.unit is not None:
            from progsearch.models.output import from_unit

            from_unit(model, head.unit)
    if head.auto_class == SPAN:
        leave_out_padding(model)
    if pad_token_id is not None:
        model.config.get_text_config().pad_token_id = pad_token_id
    # Training generates no text, so caching keys and values would only cost memory.
    model.config.get_text_config().use_cache = False
    return _Loaded(model.eval(), remark)


def _replace_head(model: PreTrainedModel, fresh: PreTrainedModel) -> None:
    """Copy the head parameters of ``fresh`` into ``model``.

    Raises:
        ModelError: The model class does not separate its head from its body.
    """
    if model.base_model is model:
        raise ModelError(
            f"{type(model).__name__} does not separate its head from its body, so its trained "
            "head cannot be replaced; give the pre-trained model without a head"
        )
    body = {id(parameter) for parameter in model.base_model.parameters()}
    for parameter, new in zip(model.parameters(), fresh.parameters(), strict=True):
        if id(parameter) not in body:
            parameter.data.copy_(new.data)


@functools.lru_cache
def trained_head(ref: str) -> Head | None:
    """The head in a model's files, according to its config; None if there is only the body.

    A model loaded with this head keeps all head settings of its config.

    Raises:
        ModelError: The model's config cannot be loaded.
    """
    from transformers import AutoConfig

    with reading(ref, "config") as path:
        config = AutoConfig.from_pretrained(path, trust_remote_code=False)
    architecture = (config.architectures or [""])[0]
    _, is_head, kind = architecture.partition("For")
    if not is_head:
        # Older classes are not named after their auto class: GPT2LMHeadModel, BertLMHeadModel.
        if "LMHead" not in architecture:
            return None
        kind = "CausalLM"
    names = tuple(name for _, name in sorted(config.id2label.items()))
    # The number of labels in its config is not used by such a head, which has one output.
    names = names[:1] if kind == "MultipleChoice" else names
    return Head(
        n_outputs=len(names),
        label_names=names,
        auto_class=f"AutoModelFor{kind}",
        problem_type=config.problem_type,
        is_new=False,
    )


def ties_tables(ref: str) -> bool:
    """Whether the head of a language model has the token table as its weight.

    Raises:
        ModelError: The model's config cannot be loaded.
    """
    from transformers import AutoConfig

    with reading(ref, "config") as path:
        config = AutoConfig.from_pretrained(path, trust_remote_code=False).get_text_config()
    return bool(config.tie_word_embeddings)


@functools.lru_cache
def default_learning_rate(ref: str) -> float:
    """A learning rate for full fine-tuning of a model, from its hidden size.

    2e-4 at a hidden size of 384, inversely proportional to its square, at most 5e-4, rounded to
    one digit: 5e-5 for BERT-base and 3e-5 for BERT-large, which Devlin et al. (arXiv 1810.04805,
    A.3) found best for these two. A starting point for references; the search varies the learning
    rate.

    Raises:
        ModelError: The model's config cannot be loaded.
    """
    from transformers import AutoConfig

    with reading(ref, "config") as path:
        width = (
            AutoConfig.from_pretrained(path, trust_remote_code=False).get_text_config().hidden_size
        )
    return float(f"{min(5e-4, 2e-4 * (384 / width) ** 2):.0e}")


def forget_files() -> None:
    """Drop everything read from files, because some files have been rewritten since."""
    kept = (load_tokenizer, _pristine_model, trained_head, default_learning_rate)
    for cached in (*kept, model_fingerprint):
        cached.cache_clear()


@functools.lru_cache
def model_fingerprint(ref: str) -> str:
    """A hash of what determines the model's outputs: config and weights, or the hub's commit.

    Raises:
        ModelError: The model cannot be found, or its folder holds no weights or unreadable ones.
    """
    path = Path(model_path(ref))
    if not path.is_dir():
        return _hub_commit(ref)
    weights = [p for kind in ("*.safetensors", "*.bin") for p in path.glob(kind) if p.is_file()]
    digest = hashlib.sha256()
    for file in sorted([path / "config.json", *weights]):
        try:
            with file.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise unreadable(file, error) from error
        digest.update(f"{file.name} {content}\n".encode())
    return digest.hexdigest()[:32]


def _hub_commit(ref: str) -> str:
    from transformers import AutoConfig

    with reading(ref, "model") as path:
        commit = commit_of(AutoConfig.from_pretrained(path, trust_remote_code=False))
    if not commit:
        raise ModelError(f"the hub gives no commit for the model {ref}; download it to a folder")
    return commit
