import copy
import logging
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from progsearch.contribution import Probe, get_metric
from progsearch.models.anatomy import Anatomy
from tests.support.probes import tiny_probe
from tests.support.tiny import tiny_batch, tiny_model


class _Block(nn.Module):
    def __init__(self, can_learn):
        super().__init__()
        self.dense = nn.Linear(8, 8)
        self.gate = float(can_learn)

    def forward(self, states):
        return states + self.gate * self.dense(states)


class _OneBlockLearns(nn.Module):
    def __init__(self, learner):
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(64, 8)
        self.blocks = nn.ModuleList(_Block(index == learner) for index in range(3))
        self.classifier = nn.Linear(8, 2)

    def forward(self, input_ids, attention_mask, labels):
        states = self.embedding(input_ids)
        for block in self.blocks:
            states = block(states)
        logits = self.classifier(states.mean(1))
        return SimpleNamespace(loss=cross_entropy(logits, labels), logits=logits)


@pytest.mark.parametrize("learner", [0, 1, 2])
def test_finds_the_only_block_that_can_learn(learner):
    batch = tiny_batch(8, 6)
    probe = Probe(
        model=_OneBlockLearns(learner),
        anatomy=Anatomy(("blocks.0", "blocks.1", "blocks.2"), ("embedding",), ("classifier",)),
        batches=[batch],
        train_batches=[batch] * 10,
        seed=0,
    )
    scores = get_metric("solo").scores(probe)
    others = [score for block, score in enumerate(scores) if block != learner]
    # Embeddings and head learn in every run, and from the same start.
    assert others[0] == others[1] > 0
    assert scores[learner] > 1.2 * others[0]


def test_is_the_gain_of_training_embeddings_block_and_head():
    probe = tiny_probe(tiny_model("gpt2"))
    expected = []
    for block in probe.anatomy.blocks:
        model = copy.deepcopy(probe.model)
        for name, parameter in model.named_parameters():
            in_another_block = ".h." in name and not name.startswith(f"{block}.")
            parameter.requires_grad_(not in_another_block)
        trained = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=1e-4, weight_decay=0.0)
        for batch in probe.train_batches:
            optimizer.zero_grad()
            model(**batch).loss.backward()
            nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
        with torch.no_grad():
            losses = [
                cross_entropy(model(**b).logits, b["labels"], reduction="sum").item()
                for b in probe.batches
            ]
        expected.append(probe.loss() - sum(losses) / 6)
    assert get_metric("solo").scores(probe) == pytest.approx(expected, abs=1e-6)
    assert max(map(abs, expected)) > 1e-4


def test_reports_progress(caplog):
    with caplog.at_level(logging.INFO, logger="progsearch"):
        get_metric("solo").scores(tiny_probe())
    assert [record.getMessage()[:18] for record in caplog.records] == [
        f"solo: block {block} of 3" for block in (1, 2, 3)
    ]
