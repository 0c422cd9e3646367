"""Small engines for the tests of training."""

import numpy as np
import torch

from progsearch.config import RunConfig, TrainingConfig, method_of
from progsearch.costs import steps_per_epoch
from progsearch.engine.loop import Engine
from progsearch.engine.shortcuts.frozen_prefix import FrozenPrefix
from progsearch.engine.shortcuts.usual import usual_shortcuts
from progsearch.methods import apply_method
from progsearch.models.anatomy import find_anatomy
from progsearch.schedule import Schedule, Stage
from progsearch.schedule.plan import SegmentPlan
from progsearch.tasks import Split
from progsearch.tasks.split import IGNORED
from tests.support.tiny import tiny_model

VOCABULARY = 64
# Where there is a GPU, all tests of training run on it.
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def tiny_split(n_examples=24, seed=0, n_labels=2, pad_id=0):
    generator = np.random.default_rng(seed)
    lengths = generator.integers(4, 12, size=n_examples)
    ids = generator.integers(5, VOCABULARY, size=lengths.sum())
    labels = generator.integers(0, n_labels, size=n_examples)
    return Split(ids, lengths, {"labels": labels}, pad_id=pad_id)


def tiny_span_split(n_examples=24, seed=0, pad_id=0):
    """Windows of which each has a first and a last token as targets, some of them the first."""
    of_rows = tiny_split(n_examples, seed, pad_id=pad_id)
    generator = np.random.default_rng(seed)
    starts = generator.integers(0, of_rows.lengths)
    ends = np.minimum(starts + generator.integers(0, 3, n_examples), of_rows.lengths - 1)
    targets = {"start_positions": starts, "end_positions": ends}
    return Split(of_rows.ids, of_rows.lengths, targets, pad_id=pad_id, keeps_tokens=True)


def tagged_split(n_examples=24, seed=0, n_tags=3, pad_id=0):
    """A target for about half of the tokens, another number of them in each row."""
    plain = tiny_split(n_examples, seed, pad_id=pad_id)
    generator = np.random.default_rng(seed + 1000)
    tags = generator.integers(0, n_tags, size=plain.lengths.sum())
    tags[generator.random(len(tags)) < 0.5] = IGNORED
    # No row is without any.
    tags[np.cumsum(plain.lengths) - 1] = generator.integers(0, n_tags, size=n_examples)
    return Split(plain.ids, plain.lengths, {"labels": tags}, per_token=True, pad_id=pad_id)


def language_split(n_examples=24, seed=0, pad_id=0):
    """Rows of a language model: the last tokens of each are targets, at least one."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(4, 12, size=n_examples)
    ids = generator.integers(5, VOCABULARY, size=lengths.sum())
    prompts = generator.integers(1, lengths)
    starts = np.cumsum(lengths) - lengths
    place = np.arange(lengths.sum()) - np.repeat(starts, lengths)
    labels = np.where(place < np.repeat(prompts, lengths), IGNORED, ids)
    return Split(ids, lengths, {"labels": labels}, per_token=True, pad_id=pad_id)


def tiny_engine(
    schedule,
    model=None,
    *,
    split=None,
    method="full",
    prefix_cache=True,
    store=None,
    rows=False,
    without=(),
    ranks=None,
    **training,
):
    """An engine with its model.

    ``rows``: whether the vocabulary is reduced to the rows that occur.
    """
    model = four_block_bert() if model is None else model
    anatomy = find_anatomy(model)
    trainable = apply_method(model, anatomy, method_of(method), seed=0)
    given = {"epochs": 3, "batch_size": 8, "learning_rate": 1e-2, "precision": "fp32"}
    settings = TrainingConfig(**given | training)
    split = tiny_split(pad_id=model.config.pad_token_id) if split is None else split
    shortcuts = usual_shortcuts(
        model.to(DEVICE),
        anatomy,
        settings.precision,
        trained=trainable.names(*schedule.stages) if rows else (),
        splits=[split],
        store=store,
        left_out=[*without, *([] if prefix_cache else [FrozenPrefix])],
    )
    epoch = steps_per_epoch(len(split), settings.batch_size, settings.gradient_accumulation)
    engine = Engine(
        model,
        anatomy,
        trainable,
        SegmentPlan(schedule, epoch, settings.epochs),
        settings,
        split,
        shortcuts=shortcuts,
        ranks=ranks,
    )
    return engine, model


def shortcut(engine, kind):
    """The engine's shortcut of a kind; None if it has none."""
    return next((s for s in engine.shortcuts.all if isinstance(s, kind)), None)


def four_block_bert(**overrides):
    return tiny_model("bert", num_hidden_layers=4, **overrides)


def weights(model):
    return {name: tensor.clone().cpu() for name, tensor in model.state_dict().items()}


def changed(before, after):
    """Names of the tensors that differ in any bit."""
    return {name for name in before if not torch.equal(before[name], after[name])}


def three_stages(n_blocks):
    """First all, then the upper blocks without embeddings, then only the last block."""
    return Schedule(
        n_blocks,
        (
            Stage(0.0, 1 / 3, tuple(range(n_blocks)), embeddings=True),
            Stage(1 / 3, 2 / 3, tuple(range(1, n_blocks)), embeddings=False),
            Stage(2 / 3, 1.0, (n_blocks - 1,), embeddings=False),
        ),
    )


def config_of(files, schedule=None, method="full", **training):
    model, task = files
    settings = {"epochs": 3, "batch_size": 8, "learning_rate": 1e-2, "precision": "fp32"}
    return RunConfig(
        progsearch_version="0",
        model=model,
        task=task,
        method=method_of(method),
        training=TrainingConfig(**settings | training),
        stages=(schedule or three_stages(3)).to_dicts(),
    )


def finish(run):
    records = list(run.records())
    run.finish()
    return records, run.result()


def tiny_choice_split(n_examples=24, seed=0, pad_id=0, n_choices=3):
    """Rows of several sequences of different lengths, of which one is right."""
    sequences = tiny_split(n_examples * n_choices, seed, pad_id=pad_id)
    labels = np.random.default_rng(seed).integers(0, n_choices, size=n_examples)
    targets = {"labels": labels}
    lengths = sequences.sequence_lengths
    return Split(sequences.ids, lengths, targets, pad_id=pad_id, n_choices=n_choices)
