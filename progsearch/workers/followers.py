"""The processes that train trials together with their worker, one for each further GPU.

Tune reserves a *bundle* of processors and GPUs for each process of a trial. Its own actor, the
worker, is in the first one and leads (`progsearch.engine.ranks`); it starts an actor in each of
the others. Ray ends them with the worker, and with the reservation.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError
from ray.util import get_current_placement_group, get_node_ip_address
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from progsearch.errors import RankLost
from progsearch.internals.ray import exit_detail
from progsearch.workers.logs import name_trial
from progsearch.workers.process import prepare_process

if TYPE_CHECKING:
    from progsearch.training import Meeting, Ranks

_LOOPBACK = "127.0.0.1"
# Ray knows of a death some time after a broken connection shows it.
_SECONDS_TO_KNOW = 10
# How long after a death this process may still wait for the dead one.
_SECONDS_TO_NOTICE = 30.0

GONE = "a process that trains the same trial is gone"

_log = logging.getLogger(__name__)
# What only followers say; the rest of what they would say is said by the worker.
_OWN = (__name__, "progsearch.training.together")


class Follower:
    """A process that follows a worker, as a Ray actor.

    Args:
        log: The file for what happens in it.
    """

    def __init__(self, log: str) -> None:
        prepare_process(log)
        logging.getLogger("progsearch").setLevel(logging.ERROR)
        for name in _OWN:
            logging.getLogger(name).setLevel(logging.INFO)

    def address(self) -> str:
        """The address of its machine."""
        return str(get_node_ip_address())

    def join(self, rank: int, size: int, meeting: str) -> None:
        """Join a group; see `Ranks.join`."""
        from progsearch.training import Ranks

        self._ranks = Ranks.join(rank, size, meeting)

    def follow(self, number: int) -> None:
        """Train what the worker trains, until it dismisses its followers or is gone.

        Args:
            number: The number of the trial in its study.
        """
        from progsearch.training import follow

        name_trial(number)
        try:
            follow(self._ranks)
        except RankLost as error:
            _log.info("process %d: %s", self._ranks.rank, error)


class Followers:
    """The followers of this process, for one trial after the other.

    Args:
        log: The file for what happens in them.
    """

    def __init__(self, log: str) -> None:
        self._log = log
        self._actors = self._started()
        self._ranks: Ranks | None = None
        self._following: Sequence[Any] = ()
        self._watch: _Watch | None = None

    def begin(self, number: int) -> Ranks:
        """Have them follow in the runs of a trial.

        Args:
            number: The number of the trial in its study.

        Raises:
            RankLost: One of them is gone.
        """
        if self._ranks is not None and not self._ranks.is_open:
            # This process left the group within a run, and they may still wait for it.
            for actor in self._actors:
                ray.kill(actor)
            self._actors, self._ranks = self._started(), None
        meeting = None if self._ranks is not None else self._meeting()
        joining: list[Any] = []
        if meeting is not None:
            joining = [
                actor.join.remote(rank, self._size, meeting.address)
                for rank, actor in enumerate(self._actors, 1)
            ]
        self._following = [*joining, *(actor.follow.remote(number) for actor in self._actors)]
        self._watch = _Watch(self._following)
        if meeting is not None:
            from progsearch.training import Ranks

            self._ranks = Ranks.join(0, self._size, meeting)
        assert self._ranks is not None, "it was there, or this process has joined it"
        return self._ranks

    def end(self) -> None:
        """Have them free the memory of the trial's runs."""
        if self._watch is not None:
            self._watch.stop()
        if self._following and self._ranks is not None:
            self._following = ()
            # If one is gone, the group ends, and `begin` finds out.
            with suppress(RankLost):
                self._ranks.dismiss()

    @property
    def _size(self) -> int:
        return 1 + len(self._actors)

    def _started(self) -> list[Any]:
        group = get_current_placement_group()
        assert group is not None, "Tune's actors are in a placement group"
        return [
            ray.remote(Follower)
            .options(
                num_cpus=bundle.get("CPU", 0),
                num_gpus=bundle.get("GPU", 0),
                scheduling_strategy=PlacementGroupSchedulingStrategy(
                    group, placement_group_bundle_index=index
                ),
            )
            .remote(self._log)
            for index, bundle in enumerate(group.bundle_specs)
            if index
        ]

    def _meeting(self) -> Meeting:
        from progsearch.training import Meeting

        try:
            places = ray.get([actor.address.remote() for actor in self._actors])
        except RayError as error:
            raise RankLost(f"{GONE}: {exit_detail(str(error)) or error}") from error
        own = str(get_node_ip_address())
        # So that no other machine can connect, if that is possible.
        return Meeting(_LOOPBACK if set(places) == {own} else own)

    def why(self, lost: RankLost) -> Exception:
        """The reason for which a follower is gone: the death of its process, or its own error."""
        if self._watch is not None:
            self._watch.stop()
        ready, _ = ray.wait(
            list(self._following), num_returns=len(self._following), timeout=_SECONDS_TO_KNOW
        )
        for reference in ready:
            error = _error_of(reference)
            if isinstance(error, RayTaskError):
                cause: Exception = error.cause
                return cause
            if error is not None:
                return RankLost(f"{GONE}: {exit_detail(str(error)) or error}")
        return lost


class _Watch:
    """Ends this process if a follower dies while this one waits for it.

    NCCL waits for a dead process for a long time, and what waits cannot be interrupted.
    """

    def __init__(self, following: Sequence[Any]) -> None:
        self._over = threading.Event()
        self._left = list(following)
        threading.Thread(target=self._run, name="progsearch-followers", daemon=True).start()

    def stop(self) -> None:
        """End nothing any more."""
        self._over.set()

    def _run(self) -> None:
        while self._left and not self._over.is_set():
            ready, self._left = ray.wait(self._left, timeout=1.0)
            error = _error_of(ready[0]) if ready else None
            if error is None or self._over.wait(_SECONDS_TO_NOTICE):
                continue
            _log.error("%s: %s", GONE, error)
            os._exit(1)


def _error_of(reference: Any) -> RayError | None:
    """The error of a call that is over; None if there is none."""
    try:
        ray.get(reference, timeout=0)
    except GetTimeoutError:
        return None
    except RayError as error:
        return error
    return None
