"""Uploads to a stand-in of the hub."""

import json
from types import SimpleNamespace

import huggingface_hub
import pytest
import yaml

from progsearch.errors import ConfigError, MachineFailed
from progsearch.training import upload as uploading
from progsearch.training.run import TrainingRun
from progsearch.training.save import save_run
from progsearch.training.upload import check_hub, upload
from tests.support.runs import config_of, finish

ME = {"name": "me", "orgs": [{"name": "team"}], "auth": {"accessToken": {"role": "write"}}}


@pytest.fixture
def hub(monkeypatch):
    """A hub of one user; holds what was uploaded."""
    state = SimpleNamespace(user=ME, fails=None, made=[], files={})

    class Api:
        def whoami(self):
            if isinstance(state.user, Exception):
                raise state.user
            return state.user

        def create_repo(self, repo_id, *, private, exist_ok):
            state.made.append((repo_id, private, exist_ok))
            return f"https://hub.test/{repo_id}"

        def create_commit(self, repo_id, operations, *, commit_message):
            if state.fails:
                raise state.fails
            for operation in operations:
                with operation.as_file() as file:
                    state.files[operation.path_in_repo] = file.read()

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "hf_token")
    monkeypatch.setattr(uploading, "offline", lambda: False)
    return state


@pytest.fixture(scope="module")
def saved(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    run = TrainingRun.from_config(config_of(files, epochs=1))
    finish(run)
    save_run(run, folder)
    (folder / "README.md").write_text("card")
    (folder / "notes.txt").write_text("mine")
    return folder


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("me", {}, "'me' lacks the owner; give USER/NAME"),
        ("me/a b", {}, "'me/a b' is no name of a model on the hub; give USER/NAME"),
        ("me/a/b", {}, "'me/a/b' is no name of a model on the hub; give USER/NAME"),
        ("you/a", {}, "you is neither you nor an organisation of yours (me, team)"),
        (
            "me/a",
            {"user": OSError("401\nUnauthorized")},
            "not accept the token (401 Unauthorized)",
        ),
        ("me/a", {"user": ME | {"auth": {"accessToken": {"role": "read"}}}}, "may only read"),
    ],
)
def test_what_cannot_be_uploaded_is_said_before_the_training(hub, name, change, said):
    vars(hub).update(change)
    with pytest.raises(ConfigError) as error:
        check_hub(name)
    assert str(error.value).startswith("--push-to-hub: ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_without_token_or_network(hub, monkeypatch):
    check_hub("me/model")
    check_hub("team/model")
    monkeypatch.setattr(uploading, "offline", lambda: True)
    with pytest.raises(ConfigError, match="cannot be reached; train without it"):
        check_hub("me/model")
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    with pytest.raises(ConfigError, match="no token of the hub; run `hf auth login`"):
        check_hub("me/model")


@pytest.mark.parametrize("private", [False, True])
def test_a_saved_model_is_uploaded_without_local_paths(hub, saved, files, private):
    assert upload(saved, "me/model", private=private) == "https://hub.test/me/model"
    # None leaves a repository that exists as it is.
    assert hub.made == [("me/model", private or None, True)]
    weights = (saved / "model.safetensors").read_bytes()
    assert hub.files["model.safetensors"] == weights
    assert set(hub.files) == {path.name for path in saved.iterdir()} - {"notes.txt"}
    uploaded = yaml.safe_load(hub.files["schedule.yaml"])
    assert uploaded["model"] == "model"
    assert uploaded["task"]["train_file"] == "train.csv"
    folder = str(files[0]).rpartition("/")[0]
    assert not [name for name, content in hub.files.items() if folder.encode() in content]
    # The folder itself still trains.
    assert folder in (saved / "schedule.yaml").read_text()
    assert json.loads(hub.files["metrics.json"])


def test_an_upload_that_fails_names_the_command_for_later(hub, saved):
    hub.fails = OSError("connection\nlost")
    before = {path: path.read_bytes() for path in saved.iterdir()}
    with pytest.raises(MachineFailed) as error:
        upload(saved, "me/model", private=True)
    assert str(error.value) == (
        f"the model is saved in {saved}, but its upload to me/model failed (connection lost); "
        f"upload it with `hf upload me/model {saved} --private`"
    )
    assert error.value.exit_code == 3
    assert {path: path.read_bytes() for path in saved.iterdir()} == before
