# SPDX-License-Identifier: Apache-2.0
"""How long an asynchronous save holds training up.

The stall of a lazy snapshot has two parts: the call, and the fence before the
optimizer's step.  Between them the bench computes for longer than the copy
takes, as forward and backward would.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

import contenders
from contenders import Saver
from measure import Sample, Samples, Settings, raw_limit, settle, timed
from plain_copy import PlainCopy
from rounds import Places, in_turn
from training_state import count_of, flat, size_of, training_rank

#: Seconds of computing for a byte that is to be copied: 0.5 s for a GiB.
COMPUTE_PER_BYTE = 0.5 / (1 << 30)


def compute(seconds: float) -> None:
    """Reads and multiplies on all cores."""
    matrix = torch.ones(512, 512)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        matrix = (matrix @ matrix).clamp(max=1.0)


def stalled(saver: Saver, state: object, path: str,
            compute_seconds: float) -> dict[str, float]:
    """One save: seconds at the call and at the fence."""
    with timed() as at_save:
        saver.save(state, path)
    if compute_seconds > 0:
        compute(compute_seconds)
    with timed() as at_fence:
        saver.fence()
    with timed() as at_end:
        saver.finish()
    return {"save": at_save["seconds"], "fence": at_fence["seconds"],
            "until_durable": at_end["seconds"]}


def run(settings: Settings) -> Samples:
    state = training_rank(settings.size_bytes)
    size = size_of(state)
    lazy = contenders.pawl_saver("pawl async, lazy",
                                 contenders.async_config(size, "lazy"))
    savers = [
        contenders.pawl_saver("pawl async, copy",
                              contenders.async_config(size, "copy")),
        lazy,
        contenders.dcp_async(),
        contenders.dcp_async_kept(),
        contenders.torch_save(),
    ]
    states = {saver.name: saver.prepare(state) for saver in savers}
    copy = PlainCopy(settings.limits, flat(state).values())

    def copy_limit(case: str) -> Sample:
        busy = settle(settings)
        return Sample(case, "limit: copy", copy.seconds(), size,
                      {"busy_elsewhere": busy})

    limits: list[Callable[[str], Sample]] = [
        copy_limit,
        lambda case: raw_limit(settings, "copy_first", size, case),
    ]
    places = Places(settings)
    samples = Samples()
    for suffix, item in in_turn([*limits, *savers], settings.rounds):
        case = "stall" + suffix
        if not isinstance(item, Saver):
            samples.append(item(case))
            continue
        path = places.fresh(item)
        busy = settle(settings)
        took = stalled(item, states[item.name], path,
                       COMPUTE_PER_BYTE * size if item is lazy else 0)
        samples.append(Sample(case, item.name, took["save"] + took["fence"],
                              size, {**took, **item.parts, "tensors": count_of(state),
                                     "busy_elsewhere": busy}))
        places.clear(item)
    for saver in savers:
        saver.close()
    return samples
