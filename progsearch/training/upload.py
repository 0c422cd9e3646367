"""Uploads a saved model to the Hugging Face hub."""

from __future__ import annotations

import tempfile
from os.path import isfile
from pathlib import Path
from typing import Any

from progsearch.config import RunConfig, plain, write_yaml
from progsearch.errors import ConfigError, MachineFailed
from progsearch.models.hub import offline
from progsearch.models.references import shown_name
from progsearch.schedule.files import read_config
from progsearch.training.save import SAVED_FILES, SCHEDULE

_OPTION = "--push-to-hub"
# The folder may hold files of another origin, too, which stay there. After those that every model
# has come those of some tokenizers.
_UPLOADED = (
    *SAVED_FILES,
    "added_tokens.json",
    "chat_template.jinja",
    "merges.txt",
    "sentencepiece.bpe.model",
    "special_tokens_map.json",
    "spiece.model",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
)


def check_hub(repository: str) -> None:
    """Check before the training that a model can be uploaded after it.

    Args:
        repository: ``USER/NAME``.

    Raises:
        ConfigError: The name is not possible, there is no token that may write, or the hub does
            not answer.
    """
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(repository)
    except HFValidationError:
        _refuse(f"{repository!r} is no name of a model on the hub; give USER/NAME")
    owner, slash, _ = repository.partition("/")
    if not slash:
        _refuse(f"{repository!r} lacks the owner; give USER/NAME")
    if get_token() is None:
        _refuse("there is no token of the hub; run `hf auth login` or set HF_TOKEN")
    if offline():
        _refuse(
            "the hub cannot be reached; train without it and upload the folder later with "
            "`hf upload`"
        )
    try:
        user: dict[str, Any] = HfApi().whoami()
    except Exception as error:  # whatever the client raises, the hub did not accept the token
        _refuse(f"the hub does not accept the token ({_in_a_line(error)}); run `hf auth login`")
    names = [str(user.get("name")), *(str(org.get("name")) for org in user.get("orgs", []))]
    if owner not in names:
        _refuse(f"{owner} is neither you nor an organisation of yours ({', '.join(names)})")
    if user.get("auth", {}).get("accessToken", {}).get("role") == "read":
        _refuse("the token may only read; make one that may write and run `hf auth login`")


def upload(folder: Path, repository: str, *, private: bool) -> str:
    """Upload a model that `save_run` saved, in one commit; the repository is made if missing.

    Of local paths in ``schedule.yaml`` only the last part is uploaded.

    Returns:
        The address of the repository.

    Raises:
        MachineFailed: The upload failed; the folder is as it was.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi()
    try:
        # None leaves a repository that exists as visible as it is.
        url = api.create_repo(repository, private=private or None, exist_ok=True)
        with tempfile.TemporaryDirectory() as temporary:
            schedule = Path(temporary) / SCHEDULE
            write_yaml(schedule, plain(_without_paths(read_config(folder / SCHEDULE))))
            operations = [
                CommitOperationAdd(
                    path_in_repo=name,
                    path_or_fileobj=str(schedule if name == SCHEDULE else folder / name),
                )
                for name in (*_UPLOADED, *_shards(folder))
                if isfile(folder / name)
            ]
            api.create_commit(repository, operations, commit_message="Model trained by progsearch")
    except Exception as error:  # whatever happens, the user is told where the model is
        flag = " --private" if private else ""
        raise MachineFailed(
            f"the model is saved in {folder}, but its upload to {repository} failed "
            f"({_in_a_line(error)}); upload it with `hf upload {repository} {folder}{flag}`"
        ) from error
    return str(url)


def _shards(folder: Path) -> list[str]:
    """The names of the parts of a model that is saved in several."""
    return sorted(
        path.name for path in folder.glob("model*.safetensors*") if path.name not in _UPLOADED
    )


def _without_paths(config: RunConfig) -> RunConfig:
    files = ("data_dir", "train_file", "validation_file", "test_file")
    task = config.task.model_copy(
        update={
            name: Path(path).name
            for name in files
            if (path := getattr(config.task, name)) is not None
        }
        | {"name": shown_name(config.task.name)}
    )
    return config.model_copy(update={"model": shown_name(config.model), "task": task})


def _refuse(reason: str) -> None:
    raise ConfigError(_OPTION, [("", reason)]) from None


def _in_a_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
