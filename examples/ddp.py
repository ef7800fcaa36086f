# SPDX-License-Identifier: Apache-2.0
"""Train on many processes with DistributedDataParallel, and survive being killed.

    torchrun --nproc-per-node 2 examples/ddp.py --run-dir run
    (kill it, at any moment, in any way)
    torchrun --nproc-per-node 2 examples/ddp.py --run-dir run    goes on

All processes make one checkpoint together: rank 0 writes the model and the
optimizer, which all have alike; each rank writes what is its own, its random
numbers and its place in the data.  All of it becomes visible at once, or none
of it, and after a restart all ranks go on from the same checkpoint: the newest
that is whole on all of them.

A resumed run of the same number of processes computes, bit for bit, what an
undisturbed one would have.
"""

import argparse
import logging

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import pawl

CONFIG = {
    "engine": "async",  # writes in the background,
    "snapshot": "lazy",  # and copies the tensors while the next step begins
    "keep_last": 2,
    "rank_timeout_ms": 60_000,  # then a rank that does not come is named
}


class Data:
    """Rows of a function to learn; each rank draws its own."""

    def __init__(self, rank):
        self.dice = torch.Generator().manual_seed(1000 + rank)

    def batch(self, size=32):
        rows = torch.rand(size, 16, generator=self.dice)
        return rows, torch.sin(rows.sum(1, keepdim=True))


def save(engine, run_dir, step, model, optimizer, data):
    """Every rank calls it, at the same step."""
    tag = f"step-{step}"
    engine.create(run_dir, tag)
    if dist.get_rank() == 0:
        engine.save(
            {"model": model.state_dict(), "optimizer": optimizer.state_dict()},
            f"{run_dir}/{tag}/model.pt",
        )
    engine.save(
        {
            "step": step,
            "rng": torch.get_rng_state(),
            "data": data.dice.get_state(),
        },
        f"{run_dir}/{tag}/rank-{dist.get_rank()}.pt",
    )
    engine.commit(tag)  # of all ranks; how it went is told by the next call


def resume(engine, run_dir, model, optimizer, data):
    """Goes back to the newest checkpoint that is whole on every rank."""
    tag = engine.open(run_dir)
    if tag is None:
        return 0
    shared = engine.load(f"{run_dir}/{tag}/model.pt")
    own = engine.load(f"{run_dir}/{tag}/rank-{dist.get_rank()}.pt")
    engine.close(tag)
    model.load_state_dict(shared["model"])
    optimizer.load_state_dict(shared["optimizer"])
    torch.set_rng_state(own["rng"])
    data.dice.set_state(own["data"])
    if dist.get_rank() == 0:
        print(f"resumed from {tag}", flush=True)
    return own["step"]


def train(args):
    rank, size = dist.get_rank(), dist.get_world_size()
    torch.manual_seed(rank)  # dropout differs between ranks
    # DistributedDataParallel gives rank 0's weights to all.
    model = nn.Sequential(
        nn.Linear(16, 256), nn.GELU(), nn.Dropout(0.1), nn.Linear(256, 1)
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    data = Data(rank)

    engine = pawl.CheckpointEngine(CONFIG, comm=pawl.ranks.from_torch_distributed())
    pawl.fence_before(optimizer, engine)  # no step before the copies are made
    done = resume(engine, args.run_dir, model, optimizer, data)
    parallel = DistributedDataParallel(model)

    for step in range(done + 1, args.steps + 1):
        rows, wanted = data.batch()
        loss = nn.functional.mse_loss(parallel(rows), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        mean = loss.detach() / size
        dist.all_reduce(mean)
        if rank == 0:
            # All bits of the loss, so that two runs can be compared.
            print(f"step {step} loss {mean.item():.4f} {mean.item().hex()}", flush=True)
        if step % args.save_every == 0 or step == args.steps:
            save(engine, args.run_dir, step, model, optimizer, data)

    engine.wait()  # the last one is durable now, or this tells why not
    engine.shutdown()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run-dir", required=True, help="checkpoints go here")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--save-every", type=int, default=20, metavar="STEPS")
    args = parser.parse_args()

    # What Pawl skipped, repaired or cleared away is told through logging.
    logging.basicConfig(level=logging.INFO, format="pawl: %(message)s")
    torch.set_num_threads(1)  # the same sums in the same order every time
    dist.init_process_group("gloo")  # "nccl" on GPUs; Pawl's talk is its own
    train(args)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
