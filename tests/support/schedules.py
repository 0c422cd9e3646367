"""Random schedules for hypothesis."""

import itertools

from hypothesis import strategies as st

from progsearch.schedule import Schedule, Stage


@st.composite
def schedules(draw, parts):
    """Stages of 3 blocks that train any, with and without the embeddings; parts may thaw.

    Args:
        draw: Of hypothesis.
        parts: Stages end at multiples of 1 / ``parts`` of the training.
    """
    ends = sorted(draw(st.sets(st.integers(1, parts - 1), max_size=2)))
    bounds = [0.0, *(end / parts for end in ends), 1.0]
    return Schedule(
        3,
        tuple(
            Stage(
                start,
                end,
                tuple(sorted(draw(st.sets(st.integers(0, 2))))),
                embeddings=draw(st.booleans()),
            )
            for start, end in itertools.pairwise(bounds)
        ),
    )
