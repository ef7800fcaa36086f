# SPDX-License-Identifier: Apache-2.0
"""What processes that train with DeepSpeed are forked from.

Imports what each of them would import, which takes seconds, and compiles
nothing.  PAWL_TEST_ENGINE=pawl: they all use Pawl.
"""

import os

import deepspeed
import deepspeed.moe.layer
import deepspeed.runtime.pipe.engine
import deepspeed.runtime.zero.muon.muon_optimizer  # which imports torch._dynamo
import torch

import pawl.deepspeed

# A faster allreduce, which is compiled when it is first wanted.
deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
torch.set_num_threads(1)

if os.environ.get("PAWL_TEST_ENGINE") == "pawl":
    pawl.deepspeed.install()
