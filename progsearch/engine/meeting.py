"""How the processes that train one model find each other."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import psutil
import torch.distributed as dist
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from progsearch.errors import RankLost

# A rank may have to load its libraries before it joins.
_JOIN = timedelta(minutes=5)
# Rank 0 may evaluate for hours between two commands. A closed connection is noticed at once.
_COMMAND = timedelta(days=30)
_GLOO_NETWORK = "GLOO_SOCKET_IFNAME"


class Meeting:
    """Where the ranks of a group find each other; rank 0 makes it, and its process serves it.

    Args:
        host: A name or an address of this machine that the other ranks can reach.

    Attributes:
        address: ``HOST:PORT``, for the other ranks.
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        family = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][0]
        # By itself the store would listen on all networks of the machine.
        listener = socket.create_server((host, 0), family=family)
        port = listener.getsockname()[1]
        self.store = TCPStore(
            host,
            port,
            is_master=True,
            wait_for_workers=False,
            timeout=_JOIN,
            master_listen_fd=listener.detach(),
        )
        self.address = f"{host}:{port}"


def join_group(rank: int, size: int, meeting: Meeting | str) -> None:
    """Join torch's default group, with gloo; returns when all ranks have.

    Args:
        rank: The number of this process, from 0.
        size: The number of processes.
        meeting: What rank 0 made; its address in the others.

    Raises:
        RankLost: Not all ranks joined within five minutes.
    """
    with as_rank_lost():
        address = meeting if isinstance(meeting, str) else meeting.address
        host, _, port = address.rpartition(":")
        if isinstance(meeting, Meeting):
            store = meeting.store
        else:
            store = TCPStore(host, int(port), is_master=False, timeout=_JOIN)
        # What follows would wait for the others as long as for a command.
        store.set(f"rank {rank}", "here")
        store.wait([f"rank {other}" for other in range(size)], _JOIN)
        with _through_network_of(host, int(port)):
            dist.init_process_group(
                "gloo", store=store, rank=rank, world_size=size, timeout=_COMMAND
            )


@contextmanager
def _through_network_of(host: str, port: int) -> Iterator[None]:
    """Have gloo use the network by which ``host`` is reached, unless the user chose one.

    Otherwise it uses that of the machine's own name, which often leads to no other machine.
    """
    if _GLOO_NETWORK in os.environ:
        yield
        return
    family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    # Nothing is sent.
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect(place)
        own = probe.getsockname()[0]
    names = [n for n, found in psutil.net_if_addrs().items() if own in {a.address for a in found}]
    if names:
        os.environ[_GLOO_NETWORK] = names[0]
    try:
        yield
    finally:
        os.environ.pop(_GLOO_NETWORK, None)


@contextmanager
def as_rank_lost() -> Iterator[None]:
    """While active, errors of torch's connections are `RankLost`."""
    try:
        yield
    # torch's errors of connections are of this class; some have no other.
    except RuntimeError as error:
        reason = str(error).strip().split("\n")[0]
        raise RankLost(f"a process that trains the same trial is gone ({reason})") from error
