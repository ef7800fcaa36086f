# SPDX-License-Identifier: Apache-2.0
"""How much memory saving takes beyond the state itself.

Each saver has a process of its own (run.py starts one for each entry of
GROUPS), since memory that one of them freed would hide what the next takes.
"""

from __future__ import annotations

from collections.abc import Callable

import contenders
from contenders import Saver
from measure import PeakMemory, Sample, Samples, Settings
from rounds import Places, saved
from training_state import MIB, size_of, training_rank

SAVES = 3


def peak(settings: Settings, make: Callable[[int], Saver],
         staging_bytes: int = 0) -> Samples:
    """The peak over a few saves, the saver's making included."""
    state = training_rank(settings.size_bytes)
    size = size_of(state)
    places = Places(settings)
    with PeakMemory() as memory:
        saver = make(size)
        prepared = saver.prepare(state)
        seconds = [saved(saver, prepared, places.fresh(saver))["seconds"]
                   for _ in range(SAVES)]
    samples = Samples([Sample("memory", saver.name, seconds[-1], size,
                              {"peak_bytes": memory.peak_bytes,
                               "staging_bytes": staging_bytes})])
    saver.close()
    places.clear(saver)
    return samples


def whole(size: int) -> Saver:
    return contenders.pawl_saver("pawl async, staging for all",
                                 contenders.async_config(size, "copy"))


def pawl_whole(settings: Settings) -> Samples:
    # training_rank() gives a little more than it was asked for
    return peak(settings, whole, contenders.staging_for(settings.size_bytes))


def pawl_quarter(settings: Settings) -> Samples:
    """The state streams through a pool of a quarter of its size."""
    staging = max(settings.size_bytes // 4, 64 * MIB)
    return peak(settings, lambda _: contenders.pawl_saver(
        "pawl async, staging for a quarter",
        {"engine": "async", "staging_bytes": staging}), staging)


def torch_save(settings: Settings) -> Samples:
    return peak(settings, lambda _: contenders.torch_save())


def safetensors_save(settings: Settings) -> Samples:
    return peak(settings, lambda _: contenders.safetensors_save())


def dcp_save(settings: Settings) -> Samples:
    return peak(settings, lambda _: contenders.dcp_save())


def dcp_async(settings: Settings) -> Samples:
    return peak(settings, lambda _: contenders.dcp_async_kept())


def flat(settings: Settings) -> Samples:
    """Many saves of a smaller state: the peak of each tenth of them."""
    size = min(settings.size_bytes, 128 * MIB)
    state = training_rank(size)
    staging = 96 * MIB
    saver = contenders.pawl_saver("pawl async",
                                  {"engine": "async", "staging_bytes": staging})
    places = Places(settings)
    samples = Samples()
    tenth = max(1, settings.flat_saves // 10)
    baseline = 0
    for part in range(10):
        with PeakMemory() as memory:
            for _ in range(tenth):
                saved(saver, state, places.fresh(saver))
        baseline = baseline or memory.start_bytes
        samples.append(Sample("memory over saves", saver.name, 0.0, size,
                              {"saves": tenth * (part + 1),
                               "staging_bytes": staging,
                               "peak_bytes": memory.peak_bytes
                               + memory.start_bytes - baseline}))
    saver.close()
    places.clear(saver)
    return samples


GROUPS = [pawl_whole, pawl_quarter, torch_save, safetensors_save, dcp_save,
          dcp_async, flat]
