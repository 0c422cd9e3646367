"""Small schedules and what they train, for the tests of plans."""

from hypothesis import strategies as st

from progsearch.schedule import Schedule, Stage

# Of 3 epochs of 4 steps.
STEPS_PER_EPOCH, EPOCHS, TOTAL = 4, 3, 12


def trained_parts(schedule, end):
    """What is trained at each step up to ``end``."""
    return [
        stage.trains
        for first, last, stage in schedule.spans(TOTAL)
        for step in range(first, last)
        if step < end
    ]


schedules = st.lists(
    st.tuples(st.sampled_from([(0, 1), (1,), ()]), st.booleans()), min_size=1, max_size=4
).map(
    lambda stages: Schedule(
        2,
        tuple(
            Stage(i / len(stages), (i + 1) / len(stages), blocks, embeddings)
            for i, (blocks, embeddings) in enumerate(stages)
        ),
    )
)
