# SPDX-License-Identifier: Apache-2.0
"""Ranks: how the processes of one training run tell one another of checkpoints.

    comm = pawl.ranks.from_torch_distributed()  # None, if there is one process
    engine = pawl.CheckpointEngine(config, comm=comm)

A comm has `rank`, `size`, `gather` and `broadcast`: see `Comm`.  The one here,
`StoreComm`, talks over a store of torch.distributed that is its own, so that it may wait in
the background while the training's groups work on.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
import weakref
from datetime import timedelta
from typing import Any, Iterator, Optional, Protocol

from .errors import Error, TimeoutError

#: Seconds for the ranks to find one another, and for the last to leave.
_MEET = 120.0
_LEAVE = 10.0
#: Seconds between two looks for the others: the first, and the longest.
_SHORT = 0.0002
_LONG = 0.02
#: A look comes late by this part of the wait at most; each costs rank 0 some time.
_LATE = 0.15


class RankTimeoutError(TimeoutError):
    """A rank did not come in time.

    Attributes:
        rank: the first one that is missing; None if that is not known.
    """

    rank: Optional[int] = None


class Comm(Protocol):
    """What `CheckpointEngine` takes as `comm`."""

    rank: int
    size: int

    def gather(self, key: str, data: bytes, timeout: float) -> list[bytes]:
        """Gives `data` to rank 0, which gets what each rank gave.

        Each key is used once, by `gather` or by `broadcast`.  Both are called by
        several threads at once, for different keys, in any order; they must not
        wait for one another.

        Args:
            key: printable ASCII, up to 400 bytes.
            data: up to some megabytes.
            timeout: seconds that rank 0 waits for the others, which do not wait.

        Returns:
            On rank 0, what each rank gave, in order; on others [].

        Raises:
            TimeoutError: a rank did not come; attribute `rank` tells which.
            Exception: the connection failed.
        """
        ...

    def broadcast(self, key: str, data: bytes, timeout: float) -> bytes:
        """Gives `data` of rank 0 to all others, whose own is not looked at.

        Args:
            timeout: seconds that the others wait for rank 0, which does not wait.

        Returns:
            What rank 0 gave.

        Raises:
            TimeoutError: rank 0 did not come; attribute `rank` is 0.
            Exception: the connection failed.
        """
        ...


def _leave(store: Any, prefix: str, rank: int, size: int, lost: set[int]) -> None:
    """Rank 0 has the store, so it goes last: when all have left but those that
    did not come when it last waited for them."""
    try:
        if rank != 0:
            store.set(f"{prefix}/left/{rank}", b"")
            return
        others = [f"{prefix}/left/{r}" for r in range(1, size) if r not in lost]
        end = time.monotonic() + _LEAVE
        while others and not store.check(others) and time.monotonic() < end:
            time.sleep(_LONG)
    except RuntimeError:
        pass  # the store is gone already


@contextlib.contextmanager
def _errors(key: str) -> Iterator[None]:
    """Makes errors of the store, torch's DistNetworkError and the like, Pawl's."""
    try:
        yield
    except RuntimeError as exc:
        if isinstance(exc, Error):
            raise
        raise Error(
            f"cannot reach the other ranks for '{key}' by way of rank 0: {exc}"
        ) from exc


def _timeout(rank: int, timeout: float, key: str) -> RankTimeoutError:
    exc = RankTimeoutError(f"rank {rank} did not come within {timeout:g} s to '{key}'")
    exc.rank = rank
    return exc


class StoreComm:
    """Ranks that talk over a torch.distributed.Store.

    Args:
        store: a TCPStore or FileStore that all of them have, and that nobody
            else uses for keys below `prefix`.
        rank: of this process.
        size: how many ranks there are.
        prefix: what keys begin with; another one for each comm of a store.

    What was given is deleted when it was taken.  Rank 0 waits for the others
    when it ends, some seconds at most, since its process mostly has the store: so
    they hear its last word, unless its process ends without that (`os._exit`, a
    signal).
    """

    def __init__(self, store: Any, rank: int, size: int, prefix: str = "pawl") -> None:
        if not 0 <= rank < size:
            raise ValueError(f"rank {rank} of {size} cannot be")
        self.rank = rank
        self.size = size
        self._store = store
        self._prefix = prefix
        self._lost: set[int] = set()  # rank 0's: who did not come
        self._finalizer = weakref.finalize(
            self, _leave, store, prefix, rank, size, self._lost
        )

    def gather(self, key: str, data: bytes, timeout: float) -> list[bytes]:
        """See `Comm`."""
        base = f"{self._prefix}/{key}"
        with _errors(key):
            if self.rank != 0:
                self._store.set(f"{base}/{self.rank}", data)
                return []
            if self.size == 1:
                return [data]
            keys = [f"{base}/{rank}" for rank in range(1, self.size)]
            self._await(keys, timeout, 1, key)
            self._lost.clear()
            others = self._store.multi_get(keys)
            for each in keys:
                self._store.delete_key(each)
        return [data, *map(bytes, others)]

    def broadcast(self, key: str, data: bytes, timeout: float) -> bytes:
        """See `Comm`."""
        base = f"{self._prefix}/{key}"
        with _errors(key):
            if self.rank == 0:
                self._store.set(base, data)
                return data
            self._await([base], timeout, 0, key)
            given = bytes(self._store.get(base))
            if self._store.add(f"{base}/taken", 1) == self.size - 1:
                self._store.delete_key(base)
                self._store.delete_key(f"{base}/taken")
        return given

    def close(self) -> None:
        """Ends it; rank 0 waits for the others to do so too."""
        self._finalizer()

    def _await(self, keys: list[str], timeout: float, first: int, key: str) -> None:
        """Waits for what ranks from `first` on give, one for each of `keys`.

        Looks again and again: a store that waits lets no other thread in.
        """
        end = time.monotonic() + timeout
        pause = _SHORT
        while not self._store.check(keys):
            left = end - time.monotonic()
            if left <= 0:
                missing = [
                    first + i
                    for i, each in enumerate(keys)
                    if not self._store.check([each])
                ]
                if not missing:
                    return  # the last one came just now
                self._lost.update(missing)
                raise _timeout(missing[0], timeout, key)
            time.sleep(min(pause, left))
            pause = min(pause * (1 + _LATE), _LONG)


def from_torch_distributed(host: Optional[str] = None) -> Optional[StoreComm]:
    """A comm of all processes of torch.distributed, over a TCPStore of its own.

    All ranks call it at the same time: it uses a gloo group, for a moment.

    Args:
        host: what the others reach rank 0 by; None: MASTER_ADDR of the
            environment, or the name of rank 0's machine.

    Returns:
        None when torch.distributed is not initialised or has one process.
    """
    import torch.distributed

    dist: Any = torch.distributed
    if not (dist.is_available() and dist.is_initialized()):
        return None
    rank, size = dist.get_rank(), dist.get_world_size()
    if size == 1:
        return None
    timeout = timedelta(seconds=_MEET)
    where: list[Any] = [None, None]
    store: Any = None
    if rank == 0:
        where[0] = host or os.environ.get("MASTER_ADDR") or socket.gethostname()
        store = dist.TCPStore(
            where[0], 0, None, True, timeout=timeout, wait_for_workers=False
        )
        where[1] = store.port
    group = dist.new_group(backend="gloo", timeout=timeout)
    dist.broadcast_object_list(where, src=0, group=group)
    dist.destroy_process_group(group)
    if rank != 0:
        store = dist.TCPStore(where[0], where[1], None, False, timeout=timeout)
    return StoreComm(store, rank, size)
