# SPDX-License-Identifier: Apache-2.0
"""A state is saved, and the call returns when it is durable."""

from __future__ import annotations

import contenders
from measure import Samples, Settings, raw_limit
from rounds import durable_rounds
from training_state import size_of, training_rank


def run(settings: Settings) -> Samples:
    state = training_rank(settings.size_bytes)
    size = size_of(state)
    limits = [
        lambda case: raw_limit(settings, "write_new", size, case),
        lambda case: raw_limit(settings, "write_over", size, case),
    ]
    savers = [
        contenders.pawl_saver("pawl direct", {"engine": "direct"}),
        contenders.recycling_saver(),
        contenders.pawl_saver("pawl torch", {"engine": "torch"}),
        contenders.torch_save(),
        contenders.safetensors_save(),
        contenders.dcp_save(),
    ]
    return durable_rounds("save", settings, savers, limits, state, size)
