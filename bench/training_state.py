# SPDX-License-Identifier: Apache-2.0
"""States to measure with, shaped like what a training rank really saves."""

from __future__ import annotations

import torch

MIB = 1 << 20


def training_rank(size_bytes: int) -> dict[str, dict[str, torch.Tensor]]:
    """Weights and Adam moments of a transformer, about ``size_bytes`` in all.

    Tensors of 64 bytes to 64 MiB: embeddings, projections, norms, biases, and
    a step counter for each parameter.  All memory has been written to.
    """
    shapes = _layer_shapes()
    state: dict[str, dict[str, torch.Tensor]] = {
        "weights": {}, "exp_avg": {}, "exp_avg_sq": {}, "step": {}}
    generator = torch.Generator().manual_seed(1)
    left = size_bytes
    layer = 0
    while left > 0:
        for name, numel in shapes.items():
            numel = min(numel, max(16, left // 12))
            key = f"layers.{layer}.{name}"
            for kind in ("weights", "exp_avg", "exp_avg_sq"):
                tensor = torch.empty(numel)
                tensor.random_(0, 1 << 20, generator=generator)
                state[kind][key] = tensor
            state["step"][key] = torch.full((16,), float(layer))
            left -= 12 * numel + 64
            if left <= 0:
                break
        layer += 1
    return state


def _layer_shapes() -> dict[str, int]:
    """Elements (4 bytes each) of the parameters of one layer."""
    return {
        "embedding": 64 * MIB // 4,
        "attention.query": 16 * MIB // 4,
        "attention.key": 4 * MIB // 4,
        "attention.value": 4 * MIB // 4,
        "attention.output": 16 * MIB // 4,
        "attention.norm": 2048,
        "mlp.up": 44 * MIB // 4,
        "mlp.down": 44 * MIB // 4,
        "mlp.norm": 2048,
        "mlp.bias": 64,
        "gate": 16,
    }


def small_tensors(count: int) -> dict[str, torch.Tensor]:
    """``count`` tensors of 64 bytes, each with a storage of its own."""
    return {f"t{i}": torch.full((16,), float(i)) for i in range(count)}


def flat(state: dict) -> dict[str, torch.Tensor]:
    """The same tensors in one dict with dotted names, as safetensors asks."""
    out: dict[str, torch.Tensor] = {}
    for name, item in state.items():
        if isinstance(item, dict):
            out.update({f"{name}.{k}": v for k, v in flat(item).items()})
        else:
            out[name] = item
    return out


def size_of(state: dict) -> int:
    """Bytes of payload."""
    return sum(t.untyped_storage().nbytes() for t in flat(state).values())


def count_of(state: dict) -> int:
    """Number of tensors."""
    return len(flat(state))
