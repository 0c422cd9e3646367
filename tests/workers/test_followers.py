"""The processes that train a trial with its worker: their group, their deaths, their errors."""

import os
import threading
from types import SimpleNamespace

import pytest
import ray
from ray.exceptions import RayActorError, RayTaskError
from ray.util import placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from progsearch.errors import RankLost
from progsearch.strategy.source import Failed
from progsearch.workers import followers
from progsearch.workers.followers import Followers
from progsearch.workers.worker import TrialWorker

DEATH = "The actor died. Worker exit detail: Worker exits with SIGKILL. Some common causes include"


def failed(error):
    return RayTaskError("follow", "traceback", error)


def wait(calls, num_returns=1, timeout=None):
    return calls[:num_returns], calls[num_returns:]


@pytest.fixture
def following(monkeypatch):
    """Followers whose calls ended with these errors, or None."""

    def following(*errors):
        found = object.__new__(Followers)
        found._following, found._watch = errors, None
        return found

    monkeypatch.setattr(followers, "_error_of", lambda reference: reference)
    monkeypatch.setattr("ray.wait", wait)
    return following


def test_a_dead_follower_is_the_reason(following):
    lost = RankLost("a connection was closed")
    reason = following(None, RayActorError(error_msg=DEATH)).why(lost)
    assert isinstance(reason, RankLost)
    assert str(reason) == f"{followers.GONE}: Worker exits with SIGKILL."
    assert following(None, None).why(lost) is lost


def test_the_own_error_of_a_follower_is_no_loss(following):
    error = LookupError("no such name")
    assert following(None, failed(error)).why(RankLost("")) is error


def test_what_a_lost_follower_means_for_a_trial(following):
    worker = object.__new__(TrialWorker)
    worker._followers = following(RayActorError(error_msg=DEATH))
    with pytest.raises(RankLost, match="SIGKILL"):
        worker._failure(RankLost(""))
    worker._followers = following(failed(LookupError("no such name")))
    assert worker._failure(RankLost("")) == Failed("LookupError: no such name")


def test_a_process_that_waits_for_a_dead_one_is_ended(following, monkeypatch):
    ended = threading.Event()
    monkeypatch.setattr(os, "_exit", lambda code: ended.set())
    monkeypatch.setattr(followers, "_SECONDS_TO_NOTICE", 0.05)
    followers._Watch([None, None])
    followers._Watch([None, RayActorError(error_msg=DEATH)])
    assert ended.wait(5)
    ended.clear()
    watch = followers._Watch([RayActorError(error_msg=DEATH)])
    watch.stop()
    assert not ended.wait(0.2)


# -- with Ray --------------------------------------------------------------------------------


class Worker:
    """As Tune's actor."""

    def __init__(self, log):
        self.followers = Followers(log)

    def begin(self, number):
        self.ranks = self.followers.begin(number)
        return self.ranks.size, self.ranks.is_open

    def end(self):
        self.followers.end()

    def leave(self):
        self.ranks.close()

    def kill_follower(self):
        ray.kill(self.followers._actors[0])

    def send(self):
        try:
            self.ranks.send(SimpleNamespace(run=1))
        except RankLost as error:
            return str(self.followers.why(error))
        return None


@pytest.fixture
def worker(tmp_path):
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    group = placement_group([{"CPU": 1}] * 2, strategy="STRICT_PACK")
    place = PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=0)
    kind = ray.remote(Worker).options(num_cpus=1, scheduling_strategy=place)
    yield kind.remote(str(tmp_path / "log"))
    remove_placement_group(group)
    ray.shutdown()


@pytest.mark.slow
def test_a_group_lasts_for_many_trials_and_is_made_again_if_it_was_left(worker):
    def ask(what, *arguments):
        return ray.get(getattr(worker, what).remote(*arguments), timeout=90)

    for number in range(3):
        assert ask("begin", number) == (2, True)
        ask("end")
        ask("end")
    ask("begin", 3)
    ask("leave")
    ask("end")
    assert ask("begin", 4) == (2, True)
    ask("kill_follower")
    assert followers.GONE in ask("send")
