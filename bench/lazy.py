# SPDX-License-Identifier: Apache-2.0
"""A large file is opened and one tensor of it is read, cold."""

from __future__ import annotations

import os

import torch

import contenders
from load import load_once
from measure import Sample, Samples, Settings, drop_cache, settle
from rounds import in_turn

MIB = 1 << 20


def large_state(size_bytes: int) -> dict[str, torch.Tensor]:
    """Tensors of 64 MiB whose memory was never written to, so that it takes
    none; and small ones between them."""
    state: dict[str, torch.Tensor] = {}
    for i in range(max(1, size_bytes // (64 * MIB))):
        state[f"layers.{i}.weight"] = torch.empty(64 * MIB // 4)
        state[f"layers.{i}.bias"] = torch.full((1024,), float(i))
    return state


def run(settings: Settings) -> Samples:
    state = large_state(settings.lazy_bytes)
    name = f"layers.{len(state) // 4}.bias"
    paths = {"torch": os.path.join(settings.directory, "large", "state.pt"),
             "safetensors": os.path.join(settings.directory, "large.st")}
    saver = contenders.pawl_saver("large", {"engine": "direct"})
    saver.save(state, os.path.dirname(paths["torch"]))
    saver.close()
    contenders.safetensors_save().save(state, paths["safetensors"])
    del state
    samples = Samples()
    for suffix, item in in_turn(contenders.lazy_loaders(name),
                                settings.rounds):
        path = paths[item.format]
        drop_cache(path)
        busy = settle(settings)
        took = load_once(item, path)
        samples.append(Sample("one tensor" + suffix, item.name,
                              took["seconds"], os.path.getsize(path),
                              {"busy_elsewhere": busy}))
    return samples
