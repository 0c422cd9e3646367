"""Keys of stored work cover all it depends on: configs that differ in a field share nothing.

The fields are those of the config's classes. One that is new fails here until its key changes with
it, or until it is left out below with the reason.
"""

from __future__ import annotations

import csv
import inspect
from dataclasses import asdict, fields, replace
from typing import Any

import numpy as np
import pytest
import torch

from progsearch.cache import cache_dir
from progsearch.config import (
    METHODS,
    ContributionConfig,
    Recipe,
    RunConfig,
    TaskConfig,
    method_of,
)
from progsearch.contribution import ProbeSettings, contribution_scores_many
from progsearch.contribution.scores import scoring
from progsearch.models.loading import load_tokenizer
from progsearch.schedule import Schedule
from progsearch.store import Store
from progsearch.tasks import load_task
from progsearch.tasks.examples import Examples
from progsearch.tasks.passages import Passages
from progsearch.tasks.split import Split
from progsearch.tasks.unseen import UnseenWords
from progsearch.training import TrainingRun, describe
from progsearch.training.assembly import assemble
from progsearch.training.segments import ENVIRONMENT
from progsearch.version import libraries
from tests.support.changing import with_each_field_changed
from tests.support.runs import config_of, finish
from tests.support.tiny import save_tiny

WORDS = ("good", "bad", "film", "plot")

# Fields that do not affect the steps of a run.
RUN_LEFT_OUT = {
    "progsearch_version": "counters in version.py say when numbers change",
    "contribution": "the stages say which blocks were chosen; see the scores below",
    "costs": "not read",
    "results": "not read",
    "understood": "not read",
    "method": "changed in each of its own fields",
    "training": "changed in each of its own fields",
    "task": "changed in each of its own fields",
    "stages": "changed in each of their own fields",
}
TRAINING = {"precision": "bf16", "frozen_dtype": "bf16"}
TRAINING_LEFT_OUT = {
    "gradient_checkpointing": "gives the same bits; see tests/engine/test_checkpointing.py",
}
# For files only the content matters, not the path.
TASK_LEFT_OUT = {
    "name": "what files are called; for a task of GLUE see below",
    "data_dir": "refused for files; see below",
    **dict.fromkeys(("separator", "encoding", "sheet"), "decide which texts are read"),
    "drop_missing": "decides which rows are read",
    "doc_stride": "is refused for other types than span, whose tokens show it",
    **dict.fromkeys(("general_file", "answer_pattern"), "refused for classes"),
}


# Recipe fields that decide which configs are run, but not the result of a run.
RECIPE_LEFT_OUT = {
    "understood": "says what the data holds, for people",
    **dict.fromkeys(
        ("study", "storage", "storage_timeout", "address", "reconnect", "store"),
        "where it is kept",
    ),
    "log_to": "where it is watched",
    **dict.fromkeys(("space", "methods", "warm_start"), "which runs are possible"),
    **dict.fromkeys(
        ("sampler", "candidates", "objectives", "seeds", "front_seeds"), "which are chosen"
    ),
    **dict.fromkeys(("max_updated", "min_metric", "max_memory"), "which are chosen"),
    **dict.fromkeys(("budget", "time_limit", "max_gpu_hours", "patience"), "how many"),
    **dict.fromkeys(("scheduler",), "how far they are trained"),
    **dict.fromkeys(
        ("parallel", "gpus_per_trial", "processes_per_trial"),
        "threads, hardware and the number of processes are in the keys",
    ),
    **dict.fromkeys(("reuse", "reuse_budget"), "whether the keys are used"),
    **dict.fromkeys(("prefix_cache",), "decides how the same numbers are rounded, by 1e-6"),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A function that writes a table of two texts and two labels, and one that saves a model."""
    folder = tmp_path_factory.mktemp("keys")

    def table(name, seed, longer=0):
        draw = np.random.default_rng(seed)
        with (folder / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "other", "label", "level"])
            for i in range(24):
                words = draw.choice(WORDS, 12)
                length = longer + int(draw.integers(2, 5))
                texts = words[:length], words[: length + 3]
                writer.writerow([*map(" ".join, texts), i % 2, i % 3])
        return str(folder / f"{name}.csv")

    def model(name, **overrides):
        return str(save_tiny(folder / name, WORDS, **overrides))

    return table, model


@pytest.fixture(scope="module")
def task(files):
    table, _ = files
    return TaskConfig(
        name="own",
        train_file=table("train", 0),
        validation_file=table("validation", 1),
        test_file=table("test", 2),
        text_columns=("text",),
        label_column="label",
    )


@pytest.fixture(scope="module")
def other_tasks(files, task):
    """The task with each field changed."""
    table, _ = files
    given = {
        "type": "regression",
        "train_file": table("train-2", 3, longer=2),
        "validation_file": table("validation-2", 4),
        "test_file": table("test-2", 5),
        "text_columns": ("other",),
        "label_column": "level",
        "metric": "f1_macro",
        "positive_class": "0",
        "max_train_samples": 8,
        "max_length": 4,
    }
    return with_each_field_changed(task, given, TASK_LEFT_OUT)


@pytest.fixture(scope="module")
def config(files, task):
    _, model = files
    schedule = Schedule.from_dicts(
        [
            {"start": 0.0, "end": 0.5, "trainable_blocks": (0, 1, 2), "embeddings": True},
            {"start": 0.5, "end": 1.0, "trainable_blocks": (2,), "embeddings": False},
        ],
        3,
    )
    return config_of((model("model"), task), schedule)


def lineage_of(config):
    return assemble(config, device="cpu", store=None, prefix_cache=True).lineage


def key_of(config):
    """The key of the state after the last step."""
    lineage = lineage_of(config)
    return lineage.key(lineage.plan.total_steps)


def all_differ(keys, base):
    """Assert that all these keys differ from ``base``."""
    assert {name for name, key in keys.items() if key == base} == set()


# -- segments, with the evaluations at their ends ----------------------------------------------


def test_segments_follow_every_field_of_the_training(config):
    training = with_each_field_changed(config.training, TRAINING, TRAINING_LEFT_OUT)
    first = lineage_of(config).key(1)
    all_differ(
        {
            n: lineage_of(config.model_copy(update={"training": t})).key(1)
            for n, t in training.items()
        },
        first,
    )


def test_what_gives_the_same_bits_shares_segments(config):
    def with_training(**changed):
        training = config.training.model_copy(update=changed)
        return config.model_copy(update={"training": training})

    for precision in ("fp32", "bf16"):
        plain = lineage_of(with_training(precision=precision))
        same: list[dict[str, Any]] = [{"frozen_dtype": "fp32"}, {"gradient_checkpointing": True}]
        # Autocast rounds the weights of linear layers in any case.
        same += [{"frozen_dtype": "bf16"}] if precision == "bf16" else []
        for changed in same:
            other = lineage_of(with_training(precision=precision, **changed))
            assert other.key(1) == plain.key(1)
            assert other.origin(0) == plain.origin(0)
    rounded = lineage_of(with_training(precision="fp32", frozen_dtype="bf16"))
    assert rounded.origin(0) != lineage_of(with_training(precision="fp32")).origin(0)


def test_segments_follow_every_field_of_the_task(config, other_tasks):
    tasks = {n: config.model_copy(update={"task": t}) for n, t in other_tasks.items()}
    all_differ(
        {name: lineage_of(run).key(1) for name, run in tasks.items()}, lineage_of(config).key(1)
    )


def test_segments_follow_every_method_and_its_settings(config):
    keys = []
    for method in METHODS:
        settings = method()
        changed = with_each_field_changed(settings).values()
        for each in (settings, *changed):
            keys.append(lineage_of(config.model_copy(update={"method": each})).key(1))
    assert len(set(keys)) == len(keys) > len(list(METHODS))


def test_segments_follow_every_field_of_the_stages(config):
    first, last = config.stages
    changed = with_each_field_changed(
        first,
        {"trainable_blocks": (0, 2), "end": 0.25},
        {"start": "the first stage begins at 0, others where the one before ends"},
    )
    keys = {}
    for name, stage in changed.items():
        stages = (stage, last.model_copy(update={"start": stage.end}))
        keys[name] = key_of(config.model_copy(update={"stages": stages}))
    all_differ(keys, key_of(config))


def test_a_recipe_has_nothing_else_that_decides_a_run():
    in_both = RunConfig.model_fields.keys() & Recipe.model_fields.keys()
    in_runs = in_both - RECIPE_LEFT_OUT.keys()
    assert in_runs == {"model", "task", "training"}
    assert Recipe.model_fields.keys() == in_runs | RECIPE_LEFT_OUT.keys()


def test_segments_follow_the_rest_of_the_run(config, files):
    _, model = files
    changed = with_each_field_changed(config, {"model": model("other", seed=1)}, RUN_LEFT_OUT)
    all_differ({name: key_of(run) for name, run in changed.items()}, key_of(config))


@pytest.mark.parametrize(
    "overrides", [{"layer_norm_eps": 1e-3}, {"hidden_act": "relu"}, {"hidden_dropout_prob": 0.2}]
)
def test_segments_follow_the_config_of_the_model(overrides, config, files):
    _, model = files
    other = model("-".join(overrides), **overrides)
    assert key_of(config.model_copy(update={"model": other})) != key_of(config)


def test_what_is_left_out_changes_nothing(config, files):
    _, model = files
    contribution = ContributionConfig(metric="taylor", scores=(1.0, 2.0, 3.0))
    values = {
        "progsearch_version": "9",
        "contribution": contribution,
        "costs": {"flops": 1},
        "results": {"value": 1},
        "model": model("copy"),
        "task": config.task.model_copy(update={"name": "another"}),
    }
    for name, value in values.items():
        assert key_of(config.model_copy(update={name: value})) == key_of(config), name


def test_segments_follow_threads_and_libraries(config, monkeypatch):
    keys = {lineage_of(config).key(1)}
    torch.set_num_threads(2)
    keys.add(lineage_of(config).key(1))
    torch.set_num_threads(1)
    assert set(libraries()) < set(ENVIRONMENT)
    monkeypatch.setattr("progsearch.training.lineages.ENVIRONMENT", ("another",))
    keys.add(lineage_of(config).key(1))
    monkeypatch.setattr("progsearch.training.lineages.arithmetic", lambda device: ["another"])
    keys.add(lineage_of(config).key(1))
    assert len(keys) == 4


def test_two_packages_may_have_a_method_of_one_name():
    kinds = []
    for module in ("one", "two"):
        kinds.append(type("Norms", (type(method_of()),), {"__module__": module}))
    one, two = (kind() for kind in kinds)
    assert one.own_fields() == two.own_fields()
    assert one.identity != two.identity


def test_a_task_of_glue_follows_its_name_and_its_folder(tmp_path):
    save_tiny(tmp_path / "model", WORDS)
    tokenizer = load_tokenizer(str(tmp_path / "model"))
    for place, word in (("one", "film"), ("two", "plot")):
        for name, header in (
            ("RTE", "index\tsentence1\tsentence2\tlabel"),
            ("WNLI", "index\tsentence1\tsentence2\tlabel"),
        ):
            folder = tmp_path / place / name
            folder.mkdir(parents=True)
            labels = ("entailment", "not_entailment") if name == "RTE" else ("0", "1")
            rows = [f"{i}\tgood {word}\tbad\t{labels[i % 2]}" for i in range(8)]
            for split in ("train", "dev"):
                (folder / f"{split}.tsv").write_text("\n".join([header, *rows]) + "\n")
    base = TaskConfig(name="rte", data_dir=str(tmp_path / "one"))
    others = {"name": "wnli", "data_dir": str(tmp_path / "two")}
    assert others.keys() <= TASK_LEFT_OUT.keys()
    keys = {
        name: load_task(base.model_copy(update={name: value}), tokenizer).fingerprint
        for name, value in others.items()
    }
    all_differ(keys, load_task(base, tokenizer).fingerprint)


# -- states of frozen prefixes -------------------------------------------------------------------


def test_prefix_states_follow_what_decides_the_weights_before_the_first_step(config, files):
    _, model = files
    changed = {
        "model": config.model_copy(update={"model": model("other", seed=1)}),
        "method": config.model_copy(update={"method": method_of("lora")}),
        "precision": config.model_copy(
            update={"training": config.training.model_copy(update={"precision": "bf16"})}
        ),
    }
    all_differ(
        {n: lineage_of(run).origin(0) for n, run in changed.items()}, lineage_of(config).origin(0)
    )
    torch.set_num_threads(2)
    threads = lineage_of(config).origin(0)
    torch.set_num_threads(1)
    assert threads != lineage_of(config).origin(0)
    # No other field does: every method starts from the pre-trained model.
    for name, training in with_each_field_changed(
        config.training, left_out={"precision": "above"}
    ).items():
        other = lineage_of(config.model_copy(update={"training": training}))
        assert other.origin(0) == lineage_of(config).origin(0), name


def test_prefix_states_that_froze_on_the_way_follow_the_training(config):
    changed = with_each_field_changed(config.training, TRAINING, TRAINING_LEFT_OUT)
    origins = {
        n: lineage_of(config.model_copy(update={"training": t})).origin(1)
        for n, t in changed.items()
    }
    all_differ(origins, lineage_of(config).origin(1))


def test_states_and_segments_follow_all_that_a_split_holds():
    def passages(first: int) -> Passages:
        offsets = np.full((4, 2), first, dtype=np.int32)
        return Passages(Examples((["who", "why"], ["ann", "bob"]), [(), ()]), offsets, np.zeros(2))

    given: dict[str, Any] = {
        "ids": np.array([5, 6, 7, 8]),
        "lengths": np.array([1, 3]),
        "targets": {"labels": np.array([0, 1])},
        "per_token": False,
        "token_types": np.array([0, 0, 1, 1]),
        "pad_id": 0,
        "example_of": np.array([0, 1]),
        "keeps_tokens": False,
        "passages": passages(0),
        "unseen": None,
        "n_choices": 1,
    }
    others: dict[str, Any] = {
        "ids": np.array([5, 6, 7, 9]),
        "lengths": np.array([2, 2]),
        "targets": {"labels": np.array([1, 1])},
        "per_token": {"per_token": True, "targets": {"labels": np.array([0, 1, 0, 1])}},
        "token_types": None,
        "pad_id": 1,
        "example_of": np.array([0, 0]),
        "keeps_tokens": True,
        "passages": passages(1),
        "unseen": UnseenWords(np.array([0]), np.array([1]), np.array([0])),
        "n_choices": 2,
    }
    assert set(inspect.signature(Split).parameters) == given.keys() == others.keys()
    keys = {
        name: Split(**given | (value if name == "per_token" else {name: value})).fingerprint()
        for name, value in others.items()
    }
    keys["kind"] = Split(**given | {"targets": {"labels": np.array([0.0, 1.0])}}).fingerprint()
    keys["name"] = Split(**given | {"targets": {"starts": np.array([0, 1])}}).fingerprint()
    all_differ(keys, Split(**given).fingerprint())
    assert len(set(keys.values())) == len(keys)


# -- contribution scores -------------------------------------------------------------------------

SMALL = ProbeSettings(train_examples=8, scored_examples=4, batch_size=4, head_passes=1)


def other_settings():
    """The probe's settings with each field changed."""
    return {
        field.name: replace(SMALL, **{field.name: 2 * getattr(SMALL, field.name)})
        for field in fields(SMALL)
    }


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """The number of entries of a kind that a call adds to the cache."""
    monkeypatch.setenv("PROGSEARCH_CACHE", str(tmp_path / "cache"))

    def count(kind, call):
        before = len(list(cache_dir(kind).iterdir()))
        call()
        return len(list(cache_dir(kind).iterdir())) - before

    return count


def test_scores_follow_every_field_they_depend_on(config, other_tasks, files, kept, monkeypatch):
    _, model = files

    def scored(ref=config.model, task=config.task, metric="random", seed=0, settings=SMALL):
        return kept(
            "contributions",
            lambda: contribution_scores_many(ref, task, [metric], seed=seed, settings=settings),
        )

    assert scored() == 1
    assert scored() == 0
    assert {name: scored(task=task) for name, task in other_tasks.items()} == dict.fromkeys(
        other_tasks, 1
    )
    settings = other_settings()
    assert {n: scored(settings=s) for n, s in settings.items()} == dict.fromkeys(settings, 1)
    assert scored(ref=model("other", seed=1)) == 1
    assert scored(metric="depth") == 1
    assert scored(seed=1) == 1
    monkeypatch.setattr("progsearch.contribution.scores.libraries", lambda: ("another",))
    assert scored() == 1
    monkeypatch.setattr("progsearch.contribution.scores._device_name", lambda device: "another")
    assert scored() == 1


def test_scores_on_the_way_follow_metric_and_probe():
    assert scoring("taylor") != scoring("fisher")
    all_differ(
        {n: scoring("taylor", s) for n, s in other_settings().items()}, scoring("taylor", SMALL)
    )
    assert asdict(ProbeSettings()) in scoring("taylor")


def test_scores_on_the_way_are_kept_by_metric_and_state(config, tmp_path):
    store = Store(tmp_path, budget=10**9)

    def new_scores(metric="taylor", **training):
        before = len(list(tmp_path.glob("*.json")))
        contribution = ContributionConfig(metric=metric, scores=(1.0, 2.0, 3.0), rescore=True)
        update = {
            "contribution": contribution,
            "training": config.training.model_copy(update=training),
        }
        with TrainingRun.from_config(config.model_copy(update=update), store=store) as run:
            finish(run)
        return len(list(tmp_path.glob("*.json"))) - before

    assert new_scores() > 1
    assert new_scores() == 0
    assert new_scores(metric="fisher") >= 1
    assert new_scores(learning_rate=5e-3) > 1


# -- costs ---------------------------------------------------------------------------------------

# Costs follow from the shapes of the model and of the training examples.
COSTS_LEFT_OUT = {
    "validation_file": "nothing is trained on it",
    "test_file": "nothing is trained on it",
    "metric": "is not trained",
    "positive_class": "is not trained",
    "max_train_samples": "the fewer examples may have the same lengths",
}


def test_costs_follow_what_they_are_measured_on(config, other_tasks, files, kept, monkeypatch):
    _, model = files

    def measured(ref=config.model, task=config.task, method=config.method):
        return kept("costs", lambda: describe(ref, task, method))

    assert measured() == 1
    assert measured() == 0
    assert COSTS_LEFT_OUT.keys() <= other_tasks.keys()
    tasks = {name: task for name, task in other_tasks.items() if name not in COSTS_LEFT_OUT}
    assert {name: measured(task=task) for name, task in tasks.items()} == dict.fromkeys(tasks, 1)
    assert measured(ref=model("wide", intermediate_size=64)) == 1
    for kind in METHODS:
        changed = with_each_field_changed(kind()) | ({"": kind()} if kind.name != "full" else {})
        counts = {name: measured(method=method) for name, method in changed.items()}
        assert counts == dict.fromkeys(changed, 1), kind.name
    monkeypatch.setattr("progsearch.training.model_costs.libraries", lambda: ("another",))
    assert measured() == 1


def test_costs_of_equal_mean_lengths_may_differ(tmp_path, files, kept):
    _, model = files
    ref = model("model")
    for name, lengths in (("even", (3, 3, 3, 3)), ("uneven", (1, 1, 5, 5))):
        rows = [f"{' '.join(['good'] * n)},{i % 2}" for i, n in enumerate(lengths)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    costs = {}
    for name in ("even", "uneven"):
        path = str(tmp_path / f"{name}.csv")
        task = TaskConfig(name="own", train_file=path, validation_file=path)
        assert (
            kept(
                "costs",
                lambda task=task: costs.setdefault(
                    task.train_file, describe(ref, task, method_of())
                ),
            )
            == 1
        )
    even, uneven = costs.values()
    assert even != uneven
