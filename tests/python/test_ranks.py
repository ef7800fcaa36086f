# SPDX-License-Identifier: Apache-2.0
"""Ranks talk: processes and threads give and take, and name who is missing."""

import concurrent.futures
import json
import os
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

import pawl
import pawl.ranks

# Made by each rank with torch.distributed itself, then gathers and broadcasts.
MEETING = """
import sys
import torch.distributed as dist
import pawl.ranks

rank, size, meet = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
dist.init_process_group("gloo", rank=rank, world_size=size, init_method=meet)
comm = pawl.ranks.from_torch_distributed(host="127.0.0.1")
assert (comm.rank, comm.size) == (rank, size)
for turn in range(20):
    parts = comm.gather(f"to {turn}", bytes([rank, turn, 0, 255]), 30.0)
    all_parts = [bytes([r, turn, 0, 255]) for r in range(size)]
    assert parts == (all_parts if rank == 0 else []), parts
    told = comm.broadcast(f"from {turn}", bytes([turn, 0]) if rank == 0 else b"", 30.0)
    assert told == bytes([turn, 0]), told
print("met")
"""


# One of two ranks commits, and leaves without the interpreter's end.  Rank 1 hears
# of the commit when it is told to go on.
LEAVING = """
import os
import sys
import torch.distributed as dist
import pawl.ranks

rank, meet, run, how = int(sys.argv[1]), *sys.argv[2:]
dist.init_process_group("gloo", rank=rank, world_size=2, init_method=meet)
comm = pawl.ranks.from_torch_distributed(host="127.0.0.1")
broadcast = comm.broadcast

def late(key, data, timeout):
    if key.startswith("commit"):
        sys.stdin.readline()
    return broadcast(key, data, timeout)

if rank == 1:
    comm.broadcast = late
engine = pawl.CheckpointEngine({"engine": "torch"}, comm=comm)
engine.create(run, "one")
engine.save({"rank": rank}, f"{run}/one/{rank}.pt")
try:
    engine.commit("one")
    print("committed", flush=True)
except pawl.Error as exc:
    print(exc, flush=True)
if how == "shutdown":
    engine.shutdown()
os._exit(0)
"""


def clients(size):
    """One StoreComm for each rank, all in this process."""
    server = dist.TCPStore("127.0.0.1", 0, None, True, wait_for_workers=False)
    stores = [server]
    for _ in range(size - 1):
        stores.append(dist.TCPStore("127.0.0.1", server.port, None, False))
    comms = [pawl.ranks.StoreComm(s, r, size) for r, s in enumerate(stores)]
    return server, comms


def leave(comms):
    for comm in reversed(comms):  # rank 0 waits for the others
        comm.close()


def test_processes_meet(tmp_path):
    meet = f"file://{tmp_path}/meet"
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", MEETING, str(rank), "3", meet],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(3)
    ]
    printed = [rank.communicate(timeout=120)[0] for rank in ranks]
    assert all(text.endswith("met\n") for text in printed), printed


def test_threads_do_not_wait_for_one_another():
    _, (zero, one) = clients(2)
    late = []
    waiting = threading.Thread(
        target=lambda: late.append(zero.gather("late", b"0", 30.0))
    )
    waiting.start()
    one.gather("soon", b"1" * 3_000_000, 30.0)
    start = time.monotonic()
    assert zero.gather("soon", b"", 30.0) == [b"", b"1" * 3_000_000]
    assert time.monotonic() - start < 10
    assert late == []
    assert one.gather("late", b"\0\n", 30.0) == []
    waiting.join()
    assert late == [[b"0", b"\0\n"]]
    leave([zero, one])


def test_the_missing_rank_is_named():
    _, comms = clients(3)
    comms[1].gather("here", b"1", 0.2)
    with pytest.raises(pawl.TimeoutError, match="rank 2 did not come") as caught:
        comms[0].gather("here", b"0", 0.2)
    assert caught.value.rank == 2
    with pytest.raises(pawl.TimeoutError, match="rank 0 did not come") as caught:
        comms[1].broadcast("there", b"", 0.2)
    assert caught.value.rank == 0
    leave(comms)


def test_giving_waits_for_nobody():
    _, (zero, one) = clients(2)
    assert one.gather("given", b"one", 30.0) == []
    assert zero.broadcast("told", b"zero", 30.0) == b"zero"
    assert zero.gather("given", b"zero", 30.0) == [b"zero", b"one"]
    assert one.broadcast("told", b"", 30.0) == b"zero"
    leave([zero, one])


def test_what_was_taken_is_deleted():
    server, (zero, one, two) = clients(3)
    before = server.num_keys()
    for turn in range(10):
        one.gather(f"to {turn}", b"one", 30.0)
        two.gather(f"to {turn}", b"two", 30.0)
        zero.gather(f"to {turn}", b"zero", 30.0)
        zero.broadcast(f"from {turn}", b"zero", 30.0)
        one.broadcast(f"from {turn}", b"", 30.0)
        two.broadcast(f"from {turn}", b"", 30.0)
    assert server.num_keys() == before
    leave([zero, one, two])


def test_a_dead_rank_0_is_named():
    """Its process had the store."""
    program = (
        "import torch.distributed as dist, sys, time\n"
        "s = dist.TCPStore('127.0.0.1', 0, None, True, wait_for_workers=False)\n"
        "print(s.port, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as server:
        port = int(server.stdout.readline())
        store = dist.TCPStore("127.0.0.1", port, None, False)
        one = pawl.ranks.StoreComm(store, 1, 2)
        server.kill()
        server.wait()
    with pytest.raises(pawl.Error, match="'key' by way of rank 0"):
        one.broadcast("key", b"", 30.0)
    one.close()


@pytest.fixture(params=["shutdown", "at once"])
def leaving(request, tmp_path):
    """How rank 0 leaves, and both ranks."""
    arguments = [f"file://{tmp_path}/meet", str(tmp_path / "run"), request.param]
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", LEAVING, str(rank), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    yield request.param, ranks
    for rank in ranks:
        rank.kill()
        rank.communicate()


def test_a_rank_0_that_leaves(leaving, tmp_path):
    """Its last word can be heard after its shutdown; else nobody says that it was
    another one, and open knows."""
    how, (zero, one) = leaving
    assert zero.stdout.readline() == "committed\n"
    if how == "shutdown":
        time.sleep(0.5)
        assert zero.poll() is None, "it did not wait"
        assert one.communicate("go\n", timeout=60)[0] == "committed\n"
        start = time.monotonic()
        assert zero.wait(60) == 0
        assert time.monotonic() - start < 5, "it waited for nobody"
    else:
        assert zero.wait(60) == 0
        told = one.communicate("go\n", timeout=60)[0]
        assert "whether checkpoint 'one' was committed is not known" in told
        assert "by way of rank 0" in told
    with pawl.CheckpointEngine() as engine:
        assert engine.open(tmp_path / "run") == "one"
        for rank in range(2):
            assert engine.load(tmp_path / "run" / "one" / f"{rank}.pt") == {"rank": rank}
        engine.close("one")


def test_rank_0_does_not_wait_for_who_did_not_come():
    _, (zero, one, two) = clients(3)
    two.gather("here", b"2", 0.2)
    with pytest.raises(pawl.TimeoutError, match="rank 1 did not come"):
        zero.gather("here", b"0", 0.2)
    two.close()
    start = time.monotonic()
    zero.close()
    assert time.monotonic() - start < 5
    one.close()


def test_one_of_four_is_killed(tmp_path, seed):
    """A short `make kill-ranks`, in which each engine has a turn."""
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("kill_ranks.py"), "3", "3000"],
        env={**os.environ, "PAWL_TEST_SEED": str(seed), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 rounds" in done.stdout
    assert list(tmp_path.iterdir()) == [], "it left files"


def test_one_process_needs_no_comm():
    assert pawl.ranks.from_torch_distributed() is None


@pytest.mark.parametrize("rank, size", [(-1, 2), (2, 2), (0, 0)])
def test_ranks_that_cannot_be(rank, size):
    with pytest.raises(ValueError, match="cannot be"):
        pawl.ranks.StoreComm(None, rank, size)


class Alone:
    """A comm of one, which keeps what it is asked."""

    rank, size = 0, 1

    def __init__(self):
        self.asked = []

    def gather(self, key, data, timeout):
        self.asked.append(key)
        return [data]

    def broadcast(self, key, data, timeout):
        self.asked.append(key)
        return data


def test_an_engine_of_one_rank(tmp_path):
    comm = Alone()
    with pawl.CheckpointEngine({"engine": "torch"}, comm=comm) as engine:
        engine.create(tmp_path, "step-1")
        engine.save({"a": 1}, tmp_path / "step-1" / "a.pt")
        engine.commit("step-1")
        assert engine.open(tmp_path) == "step-1"
        engine.close("step-1")
    gone = weakref.ref(comm)
    del comm
    assert gone() is None  # the engine let go of it


@pytest.fixture(params=["torch", "direct", "async"])
def three(request, tmp_path):
    """Engines of three ranks on one directory, and a way to run all at once."""
    _, comms = clients(3)
    config = {"engine": request.param, "rank_timeout_ms": 1000, "staging_bytes": "4MiB"}
    engines = [pawl.CheckpointEngine(config, comm=comm) for comm in comms]

    def run(act, ranks=range(3)):
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            jobs = [pool.submit(act, engines[rank], rank) for rank in ranks]
            return [job.exception() or job.result() for job in jobs]

    yield run, tmp_path / "run"
    for engine in reversed(engines):
        engine.shutdown()
    leave(comms)


def make(path, tag):
    def act(engine, rank):
        engine.create(path, tag)
        engine.save({"t": torch.full([1000], rank)}, path / tag / f"rank{rank}.pt")
        engine.commit(tag)
        engine.wait()

    return act


def open_newest(path):
    def act(engine, rank):
        tag = engine.open(path)
        if tag is not None:
            engine.close(tag)
        return tag

    return act


def test_one_commit_for_all(three):
    run, path = three
    assert run(make(path, "one")) == [None] * 3
    assert run(make(path, "two")) == [None] * 3
    assert run(open_newest(path)) == ["two"] * 3
    manifest = json.loads((path / "two" / "pawl.json").read_text())
    assert manifest["world_size"] == 3
    assert [(f["path"], f["rank"]) for f in manifest["files"]] == [
        (f"rank{rank}.pt", rank) for rank in range(3)
    ]
    for rank in range(3):
        loaded = torch.load(path / "two" / f"rank{rank}.pt", weights_only=True)
        assert torch.equal(loaded["t"], torch.full([1000], rank))
    (path / "two" / "rank1.pt").write_bytes(b"damaged")
    assert run(open_newest(path)) == ["one"] * 3


def test_a_rank_that_does_not_come_fails_all(three):
    run, path = three
    assert run(make(path, "one")) == [None] * 3

    def half(engine, rank):
        engine.create(path, "two")
        if rank != 1:
            engine.commit("two")
            engine.wait()

    failures = run(half)
    for rank in (0, 2):
        assert isinstance(failures[rank], pawl.TimeoutError)
        assert "rank 1 did not come" in str(failures[rank])
    run(lambda engine, rank: engine.abort("two"), [1])
    assert run(open_newest(path)) == ["one"] * 3


def test_an_object_that_is_no_comm():
    with pytest.raises(AttributeError, match="rank"):
        pawl.CheckpointEngine(comm=object())


def test_a_rank_that_the_engine_refuses():
    comm = Alone()
    comm.rank = 1
    with pytest.raises(pawl.InvalidError, match="rank"):
        pawl.CheckpointEngine(comm=comm)
