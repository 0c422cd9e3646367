"""Several processes that train one model with data parallelism; each is a *rank*.

Each rank has the whole model and computes its rows of each micro-batch. Gradients are summed over
the ranks once per optimizer step, so that all make the same step. Rank 0 leads: it decides what is
done next, and the others follow (`progsearch.engine.lockstep`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NoReturn, ParamSpec, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from progsearch.engine.meeting import Meeting, as_rank_lost, join_group
from progsearch.errors import MachineFailed, OutOfMemory, ProgsearchError, RankLost, TrialFailed

_P = ParamSpec("_P")
_T = TypeVar("_T")

# NCCL does not notice a closed connection; all ranks begin to train at the same time.
_NCCL = timedelta(minutes=10)
# Gradients are summed together up to this size: less would take more time, more much memory.
_BUCKET_BYTES = 2**25


class Alone:
    """The one process of a run that no other shares.

    Attributes:
        rank: 0.
        size: 1.
    """

    rank = 0
    size = 1

    @contextmanager
    def lockstep(self) -> Iterator[None]:
        """See `Ranks.lockstep`."""
        yield

    def attempt(self, work: Callable[_P, _T], *args: _P.args, **settings: _P.kwargs) -> _T | None:
        """See `Ranks.attempt`."""
        return work(*args, **settings)

    def own_seed(self, seed: int) -> int:
        """See `Ranks.own_seed`."""
        return seed

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """See `Ranks.sum_gradients`."""

    def meet(self, memory: int = 0) -> int:
        """See `Ranks.meet`."""
        return memory


class Ranks(Alone):
    """This process in a group that trains together; create it with `join`.

    A group trains any number of runs, one after another or in turn. A process is in one group at
    a time.

    What a rank does alone may fail there: no memory, a loss that is not finite. It then still
    takes part in every sum, with NaN, up to the next `meet`, where all ranks raise. So no rank
    waits for one that has left. A rank that dies closes its connections, which ends the sums and
    commands of all others with `RankLost`.

    Attributes:
        rank: The number of this process.
        size: The number of processes.
        device: The device that this process trains on.
        is_open: Whether this process is still in its group.
    """

    def __init__(self, rank: int, size: int, device: torch.device) -> None:
        self.rank = rank
        self.size = size
        self.device = device
        self.is_open = True
        self._runs = 0
        self._failure: Exception | None = None
        self._raised: Exception | None = None
        on_gpu = device.type == "cuda"
        self._sums = dist.new_group(backend="nccl", timeout=_NCCL) if on_gpu else None

    @classmethod
    def join(
        cls, rank: int, size: int, meeting: Meeting | str, *, device: str | None = None
    ) -> Ranks:
        """Join a group; returns when all ranks have.

        Args:
            rank: The number of this process, from 0.
            size: The number of processes.
            meeting: What rank 0 made; its address in the others.
            device: The device to train on; by default the GPU, if there is one.

        Raises:
            RankLost: Not all ranks joined within five minutes.
        """
        chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        join_group(rank, size, meeting)
        return cls(rank, size, chosen)

    def close(self) -> None:
        """Leave the group: the other ranks raise `RankLost`. May be called again."""
        if self.is_open:
            self.is_open = False
            dist.destroy_process_group()

    def next_run(self) -> int:
        """A number for a run, different from those before."""
        self._runs += 1
        return self._runs

    # -- from rank 0 to the others -----------------------------------------------------------

    def send(self, command: Any) -> None:
        """Give the other ranks a command; only rank 0 may.

        Raises:
            RankLost: A rank died.
        """
        with self._connected():
            dist.broadcast_object_list([command], src=0)

    def receive(self) -> Any:
        """The next command of rank 0, however long it takes.

        Raises:
            RankLost: Rank 0 died or left.
        """
        box: list[Any] = [None]
        with self._connected():
            dist.broadcast_object_list(box, src=0)
        return box[0]

    def dismiss(self) -> None:
        """Have the other ranks end `progsearch.training.follow`; only rank 0 may.

        The group stays, for the next call. Nothing happens if it was closed.
        """
        if self.is_open:
            self.send(None)

    def send_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Give the other ranks tensors, one after another.

        Raises:
            RankLost: A rank died.
        """
        self.send({name: (value.shape, value.dtype) for name, value in tensors.items()})
        for value in tensors.values():
            with self._connected():
                dist.broadcast(value.detach().cpu().contiguous(), src=0)

    def receive_tensors(self) -> dict[str, Tensor]:
        """What rank 0 gives with `send_tensors`, on the CPU.

        Raises:
            RankLost: Rank 0 died or left.
        """
        found = {}
        for name, (shape, dtype) in self.receive().items():
            found[name] = torch.empty(shape, dtype=dtype)
            with self._connected():
                dist.broadcast(found[name], src=0)
        return found

    # -- training together -------------------------------------------------------------------

    @contextmanager
    def lockstep(self) -> Iterator[None]:
        """While active, all ranks do the same work; one that leaves it alone ends the group."""
        self._raised = None
        try:
            yield
        except BaseException as error:
            if error is not self._raised:
                self.close()
            raise

    def attempt(self, work: Callable[_P, _T], *args: _P.args, **settings: _P.kwargs) -> _T | None:
        """Do a part of the work that this rank does alone; `meet` raises what it raises.

        Returns:
            What ``work`` returns; None if it failed, or if something failed before it.
        """
        if self._failure is not None:
            return None
        try:
            return work(*args, **settings)
        except RankLost:
            raise
        except Exception as error:  # whatever it is, the others wait
            if _lacks_memory(error):
                # Its frames hold the tensors that took the memory.
                error.__traceback__ = error.__context__ = None
            self._failure = error
            return None

    def own_seed(self, seed: int) -> int:
        """The seed of this rank's random numbers, from that of the step; rank 0 has the same."""
        if self.rank == 0:
            return seed
        return int(np.random.SeedSequence([seed, self.rank]).generate_state(1, np.uint64)[0])

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace each gradient by its sum over the ranks.

        Args:
            parameters: The same in all ranks, and so are those of them that have a gradient.

        Raises:
            RankLost: A rank died.
        """
        for bucket in _buckets(parameters):
            first = bucket[0]
            if self._failure is not None:
                numbers = sum(parameter.numel() for parameter in bucket)
                self._sum(first.new_full((numbers,), torch.nan))
            elif len(bucket) == 1 and first.grad is not None:
                # A copy of a large gradient might not fit.
                first.grad = first.grad.contiguous()
                self._sum(first.grad)
            else:
                parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
                sums = torch.cat([part.flatten() for part in parts])
                self._sum(sums)
                of_each = torch.split(sums, [parameter.numel() for parameter in bucket])
                for parameter, values in zip(bucket, of_each, strict=True):
                    if parameter.grad is not None:
                        parameter.grad.copy_(values.view_as(parameter))

    def meet(self, memory: int = 0) -> int:
        """Wait for all ranks; if something failed in any of them, all raise it.

        Args:
            memory: The peak memory of this rank.

        Returns:
            The largest of all ranks.

        Raises:
            RankLost: A rank died.
            Exception: What failed in this rank, or what tells of the failure in another one.
        """
        failed = self._failure is not None
        most = torch.tensor([int(failed), memory], dtype=torch.int64)
        with self._connected():
            dist.all_reduce(most, dist.ReduceOp.MAX)
        if most[0]:
            self._raise_failure()
        return int(most[1])

    def agree(self, value: str) -> None:
        """Compare what must be the same in all ranks.

        Raises:
            RankLost: A rank died.
            MachineFailed: It is not.
        """
        if len(set(self._gather(value))) > 1:
            self._raised = MachineFailed(
                "the machines that train one trial have other files, versions of packages or "
                "processors; `progsearch doctor` compares them"
            )
            raise self._raised

    def _raise_failure(self) -> NoReturn:
        own, self._failure = self._failure, None
        known = self._gather(None if own is None else _portable(own, self.rank))
        failures = [(rank, error) for rank, error in enumerate(known) if error is not None]
        rank, error = min(failures, key=lambda failure: _precedence(failure[1]))
        self._raised = own if own is not None and rank == self.rank else error
        raise self._raised

    def _gather(self, value: Any) -> list[Any]:
        found: list[Any] = [None] * self.size
        with self._connected():
            dist.all_gather_object(found, value)
        return found

    def _sum(self, values: Tensor) -> None:
        with self._connected():
            dist.all_reduce(values, group=self._sums)

    @contextmanager
    def _connected(self) -> Iterator[None]:
        if not self.is_open:
            raise RankLost("the group of processes that train this trial has ended")
        try:
            with as_rank_lost():
                yield
        except RankLost:
            self.close()
            raise


def _buckets(parameters: Sequence[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """The parameters in groups; one that is larger than a bucket has its own."""
    bucket: list[nn.Parameter] = []
    held = 0
    for parameter in parameters:
        size = parameter.numel() * parameter.element_size()
        if bucket and held + size > _BUCKET_BYTES:
            yield bucket
            bucket, held = [], 0
        bucket.append(parameter)
        held += size
    if bucket:
        yield bucket


def _lacks_memory(error: Exception) -> bool:
    return isinstance(error, (MemoryError, torch.OutOfMemoryError))


def _portable(error: Exception, rank: int) -> Exception:
    """What tells other ranks of an error; some errors cannot be sent."""
    if isinstance(error, (TrialFailed, ProgsearchError)):
        return error
    text = f"{type(error).__name__} in process {rank}: {error}"
    return OutOfMemory(f"out of memory: {text}") if _lacks_memory(error) else RuntimeError(text)


def _precedence(error: Exception) -> int:
    """Causes come first: what fails in one rank makes the loss of all others NaN."""
    if isinstance(error, OutOfMemory):
        return 0
    return 2 if isinstance(error, TrialFailed) else 1
