# SPDX-License-Identifier: Apache-2.0
"""A state for tests of whose memory tensors are views."""

from __future__ import annotations

import torch


def views() -> dict[str, torch.Tensor]:
    """Tensors of their own and over one storage, of many dtypes."""
    base = torch.arange(600, dtype=torch.float32).reshape(20, 30)
    return {
        "base": base,
        "rows": base[5:7, ::2],
        "turned": base.t(),
        "tail": torch.arange(10)[3:],
        "scalar": torch.tensor(3.5),
        "bits": torch.tensor([True, False]),
        "empty": torch.empty(0, 3),
        "half": torch.randn(7).bfloat16(),
        "conj": torch.randn(3, dtype=torch.complex64).conj(),
        "float8": torch.randn(4).to(torch.float8_e4m3fn),
        "parameter": torch.nn.Parameter(torch.randn(5)),
        "frozen": torch.nn.Parameter(torch.arange(5), requires_grad=False),
        "grad": torch.randn(3, requires_grad=True),
    }
