# SPDX-License-Identifier: Apache-2.0
"""Many tensors of 64 bytes: what a tensor costs, whatever its size.

DCP is not asked: at half a millisecond a tensor and more it would take most of
the bench's time.
"""

from __future__ import annotations

import os

import torch

import contenders
from contenders import Loader
from load import load_once
from measure import Sample, Samples, Settings, raw_limit, settle
from rounds import durable_rounds, in_turn
from training_state import size_of, small_tensors


def run(settings: Settings) -> Samples:
    state = small_tensors(settings.small_count)
    path = os.path.join(settings.directory, "small.pt")
    torch.save(state, path)
    file_size = os.path.getsize(path)
    samples = Samples()
    savers = [
        contenders.pawl_saver("pawl direct", {"engine": "direct"}),
        contenders.pawl_saver("pawl torch", {"engine": "torch"}),
        contenders.torch_save(),
        contenders.safetensors_save(),
    ]
    limits = [lambda case: raw_limit(settings, "write_new", file_size, case)]
    samples += durable_rounds("small save", settings, savers, limits, state,
                              size_of(state))
    samples += loads(settings, state, path)
    return samples


def loads(settings: Settings, state: dict[str, torch.Tensor],
          path: str) -> Samples:
    """Warm: the file is so small that the disk would say little."""
    paths = {"torch": path,
             "safetensors": os.path.join(settings.directory, "small.safetensors")}
    safe = contenders.safetensors_save()
    safe.save(safe.prepare(state), paths["safetensors"])
    candidates = [loader for loader in contenders.loaders()
                  if loader.name in ("pawl.load", "torch.load", "safetensors")]
    samples = Samples()
    for suffix, item in in_turn(candidates, settings.rounds):
        assert isinstance(item, Loader)
        busy = settle(settings)
        took = load_once(item, paths[item.format])
        samples.append(Sample("small load" + suffix, item.name,
                              took["seconds"], size_of(state),
                              {"cpu": took["cpu"], "busy_elsewhere": busy}))
    return samples
