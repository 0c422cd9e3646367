"""A short campaign of kills; the long one is `python -m tests.faults.campaign`."""

import random

import pytest

from tests.faults.campaign import Campaign


@pytest.mark.slow
def test_eight_kills_lose_nothing(tmp_path):
    campaign = Campaign(tmp_path, random.Random(0))
    campaign.run(8)
    assert campaign.faults == []
    assert campaign.kills.total() == 8
