# SPDX-License-Identifier: Apache-2.0
"""Bytes of tensors on accelerators, copied to pinned memory for a save.

All copies of a save are put on a stream beside the current one, and waited for
once.  The memory is kept from save to save: never more than the largest save
took.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any, Callable, Optional, Protocol

_BLOCK_BYTES = 64 << 20
_ALIGNMENT = 64


class Accelerator(Protocol):
    """What `Staging` needs of a device."""

    def stream(self) -> Any:
        """A new stream for copies."""

    def wait_for_current(self, stream: Any) -> None:
        """Lets `stream` wait for all that the current stream has to do."""

    def pin(self, nbytes: int) -> Any:
        """A tensor of that many bytes in pinned memory.

        Raises:
            RuntimeError: there is none.
        """

    def copy(self, target: Any, storage: Any, stream: Any) -> None:
        """Puts a copy on `stream`, and does not wait for it.

        Args:
            target: a tensor of pinned bytes.
            storage: a torch.UntypedStorage of that size, on the device.
        """

    def event(self, stream: Any) -> Any:
        """What has a ``synchronize()`` that returns when all that is on
        `stream` so far is done."""


class _TorchAccelerator:
    """An accelerator by way of its module, such as torch.cuda."""

    def __init__(self, torch: Any, module: Any, device: Any) -> None:
        self._torch = torch
        self._module = module
        self._device = device

    def stream(self) -> Any:
        return self._module.Stream(device=self._device)

    def wait_for_current(self, stream: Any) -> None:
        stream.wait_stream(self._module.current_stream(self._device))

    def pin(self, nbytes: int) -> Any:
        return self._torch.empty(nbytes, dtype=self._torch.uint8, pin_memory=True)

    def copy(self, target: Any, storage: Any, stream: Any) -> None:
        with self._module.stream(stream):
            source = self._torch.empty(
                0, dtype=self._torch.uint8, device=self._device
            ).set_(storage)
            target.copy_(source, non_blocking=True)

    def event(self, stream: Any) -> Any:
        event = self._module.Event()
        event.record(stream)
        return event


def accelerator_of(device: Any) -> Optional[Accelerator]:
    """The accelerator that a torch.device is, or None: the CPU, and devices
    without streams."""
    import torch

    module = getattr(torch, device.type, None)
    needed = ("Stream", "Event", "stream", "current_stream")
    if device.type in ("cpu", "meta") or not all(
        hasattr(module, name) for name in needed
    ):
        return None
    return _TorchAccelerator(torch, module, device)


class _Block:
    """Pinned memory, of which the first `used` bytes are taken."""

    def __init__(self, memory: Any) -> None:
        self.memory = memory
        self.size = memory.numel()
        self.used = 0


class Lease:
    """The staging of one save.  Goes back to its `Staging` when nobody refers
    to it any more, which is when the bytes were written, or copied.

    Args:
        staging: whose memory it uses.
    """

    def __init__(self, staging: Staging) -> None:
        self._staging = staging
        self._blocks: list[_Block] = []
        self._current: Optional[_Block] = None  # has room, maybe
        self._busy: dict[Any, tuple[Accelerator, Any]] = {}  # by device

    def copy(self, storage: Any) -> Optional[Any]:
        """Begins to copy a storage.

        Args:
            storage: a torch.UntypedStorage, to be kept until `wait` returned.

        Returns:
            A tensor of bytes, which are there when `wait` returned; None if
            the device has no streams or no memory can be pinned.
        """
        queue = self._staging.queue(storage.device)
        if queue is None:
            return None
        accelerator, stream = queue
        try:
            target = self._take(accelerator, storage.nbytes())
        except RuntimeError:
            return None
        # Anew for each: __reduce_ex__ may run kernels during a save.
        self._busy[storage.device] = queue
        accelerator.wait_for_current(stream)
        accelerator.copy(target, storage, stream)
        return target

    def wait(self) -> None:
        """Waits until all that was begun is there."""
        events = [
            accelerator.event(stream) for accelerator, stream in self._busy.values()
        ]
        for event in events:
            event.synchronize()
        self._busy.clear()

    def _take(self, accelerator: Accelerator, nbytes: int) -> Any:
        block = self._current
        if nbytes >= _BLOCK_BYTES or block is None or nbytes > block.size - block.used:
            block = self._staging.take(accelerator, max(nbytes, _BLOCK_BYTES))
            self._blocks.append(block)
            if nbytes < _BLOCK_BYTES:
                self._current = block
        start = block.used
        block.used += (nbytes + _ALIGNMENT - 1) // _ALIGNMENT * _ALIGNMENT
        return block.memory[start : start + nbytes]

    def __del__(self) -> None:
        # A save that failed has copies under way still.
        with contextlib.suppress(Exception):
            self.wait()
        self._staging.give_back(self._blocks)


class Staging:
    """Pinned memory and streams of one engine.

    Args:
        find: the `Accelerator` of a device, or None.

    Threads: any.
    """

    def __init__(
        self, find: Callable[[Any], Optional[Accelerator]] = accelerator_of
    ) -> None:
        self._find = find
        self._queues: dict[Any, Optional[tuple[Accelerator, Any]]] = {}
        self._free: list[_Block] = []
        self._most = 0  # bytes, of the largest save
        self._is_open = True
        # A lease may end in any thread, and within any allocation.
        self._lock = threading.RLock()

    def queue(self, device: Any) -> Optional[tuple[Accelerator, Any]]:
        """The accelerator of a device and the stream for copies from it."""
        with self._lock:
            if device not in self._queues:
                accelerator = self._find(device)
                self._queues[device] = (
                    None if accelerator is None else (accelerator, accelerator.stream())
                )
            return self._queues[device]

    def take(self, accelerator: Accelerator, nbytes: int) -> _Block:
        """A block of `nbytes` at least: the smallest that is free, or a new one.

        Raises:
            RuntimeError: no memory can be pinned.
        """
        with self._lock:
            free = [block for block in self._free if block.size >= nbytes]
            if free:
                block = min(free, key=lambda each: each.size)
                self._free.remove(block)
                return block
        return _Block(accelerator.pin(nbytes))

    def give_back(self, blocks: list[_Block]) -> None:
        """Ends the use of blocks.  The oldest go if there are too many."""
        with self._lock:
            self._most = max(self._most, sum(block.size for block in blocks))
            for block in blocks:
                block.used = 0
            if self._is_open:
                self._free.extend(blocks)
            while self.kept_bytes() > self._most:
                self._free.pop(0)

    def kept_bytes(self) -> int:
        """What is pinned and free."""
        return sum(block.size for block in self._free)

    def close(self) -> None:
        """Lets go of all memory, and of what is lent when it comes back."""
        with self._lock:
            self._is_open = False
            self._free.clear()
