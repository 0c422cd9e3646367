"""Training is the same with any of the shortcuts left out, and the loop knows none of them."""

from contextlib import contextmanager
from typing import Any

import pytest
import torch

from progsearch.engine.shortcuts.base import Shortcut
from progsearch.engine.shortcuts.frozen_prefix import FrozenPrefix
from progsearch.engine.shortcuts.head_token import HeadToken
from progsearch.engine.shortcuts.occurring_rows import OccurringRows
from progsearch.engine.shortcuts.unread_embeddings import UnreadEmbeddings
from tests.support.runs import four_block_bert, three_stages, tiny_engine, tiny_split, weights

NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
# Products of other shapes round differently, and the norm of gradients is added up in another
# order; nothing else may differ.
TOLERANCE: dict[str, Any] = {"rtol": 1e-4, "atol": 1e-5}


def train(**settings):
    # Dropout would draw its random numbers for fewer tokens.
    engine, model = tiny_engine(
        three_stages(4), four_block_bert(**NO_DROPOUT), learning_rate=1e-3, **settings
    )
    engine.advance(5)
    # Of tokens that occur in training.
    split = tiny_split().subset(range(10))
    engine.predict(split)
    engine.advance(engine.total_steps)
    predicted = engine.predict(split)
    engine.finish()
    return weights(model), predicted


@pytest.mark.parametrize(
    "without",
    [
        [Shortcut],
        [OccurringRows],
        [HeadToken],
        [UnreadEmbeddings],
        [FrozenPrefix],
    ],
)
def test_any_of_them_can_be_left_out(without):
    used = train(rows=True)
    torch.testing.assert_close(used, train(rows=True, without=without), **TOLERANCE)


class Told(Shortcut):
    """Writes down what the engine tells."""

    def __init__(self, told):
        self.told = told

    def enter_stage(self, start):
        self.told.append(("stage", start.first, start.end, start.step, start.frozen_since))

    def prepare(self, split, indices, forward):
        self.told.append(("prepare", len(indices)))

    def step(self, batches, rows, update):
        self.told.append("step")

    @contextmanager
    def around(self, batch, rows, inputs):
        self.told.append("pass")
        yield

    def forget(self):
        self.told.append("forget")

    def finish(self, decay):
        self.told.append("finish")


def test_a_shortcut_is_told_what_happens_in_this_order():
    told = []
    engine, _ = tiny_engine(three_stages(4), without=[Shortcut], epochs=3)
    engine.shortcuts.all = (Told(told),)
    engine.advance(4)
    engine.predict(tiny_split(8))
    engine.advance(5)
    step = ["step", "pass"]
    assert told == [
        *[("stage", 0, 3, 0, 0), ("prepare", 24), *3 * step],
        *[("stage", 3, 6, 3, 3), ("prepare", 8), *step],
        *[("prepare", 8), "pass"],
        *[("prepare", 8), *step],
    ]
    told.clear()
    engine.restore(4, [engine.state(())])
    engine.advance(5)
    engine.finish()
    assert told == ["forget", ("stage", 3, 6, 4, 3), ("prepare", 8), *step, "finish"]


def test_a_step_that_a_shortcut_makes_is_not_made_again():
    class Makes(Shortcut):
        def step(self, batches, rows, update):
            return lambda: update(batches, rows)

    def trained(*shortcuts):
        engine, model = tiny_engine(three_stages(4), without=[Shortcut])
        engine.shortcuts.all = shortcuts
        engine.advance(4)
        return weights(model)

    if torch.cuda.is_available():
        pytest.skip("its rows are on the CPU")
    torch.testing.assert_close(trained(Makes()), trained(), rtol=0, atol=0)
