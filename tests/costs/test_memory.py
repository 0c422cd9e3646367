from dataclasses import replace

from progsearch.config import TrainingConfig
from progsearch.costs.memory import Bytes, ModelMemory, PartMemory
from progsearch.schedule import Schedule


def test_processes_share_the_rows_of_a_batch_and_nothing_else():
    per_row, none = Bytes(0.0, 1000.0), Bytes(0.0, 0.0)
    part = PartMemory(100, 50, 100, 200, 0, 0, per_row, per_row, per_row, none, none, none)
    alone = ModelMemory((part,) * 4, 0, 2, 1)
    training = TrainingConfig(batch_size=8)

    def of(ranks, training=training, examples=100):
        schedule = Schedule.full(2)
        return replace(alone, ranks=ranks).of(schedule, training, examples)

    # Weights and both moments of four parts, and what each row keeps in each.
    assert [of(ranks) for ranks in (1, 2, 4, 8)] == [
        4 * (300 + rows * 1000) for rows in (8, 4, 2, 1)
    ]
    # The first process has the row that is left over.
    assert of(3) == 4 * (300 + 3 * 1000)
    assert of(2, examples=3) == of(4)
