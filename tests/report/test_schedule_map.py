"""Schedules as plain text."""

from progsearch.report.schedule_map import schedule_map
from progsearch.schedule import Schedule, Stage


def test_neighbours_that_are_trained_together_share_a_line():
    stages = (
        Stage(0.0, 0.1, (0, 1, 2, 3), embeddings=True),
        Stage(0.1, 0.4, (1, 2, 3), embeddings=False, head=False),
        Stage(0.4, 1.0, (3,), embeddings=False),
    )
    assert schedule_map(Schedule(4, stages)).splitlines() == [
        "head        ### ......... ##################",
        "block 3     ### ######### ##################",
        "blocks 1–2  ### ######### ..................",
        "block 0     ### ......... ..................",
        "embeddings  ### ......... ..................",
        "",
        "stage 1, 0 to 10 %: trains the embeddings, blocks 0–3 and the head",
        "stage 2, 10 to 40 %: trains blocks 1–3",
        "stage 3, 40 to 100 %: trains block 3 and the head",
    ]
