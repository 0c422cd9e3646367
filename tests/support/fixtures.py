"""Fixtures that the tests of engine and training share."""

import pytest
import torch

from progsearch.config import ContributionConfig, TaskConfig
from progsearch.engine.shortcuts.recorded_steps import RecordedSteps
from progsearch.schedule.files import write_config
from tests.support.runs import config_of, three_stages
from tests.support.tiny import save_tiny


@pytest.fixture
def by_hand(monkeypatch):
    """Every step runs in Python; on a GPU, hooks would not see those that are recorded."""
    monkeypatch.setattr(RecordedSteps, "step", lambda *arguments: None)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A tiny model folder and a task that a bag of words can learn."""
    folder = tmp_path_factory.mktemp("tiny")
    model = save_tiny(folder / "model")
    generator = torch.Generator().manual_seed(0)
    for name, rows in (("train", 48), ("validation", 24), ("test", 24)):
        lines = ["text,label"]
        for _ in range(rows):
            label = int(torch.randint(2, (), generator=generator))
            length = int(torch.randint(2, 6, (), generator=generator))
            lines.append(" ".join([("bad", "good")[label]] * length) + f",{label}")
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    task = TaskConfig(
        name="tiny",
        **{f"{n}_file": str(folder / f"{n}.csv") for n in ("train", "validation", "test")},
    )
    return str(model), task


COSTS = {"n_blocks": 4}


@pytest.fixture
def exported(tmp_path):
    """Writes a config of four blocks as `export` does; returns the file."""

    def write(method="full", schedule=None, *, costs=COSTS, contribution=None, **training):
        config = config_of(
            ("some-model", TaskConfig(name="mine")),
            schedule or three_stages(4),
            **{"method": method, **training},
        )
        given = contribution and ContributionConfig(**contribution)
        config = config.model_copy(update={"costs": costs, "contribution": given})
        write_config(config, tmp_path / "best.yaml")
        return tmp_path / "best.yaml"

    return write
