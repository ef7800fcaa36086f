# SPDX-License-Identifier: Apache-2.0
"""A state is loaded: from the disk (cold), and from the page cache (warm)."""

from __future__ import annotations

import os

import contenders
from contenders import Loader
from measure import (Sample, Samples, Settings, drop_cache, raw_limit, settle,
                     timed)
from rounds import in_turn
from training_state import size_of, training_rank


def make_files(settings: Settings) -> tuple[dict[str, str], int]:
    """The state in each format; paths by format, and its size."""
    state = training_rank(settings.size_bytes)
    saver = contenders.pawl_saver("files", {"engine": "direct"})
    tag = os.path.join(settings.directory, "files", "save")
    paths = {"torch": os.path.join(tag, "state.pt"),
             "safetensors": os.path.join(settings.directory, "state.safetensors")}
    os.makedirs(os.path.dirname(tag))
    saver.save(state, tag)
    saver.close()
    safe = contenders.safetensors_save()
    safe.save(safe.prepare(state), paths["safetensors"])
    raw_limit(settings, "write_new", size_of(state), "file for the limit")
    return paths, size_of(state)


def load_once(loader: Loader, path: str) -> dict[str, float]:
    """Loads and lets go of it; what `timed` has of the first."""
    with timed() as took:
        state = loader.load(path)
    del state
    return took


def run(settings: Settings) -> Samples:
    paths, size = make_files(settings)
    samples = Samples()
    limits = {"read": "cold load", "touch": "warm load"}
    for suffix, item in in_turn([*limits, *contenders.loaders()],
                                settings.rounds):
        if isinstance(item, str):
            samples.append(raw_limit(settings, item, size,
                                     limits[item] + suffix))
            continue
        for case in ("cold load", "warm load"):
            path = paths[item.format]
            if case == "cold load":
                drop_cache(path)
            else:
                read_all(path)
            busy = settle(settings)
            took = load_once(item, path)
            samples.append(Sample(case + suffix, item.name, took["seconds"],
                                  size, {"cpu": took["cpu"],
                                         "busy_elsewhere": busy}))
        drop_cache(path)
    return samples


def read_all(path: str) -> None:
    """Puts all of a file into the page cache."""
    with open(path, "rb", buffering=0) as file:
        buffer = bytearray(1 << 20)
        while file.readinto(buffer):
            pass
