import logging
import subprocess
import sys
from importlib.metadata import entry_points
from unittest.mock import Mock

import pytest
import torch

from progsearch import registry
from progsearch.config import METHODS, SAMPLERS
from progsearch.contribution import METRICS, base, get_metric, metric_names
from progsearch.errors import MetricError
from tests.support.plugins import example_of
from tests.support.probes import tiny_probe

BUILT_IN = [
    "depth",
    "random",
    "grad_norm",
    "relative_grad_norm",
    "fisher",
    "taylor",
    "block_influence",
    "leave_one_out",
    "solo",
]

PLUGIN = """
from progsearch.contribution import ContributionMetric

class Flat(ContributionMetric):
    name = "flat"
    description = "all blocks alike"

    def scores(self, probe):
        return [1.0] * probe.n_blocks

class Misnamed(Flat):
    name = "other"

class Unfinished(ContributionMetric):
    name = "unfinished"

NOT_A_METRIC = 3
"""


@pytest.fixture
def plugin(install_plugin):
    """Installs a package with the given entry points; returns the function that does."""
    return lambda **entries: install_plugin("progsearch.metrics", entries, PLUGIN)


def test_lists_every_built_in_metric_with_one_line():
    names = dict(metric_names())
    assert list(names) == BUILT_IN
    assert all(text and "\n" not in text for text in names.values())
    assert [get_metric(name).name for name in BUILT_IN] == BUILT_IN


def test_listing_imports_no_heavy_library():
    code = (
        "import sys; from progsearch.contribution import metric_names; assert metric_names();"
        "print([m for m in ('torch', 'transformers', 'datasets', 'ray') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_depth_ascends_and_random_follows_the_seed():
    assert get_metric("depth").scores(tiny_probe()) == pytest.approx([1 / 3, 2 / 3, 1])
    one, other = (get_metric("random").scores(tiny_probe(seed=seed)) for seed in (1, 2))
    assert one != other
    assert all(0 <= score < 1 for score in one + other)


def test_unknown_metric_suggests_the_nearest():
    with pytest.raises(MetricError, match=r"'fischer'; did you mean fisher\?"):
        get_metric("fischer")


def test_unknown_metric_unlike_any_other_lists_all():
    with pytest.raises(MetricError, match="choose one of depth, random, .*, solo$"):
        get_metric("zzz")


def test_the_example_of_the_contract_is_a_metric(install_plugin):
    entries = {"mean_weight": "progsearch_plugin:MeanWeight"}
    install_plugin("progsearch.metrics", entries, example_of(base))
    probe = tiny_probe()
    block = torch.cat([p.detach().flatten() for p in probe.parameters(2)])
    scores = get_metric("mean_weight").scores(probe)
    assert scores[2] == pytest.approx(block.abs().mean().item(), rel=1e-5)


def test_another_package_adds_a_metric(plugin):
    plugin(flat="progsearch_plugin:Flat")
    assert ("flat", "all blocks alike") in metric_names()
    assert get_metric("flat").scores(tiny_probe()) == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("progsearch_plugin:Missing", "cannot be loaded: AttributeError"),
        ("no_such_module_here:Flat", "cannot be loaded: ModuleNotFoundError"),
        ("progsearch_plugin:NOT_A_METRIC", "not a subclass of progsearch.contribution.base.Con"),
        ("progsearch_plugin:Unfinished", "does not define description, scores; fix its package"),
        ("progsearch_plugin:Misnamed", "must have its entry point's name"),
    ],
)
def test_a_broken_package_is_named_and_does_not_hide_the_others(plugin, value, reason):
    plugin(flat=value)
    with pytest.raises(MetricError, match=reason):
        get_metric("flat")
    listed = dict(metric_names())
    assert list(listed) == [*BUILT_IN, "flat"]
    assert reason in listed["flat"]


def test_another_package_cannot_take_over_a_built_in_name(plugin, caplog):
    plugin(depth="progsearch_plugin:Flat")
    with caplog.at_level(logging.WARNING, logger="progsearch"):
        assert [name for name, _ in metric_names()] == BUILT_IN
    assert "progsearch_plugin:Flat takes the name" in caplog.text
    assert get_metric("depth").scores(tiny_probe()) != [1.0, 1.0, 1.0]


def test_all_registries_read_the_entry_points_once_and_again_after_the_path_changed(
    plugin, tmp_path, monkeypatch
):
    read = Mock(wraps=entry_points)
    monkeypatch.setattr(registry, "entry_points", read)
    monkeypatch.syspath_prepend(tmp_path / "not read yet")
    assert [kind for kind in (METRICS, METHODS, SAMPLERS) if "flat" in kind.names()] == []
    assert read.call_count == 1
    plugin(flat="progsearch_plugin:Flat")
    assert [kind for kind in (METRICS, METHODS, SAMPLERS) if "flat" in kind.names()] == [METRICS]
    assert read.call_count == 2
