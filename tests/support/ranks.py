"""Groups of processes in which a test runs functions; the process of the test is in none."""

import multiprocessing
import os
from contextlib import contextmanager
from multiprocessing.connection import Connection

import torch

from progsearch.engine.meeting import Meeting
from progsearch.engine.ranks import Ranks

# Each process is a copy of one that has loaded everything.
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.support.ranks", "tests.support.runs"])
_SECONDS = 60


class Crew:
    """The processes of a group, by rank.

    Attributes:
        processes: Those of `multiprocessing`.
    """

    def __init__(self, processes, pipes):
        self.processes = processes
        self._pipes = pipes

    def __call__(self, work, *args):
        """What ``work(ranks, *args)`` returns in each process, or the exception that it raises."""
        self.begin(work, *args)
        return [self.result(rank) for rank in range(len(self._pipes))]

    def begin(self, work, *args):
        for pipe in self._pipes:
            pipe.send((work, args))

    def result(self, rank, seconds=_SECONDS):
        """What the work of one process returned or raised; None if the process died."""
        assert self._pipes[rank].poll(seconds), f"rank {rank} hangs"
        try:
            return self._pipes[rank].recv()
        except EOFError:
            return None


@contextmanager
def crew(size=2):
    """A group of processes that have joined each other."""
    processes, pipes = [], []
    meeting = None
    for rank in range(size):
        ours, theirs = _context.Pipe()
        process = _context.Process(target=_serve, args=(rank, size, theirs, meeting), daemon=True)
        process.start()
        theirs.close()
        meeting = meeting or ours.recv()
        processes.append(process)
        pipes.append(ours)
    try:
        yield Crew(processes, pipes)
    finally:
        for process, pipe in zip(processes, pipes, strict=True):
            pipe.close()
            process.join(10)
            process.kill()


def _serve(rank: int, size: int, pipe: Connection, meeting: str | None) -> None:
    torch.set_num_threads(1)
    place: Meeting | str
    if meeting is None:
        place = Meeting()
        pipe.send(place.address)
    else:
        place = meeting
    ranks = Ranks.join(rank, size, place, device="cpu")
    while True:
        try:
            work, args = pipe.recv()
        except (EOFError, OSError):
            break
        try:
            pipe.send(work(ranks, *args))
        except Exception as error:
            pipe.send(error)
    # Without the ends of Python, in which the processes would wait for each other.
    os._exit(0)
