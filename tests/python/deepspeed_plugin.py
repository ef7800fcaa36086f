# SPDX-License-Identifier: Apache-2.0
"""What pytest is started with (-p) by deepspeed_own.py: the engine that
PAWL_TEST_ENGINE names is in this process, and in what the ranks are forked from.
"""

import multiprocessing

import deepspeed
import deepspeed_warm  # noqa: F401
from deepspeed.ops import op_builder
from deepspeed.runtime.engine import DeepSpeedEngine

multiprocessing.set_forkserver_preload([__name__])

# What torch computes on any CPU, if slowly, and would not be tested otherwise:
# for bf16 the suite asks which CUDA there is, for fp16 DeepSpeed asks oneDNN.
deepspeed.git_version_info.torch_info.update(cuda_version="12.0", nccl_version="2.20")
deepspeed.accelerator.get_accelerator().is_fp16_supported = lambda: True

# Compiled once, and loaded before the ranks are forked: what each of them would
# ask of the compiler and the processor takes longer than most tests.
for builder in (op_builder.FusedAdamBuilder, op_builder.CPUAdamBuilder):
    builder().load(verbose=False)

# Tests from before 0.19.8 compare what that has no longer.
if not hasattr(DeepSpeedEngine, "sparse_tensor_module_names"):
    DeepSpeedEngine.sparse_tensor_module_names = frozenset()
