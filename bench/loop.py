# SPDX-License-Identifier: Apache-2.0
"""A training loop on the CPU with a save every five steps.

All ways to save run the same loop: a residual MLP under AdamW, whose steps use
all cores.  The saves come after the steps 1, 6, 11, ..., so that what the last
one does in the background is in the loop's time too.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import nn

import contenders
from contenders import Saver
from measure import MIB, Sample, Samples, Settings, settle
from rounds import Places, in_turn

SAVE_EVERY = 5
ROWS = 128


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.down(torch.relu(self.up(self.norm(x))))


class Training:
    """A model and its optimizer, with about `state_bytes` between them."""

    def __init__(self, state_bytes: int) -> None:
        torch.manual_seed(1)
        width = 1024 if state_bytes >= 256 * MIB else 128
        block_bytes = 12 * sum(p.numel() for p in Block(width).parameters())
        count = max(1, round(state_bytes / block_bytes))
        self.model = nn.Sequential(*(Block(width) for _ in range(count)))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4)
        self.rows = torch.randn(ROWS, width)
        self.step(contenders.nothing)  # makes the optimizer's moments

    def step(self, fence: Callable[[], None]) -> float:
        """One step; seconds spent at the fence."""
        loss = (self.model(self.rows) - self.rows.roll(1, 0)).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        start = time.perf_counter()
        fence()
        waited = time.perf_counter() - start
        self.optimizer.step()
        return waited

    def state(self) -> dict[str, object]:
        return {"model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict()}

    def size_bytes(self) -> int:
        return 12 * sum(p.numel() for p in self.model.parameters())


def run_loop(training: Training, saver: Saver | None, steps: int,
             fresh: Callable[[Saver], str]) -> dict[str, float]:
    """Seconds of all steps, and of the stalls in them."""
    stall = 0.0
    start = time.perf_counter()
    for step in range(1, steps + 1):
        stall += training.step(saver.fence if saver else contenders.nothing)
        if saver and step % SAVE_EVERY == 1:
            path = fresh(saver)
            begin = time.perf_counter()
            saver.save(saver.prepare(training.state()), path)
            stall += time.perf_counter() - begin
    return {"seconds": time.perf_counter() - start, "stall": stall}


def run(settings: Settings) -> Samples:
    training = Training(settings.loop_bytes)
    size = training.size_bytes()
    savers: list[Saver | None] = [
        None,
        contenders.pawl_saver("pawl async, copy",
                              contenders.async_config(size, "copy")),
        contenders.pawl_saver("pawl async, lazy",
                              contenders.async_config(size, "lazy")),
        contenders.dcp_async_kept(),
        contenders.torch_save(),
    ]
    samples = Samples()
    places = Places(settings)
    for suffix, saver in in_turn(savers, settings.rounds, with_first=False):
        if saver:
            places.clear(saver)
        busy = settle(settings)
        took = run_loop(training, saver, settings.loop_steps, places.beside)
        samples.append(Sample("loop" + suffix,
                              saver.name if saver else "no saves",
                              took["seconds"], size,
                              {"stall": took["stall"], "busy_elsewhere": busy,
                               "saves": settings.loop_steps // SAVE_EVERY,
                               "steps": settings.loop_steps}))
        if saver:
            saver.finish()
            places.clear(saver)
    for saver in savers:
        if saver:
            saver.close()
    return samples
