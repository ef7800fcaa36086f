# SPDX-License-Identifier: Apache-2.0
"""Trainings with DeepSpeed, each by processes that are forked from this one.

To import torch and DeepSpeed takes seconds, to fork a process that has them
takes none.  Reads a job (a JSON object) from each line of its input: `TRAIN`
says what one may have, and of any job all ranks are killed when rank 0 has
printed "kill_at".  Rank R of a job writes what happened to it to OUT.R, a JSON
list a line, and what it printed to OUT.R.log.  Answers with the list of exit
codes, a negative one being a signal.
"""

import atexit
import gc
import json
import os
import resource
import runpy
import signal
import sys
import time
import traceback

import deepspeed
import deepspeed_warm  # noqa: F401
import torch

import pawl.deepspeed

TRAIN = {
    "out": "",  # prefix of the files that the ranks write
    "world": 1,
    "folder": "",  # of the checkpoints
    "engine": "torch",  # DeepSpeed's own; "pawl"; "section": by the config alone
    "pawl": {},  # its config
    "stage": 0,
    "config": {},  # more for DeepSpeed
    "model": "plain",
    "steps": 0,  # in all, those before the checkpoint included
    "save": {},  # step: tag, after that step; RANK in it is the number of each
    "save_more": {},  # more arguments
    "client_state": {},
    "save_16bit": False,  # at the end
    "load": True,
    "load_more": {},
    "die": 0,  # SIGKILL after that step
    "full": [],  # [rank, step, bytes]: that rank can write no larger files from
    # there to the next save
    "destroy": True,  # at the end
    "script": None,  # [path, arguments ...]: runs that instead
}


def plain(width=256):
    return torch.nn.Sequential(
        torch.nn.Linear(32, width), torch.nn.GELU(), torch.nn.Linear(width, 32)
    )


def wide():
    """So wide that DeepSpeed swaps its optimizer's tensors out, of a MiB at least."""
    return plain(2**15)


class Deep(torch.nn.Module):
    """With experts, a buffer, and one parameter in two places."""

    def __init__(self):
        super().__init__()
        from deepspeed.moe.layer import MoE

        self.first = torch.nn.Linear(32, 32)
        self.experts = MoE(32, torch.nn.Linear(32, 32), num_experts=4, ep_size=1)
        self.last = torch.nn.Linear(32, 32)
        self.register_buffer("seen", torch.zeros(3))

    def forward(self, batch):
        self.seen.add_(1)
        mixed, _, _ = self.experts(self.first(batch))
        return self.last(mixed)


def pipeline():
    from deepspeed.pipe import PipelineModule

    layers = [torch.nn.Linear(32, 32) for _ in range(4)]
    stages = min(2, torch.distributed.get_world_size())
    return PipelineModule(layers=layers, num_stages=stages, loss_fn=square)


MODELS = {"plain": plain, "wide": wide, "experts": Deep, "pipeline": pipeline}


def square(outputs, _=None):
    return outputs.float().square().mean()


class Job:
    """One rank of a training."""

    def __init__(self, job, rank):
        self.job = {**TRAIN, **job}
        assert set(self.job) == set(TRAIN), set(self.job) - set(TRAIN)
        self.rank = rank

    def tell(self, *what):
        with open(f"{self.job['out']}.{self.rank}", "a") as out:
            out.write(json.dumps(what) + "\n")

    def config(self):
        config = {
            "train_micro_batch_size_per_gpu": 4,
            "bf16": {"enabled": True},
            "optimizer": {"type": "AdamW", "params": {"lr": 0.01, "torch_adam": True}},
            "scheduler": {"type": "WarmupLR", "params": {"warmup_num_steps": 3}},
            "zero_optimization": {"stage": self.job["stage"]},
            **self.job["config"],
        }
        if self.job["engine"] == "section":
            config["pawl"] = self.job["pawl"]
        return config

    def start(self):
        if self.job["engine"] == "pawl":
            pawl.deepspeed.install(self.job["pawl"])
        deepspeed.init_distributed("gloo", verbose=False)
        torch.manual_seed(1)
        model = MODELS[self.job["model"]]()
        parameters = [p for p in model.parameters() if p.requires_grad]
        if self.job["model"] == "experts":
            from deepspeed.moe.utils import (
                split_params_into_different_moe_groups_for_optimizer as split,
            )

            parameters = split({"params": parameters, "name": "all"})
        self.ds, *_ = deepspeed.initialize(
            model=model, model_parameters=parameters, config=self.config()
        )

    def load(self):
        try:
            where, client = self.ds.load_checkpoint(
                self.job["folder"], **self.job["load_more"]
            )
        except Exception as exc:
            self.tell("load failed", type(exc).__name__, str(exc))
            raise
        self.tell("loaded", where and os.path.basename(os.path.dirname(where)))
        if client:
            names = [name for name in self.job["client_state"] if name in client]
            self.tell("client", {name: client[name] for name in names})

    def step(self, step):
        torch.manual_seed(1000 * step + self.rank)
        batch = torch.randn(4, 32, dtype=torch.bfloat16)
        if self.job["model"] == "pipeline":
            loss = self.ds.train_batch(iter([(batch, batch)]))
        else:
            loss = square(self.ds(batch))
            self.ds.backward(loss)
            self.ds.step()
        self.tell("loss", step, loss.item())

    def save(self, step, tag):
        most = resource.RLIM_INFINITY
        if self.job["full"][:2] == [self.rank, step]:
            most = self.job["full"][2]
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
        try:
            self.ds.save_checkpoint(
                self.job["folder"],
                tag,
                client_state=self.job["client_state"],
                **self.job["save_more"],
            )
            self.tell("saved", tag, self.latest())
        except Exception as exc:
            traceback.print_exc()
            self.tell("save failed", type(exc).__name__, str(exc))

    def latest(self):
        path = os.path.join(self.job["folder"], "latest")
        if not os.path.exists(path):
            return None
        with open(path) as latest:
            return latest.read()

    def run(self):
        self.start()
        if self.job["load"]:
            self.load()
        for step in range(self.ds.global_steps, self.job["steps"]):
            self.step(step)
            tag = self.job["save"].get(str(step + 1))
            if tag:
                self.save(step + 1, tag.replace("RANK", str(self.rank)))
            if self.job["die"] == step + 1:
                os.kill(os.getpid(), signal.SIGKILL)
        if self.job["save_16bit"]:
            self.ds.save_16bit_model(self.job["folder"])
        if self.job["destroy"]:
            self.ds.destroy()


def run_script(path, *arguments):
    sys.argv = [path, *arguments]
    sys.path.insert(0, os.path.dirname(path))
    runpy.run_path(path, run_name="__main__")


def be_rank(job, rank):
    """In a child: never returns."""
    log = open(f"{job['out']}.{rank}.log", "wb", buffering=0)
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank))
    if job.get("script"):
        run_script(*job["script"])
    else:
        Job(job, rank).run()


def end_script(code):
    """As a script ends, but for tearing down what was imported."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def free_port():
    import socket

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def fork_ranks(job):
    world = job.get("world", 1)
    os.environ.update(
        WORLD_SIZE=str(world),
        LOCAL_WORLD_SIZE=str(world),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(free_port()),
    )
    children = []
    for rank in range(world):
        pid = os.fork()
        if pid == 0:
            code = 0
            try:
                be_rank(job, rank)
            except BaseException:
                traceback.print_exc()
                code = 1
            end_script(code)
        children.append(pid)
    return children


def is_there(path, text):
    if not os.path.exists(path):  # the rank has not started yet
        return False
    with open(path) as log:
        return text in log.read()


def wait_for(children, log, kill_at, seconds):
    """Exit codes; who takes longer is killed."""
    codes = [None] * len(children)
    end = time.monotonic() + seconds
    while None in codes:
        if kill_at and is_there(log, kill_at):
            end = 0
        for rank, pid in enumerate(children):
            if codes[rank] is None:
                done, status = os.waitpid(pid, os.WNOHANG)
                if done:
                    codes[rank] = os.waitstatus_to_exitcode(status)
                elif time.monotonic() > end:
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    return codes


def main():
    gc.freeze()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        kill_at, seconds = job.pop("kill_at", ""), job.pop("seconds", 120)
        codes = wait_for(fork_ranks(job), job["out"] + ".0.log", kill_at, seconds)
        print(json.dumps(codes), file=answers, flush=True)


if __name__ == "__main__":
    main()
