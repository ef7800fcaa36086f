# SPDX-License-Identifier: Apache-2.0
"""Train with DeepSpeed's ZeRO on many processes, and survive being killed.

    deepspeed --num_gpus 2 examples/deepspeed_zero.py --run-dir run
    torchrun --nproc-per-node 2 examples/deepspeed_zero.py --run-dir run
    (either; kill it, at any moment, in any way, and start it again)

This is an ordinary program of DeepSpeed.  Two things make Pawl save and load
its checkpoints: the import of pawl.deepspeed, marked (1), and the section
"pawl" in the config, deepspeed_zero.json.  There the engine is "async", so that
a save costs the copy of the state, which goes on until the next step of the
optimizer, and the rest happens in the background.

After a restart load_checkpoint finds the newest checkpoint that is whole on all
ranks, and the run computes, bit for bit, what an undisturbed one would have.
It needs no GPU: DS_ACCELERATOR=cpu.
"""

import argparse
import logging
import pathlib

import deepspeed
import torch
from torch import nn

import pawl.deepspeed  # noqa: F401  (1)

CONFIG = pathlib.Path(__file__).with_suffix(".json")


def model():
    torch.manual_seed(1835)  # the same on all ranks
    return nn.Sequential(
        nn.Linear(16, 256), nn.GELU(), nn.Dropout(0.1), nn.Linear(256, 1)
    )


def batch(engine, step):
    """Rows of a function to learn.  They, and dropout, follow from the step and
    the rank, so a resumed run gets what it would have got."""
    torch.manual_seed(10_000 * step + engine.global_rank)
    rows = torch.rand(engine.train_micro_batch_size_per_gpu(), 16)
    wanted = torch.sin(rows.sum(1, keepdim=True))
    return rows.to(engine.device, torch.bfloat16), wanted.to(engine.device)


def train(args):
    net = model()
    engine, *_ = deepspeed.initialize(
        model=net, model_parameters=net.parameters(), config=str(args.config)
    )
    where, client = engine.load_checkpoint(args.run_dir)
    done = client["step"] if where else 0
    if where and engine.global_rank == 0:
        print(f"resumed after step {done}", flush=True)

    for step in range(done + 1, args.steps + 1):
        rows, wanted = batch(engine, step)
        loss = nn.functional.mse_loss(engine(rows).float(), wanted)
        engine.backward(loss)
        engine.step()
        if engine.global_rank == 0:
            # All bits of the loss, so that two runs can be compared.
            print(f"step {step} loss {loss.item():.4f} {loss.item().hex()}", flush=True)
        if step % args.save_every == 0 or step == args.steps:
            engine.save_checkpoint(
                args.run_dir, f"step-{step}", client_state={"step": step}
            )

    engine.destroy()  # waits for the last checkpoint


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run-dir", required=True, help="checkpoints go here")
    parser.add_argument("--config", default=CONFIG, help="of DeepSpeed")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--save-every", type=int, default=20)
    parser.add_argument("--local_rank", help="given by deepspeed, not needed")
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    deepspeed.init_distributed("gloo" if not torch.cuda.is_available() else "nccl")
    try:
        train(args)
    finally:
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
