# SPDX-License-Identifier: Apache-2.0
"""Train a model that is sharded by FSDP, and survive being killed.

    torchrun --nproc-per-node 2 examples/fsdp.py --run-dir run
    (kill it, at any moment, in any way)
    torchrun --nproc-per-node 2 examples/fsdp.py --run-dir run    goes on

Each rank has a shard of every weight and of the optimizer's moments, and writes
it, as plain tensors, to a file of its own: nothing is gathered, and all ranks
write at the same time.  The files of all ranks become visible at once, or none
of them does, and after a restart all ranks go on from the same checkpoint: the
newest that is whole on all of them.

The shards fit as many ranks as wrote them.  A resumed run computes, bit for
bit, what an undisturbed one would have.
"""

import argparse
import logging

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

import pawl

CONFIG = {
    "engine": "async",  # writes in the background,
    "snapshot": "lazy",  # and copies the tensors while the next step begins
    "keep_last": 2,
    "rank_timeout_ms": 60_000,  # then a rank that does not come is named
}
SEED = 1835


def local(tree):
    """The same, with this rank's shards in place of sharded tensors."""
    if isinstance(tree, DTensor):
        return tree.to_local()
    if isinstance(tree, dict):
        return {key: local(item) for key, item in tree.items()}
    return tree


def load_model(model, shards):
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.to_local().copy_(shards[name])


def load_optimizer(optimizer, shards):
    """Makes sharded tensors of the moments again, each like its weight."""
    weights = [w for group in optimizer.param_groups for w in group["params"]]
    for at, moments in shards["state"].items():
        like = weights[at]
        for name in ("exp_avg", "exp_avg_sq"):
            moments[name] = DTensor.from_local(
                moments[name], like.device_mesh, like.placements,
                run_check=False, shape=like.shape, stride=like.stride(),
            )
    optimizer.load_state_dict(shards)


def save(engine, run_dir, step, model, optimizer):
    """Every rank calls it, at the same step."""
    tag = f"step-{step}"
    engine.create(run_dir, tag)
    engine.save(
        {
            "step": step,
            "ranks": dist.get_world_size(),
            "model": local(dict(model.named_parameters())),
            "optimizer": local(optimizer.state_dict()),
            "rng": torch.get_rng_state(),
        },
        f"{run_dir}/{tag}/rank-{dist.get_rank()}.pt",
    )
    engine.commit(tag)  # of all ranks; how it went is told by the next call


def resume(engine, run_dir, model, optimizer):
    """Goes back to the newest checkpoint that is whole on every rank."""
    tag = engine.open(run_dir)
    if tag is None:
        return 0
    own = engine.load(f"{run_dir}/{tag}/rank-{dist.get_rank()}.pt")
    engine.close(tag)
    if own["ranks"] != dist.get_world_size():
        raise SystemExit(f"{tag} was written by {own['ranks']} ranks")
    load_model(model, own["model"])
    load_optimizer(optimizer, own["optimizer"])
    torch.set_rng_state(own["rng"])
    if dist.get_rank() == 0:
        print(f"resumed from {tag}", flush=True)
    return own["step"]


def sharded_model():
    torch.manual_seed(SEED)  # all ranks begin with the same weights
    model = nn.Sequential(
        nn.Linear(16, 255), nn.GELU(), nn.Dropout(0.1), nn.Linear(255, 1)
    )
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    for layer in (model[0], model[3]):
        fully_shard(layer, mesh=mesh)
    return fully_shard(model, mesh=mesh)


def batch(step, rank, size=32):
    """What a rank reads in a step follows from the step, not from what it read."""
    dice = torch.Generator().manual_seed(SEED + 1000 * step + rank)
    rows = torch.rand(size, 16, generator=dice)
    return rows, torch.sin(rows.sum(1, keepdim=True))


def train(args):
    rank, size = dist.get_rank(), dist.get_world_size()
    model = sharded_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    torch.manual_seed(SEED + rank)  # dropout differs between ranks

    engine = pawl.CheckpointEngine(CONFIG, comm=pawl.ranks.from_torch_distributed())
    pawl.fence_before(optimizer, engine)  # no step before the copies are made
    done = resume(engine, args.run_dir, model, optimizer)

    for step in range(done + 1, args.steps + 1):
        rows, wanted = batch(step, rank)
        loss = nn.functional.mse_loss(model(rows), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        mean = loss.detach() / size
        dist.all_reduce(mean)
        if rank == 0:
            # All bits of the loss, so that two runs can be compared.
            print(f"step {step} loss {mean.item():.4f} {mean.item().hex()}", flush=True)
        if step % args.save_every == 0 or step == args.steps:
            save(engine, args.run_dir, step, model, optimizer)

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
    dist.init_process_group("gloo")
    train(args)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
