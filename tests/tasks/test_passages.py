from typing import Any

import numpy as np
import pytest

from progsearch.tasks.examples import Examples
from progsearch.tasks.passages import NOWHERE, Passages
from progsearch.tasks.split import Split

OFFSETS = np.array([[NOWHERE, NOWHERE], [0, 3], [NOWHERE, NOWHERE], [0, 3], [4, 9]], np.int32)


def passages(**changes):
    given: dict[str, Any] = {
        "examples": Examples((["who", "why"], ["ann sings"] * 2), [(("ann", 0),), ()]),
        "offsets": OFFSETS,
        "nulls": np.array([0, 0]),
    }
    return Passages(**given | changes)


@pytest.mark.parametrize(
    "change",
    [
        {"examples": Examples((["who", "how"], ["ann sings"] * 2), [(("ann", 0),), ()])},
        {"examples": Examples((["who", "why"], ["Ann sings"] * 2), [(("ann", 0),), ()])},
        {
            "examples": Examples(
                (["who", "why"], ["ann sings"] * 2), [(("ann", 0),), (("ann", 0),)]
            )
        },
        {"offsets": OFFSETS + 1},
        {"nulls": np.array([0, 1])},
    ],
)
def test_the_fingerprint_follows_everything(change):
    assert passages().fingerprint == passages().fingerprint
    assert passages().fingerprint != passages(**change).fingerprint


def test_a_subset_of_a_split_has_the_offsets_of_its_tokens():
    split = Split(np.arange(5), np.array([2, 3]), {}, passages=passages(), keeps_tokens=True)
    part = split.subset([1])
    assert part.keeps_tokens
    assert part.passages.offsets.tolist() == OFFSETS[2:].tolist()
    assert part.passages.examples is split.passages.examples
    assert split.without_token_types().passages is split.passages
