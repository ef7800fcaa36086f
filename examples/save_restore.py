# SPDX-License-Identifier: Apache-2.0
"""Save a checkpoint of a model, and restore it: pawl in twelve lines."""

import torch

import pawl

model = torch.nn.Linear(64, 10)
engine = pawl.CheckpointEngine({"engine": "torch", "keep_last": 3})

engine.create("run", "step-10")
engine.save(model.state_dict(), "run/step-10/model.pt")
engine.commit("step-10")  # durable and whole; before this, nobody saw it

tag = engine.open("run")  # the newest whole checkpoint; None if there is none
model.load_state_dict(engine.load(f"run/{tag}/model.pt"))
engine.close(tag)

print(f"restored {tag}")
