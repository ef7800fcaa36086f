# SPDX-License-Identifier: Apache-2.0
"""What the agreement of a commit costs, from 4 ranks to 10,000.

    python bench/agree_sim.py                 a table of four ways to agree
    python bench/agree_sim.py --measure       and real processes on this machine
    python bench/agree_sim.py --files 8 --latency-us 20

A commit of many ranks has two steps: each rank's outcome and list of files go
to rank 0, and its outcome to all.  Four ways to make them are compared:

  all to all   each rank asks a key-value server for what each other gave
  star         rank 0 takes all, and gives the whole to each
  short star   rank 0 takes all, and gives the outcome alone to each
  tree         ranks hand on what their children gave; the outcome comes down

A rank is a server of messages: it handles one at a time, each for a fixed time
and a time for its bytes; a message is on its way for the latency.  Ranks begin
at moments that differ by the jitter, which is not part of the cost: it counts
from the last one.  The simulation goes through all messages one by one.
"""

from __future__ import annotations

import argparse
import os
import random
import socket
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

RANKS = (4, 16, 64, 256, 1024, 4096, 10_000)
MEASURED_RANKS = (4, 16, 64)
ROUNDS = 15
OUTCOME_BYTES = 16  # what rank 0 tells at the end


@dataclass(frozen=True)
class Network:
    """Times in seconds, sizes in bytes."""

    latency: float  #: of a message, from one rank to another
    handling: float  #: of a message, on the rank that takes or gives it
    per_byte: float  #: likewise
    jitter: float  #: by which ranks begin apart
    entry_bytes: int  #: of one file in a manifest
    files: int  #: of each rank
    fan_out: int  #: children of a rank in a tree

    def handle(self, size: int) -> float:
        return self.handling + size * self.per_byte

    def list_bytes(self, ranks: int) -> int:
        return ranks * self.files * self.entry_bytes


def arrivals(network: Network, ranks: int, seed: int) -> list[float]:
    """When each rank is done with its own files; the last at 0."""
    draw = random.Random(seed)
    starts = [-network.jitter * draw.random() for _ in range(ranks)]
    starts[draw.randrange(ranks)] = 0.0
    return starts


def serve(network: Network, sizes_at: list[tuple[float, int]],
          ready: float) -> float:
    """When one rank has handled messages that come at (moment, size)."""
    now = ready
    for moment, size in sorted(sizes_at):
        now = max(now, moment) + network.handle(size)
    return now


def give_to(network: Network, count: int, size: int, start: float) -> float:
    """When the last of `count` ranks has what one rank gives to each."""
    return start + count * network.handle(size) + network.latency


def all_to_all(network: Network, ranks: int, seed: int) -> float:
    """One server of keys answers everyone's question for everyone's list."""
    own = network.list_bytes(1)
    starts = arrivals(network, ranks, seed)
    puts = [(start + network.latency, own) for start in starts]
    full = serve(network, puts, 0.0)
    asked = full + ranks * ranks * network.handle(own)
    told = asked + network.handle(OUTCOME_BYTES) + ranks * network.handle(OUTCOME_BYTES)
    return told + 3 * network.latency


def gathered(network: Network, ranks: int, seed: int) -> float:
    """When rank 0 has the lists of all."""
    own = network.list_bytes(1)
    starts = arrivals(network, ranks, seed)
    comes = [(start + network.latency, own) for start in starts[1:]]
    return serve(network, comes, starts[0])


def star(network: Network, ranks: int, seed: int) -> float:
    full = gathered(network, ranks, seed)
    listed = give_to(network, ranks - 1, network.list_bytes(ranks), full)
    return give_to(network, ranks - 1, OUTCOME_BYTES, listed)


def short_star(network: Network, ranks: int, seed: int) -> float:
    return give_to(network, ranks - 1, OUTCOME_BYTES, gathered(network, ranks, seed))


def up(network: Network, starts: list[float]) -> tuple[float, int]:
    """When the root has all lists, and how deep the tree is."""
    done = list(starts)
    below = [1] * len(starts)
    comes: list[list[tuple[float, int]]] = [[] for _ in starts]
    for rank in range(len(starts) - 1, 0, -1):
        done[rank] = serve(network, comes[rank], done[rank])
        parent = (rank - 1) // network.fan_out
        size = network.list_bytes(below[rank])
        comes[parent].append((done[rank] + network.latency, size))
        below[parent] += below[rank]
    depth, rank = 0, len(starts) - 1
    while rank > 0:
        rank = (rank - 1) // network.fan_out
        depth += 1
    return serve(network, comes[0], done[0]), depth


def tree(network: Network, ranks: int, seed: int) -> float:
    """Lists go up; down goes the outcome alone, which is all others need."""
    full, depth = up(network, arrivals(network, ranks, seed))
    children = min(network.fan_out, ranks - 1)
    return full + depth * (children * network.handle(OUTCOME_BYTES) + network.latency)


WAYS: dict[str, Callable[[Network, int, int], float]] = {
    "all to all": all_to_all, "star": star, "short star": short_star,
    "tree": tree}


def simulated(network: Network, ranks: int) -> list[float]:
    return [statistics.median(way(network, ranks, seed) for seed in range(3))
            for way in WAYS.values()]


# ---- real processes ---------------------------------------------------------


def read_exactly(link: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        got = link.recv(size - len(parts))
        if not got:
            raise ConnectionError("a rank went away")
        parts += got
    return bytes(parts)


def be_a_rank(link: socket.socket, own: bytes, whole: int) -> None:
    try:
        for _ in range(ROUNDS):
            link.sendall(own)
            read_exactly(link, whole)
            read_exactly(link, OUTCOME_BYTES)
    finally:
        os._exit(0)


def measured_star(network: Network, ranks: int) -> float:
    """The star between processes of this machine; the median round."""
    own = b"x" * network.list_bytes(1)
    links, children = [], []
    for _ in range(ranks - 1):
        here, there = socket.socketpair()
        child = os.fork()
        if child == 0:
            here.close()
            be_a_rank(there, own, len(own) * ranks)
        there.close()
        links.append(here)
        children.append(child)
    took = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        whole = own + b"".join(read_exactly(link, len(own)) for link in links)
        for answer in (whole, b"0" * OUTCOME_BYTES):
            for link in links:
                link.sendall(answer)
        took.append(time.perf_counter() - start)
    for child in children:
        os.waitpid(child, 0)
    return statistics.median(took)


# ---- tables -----------------------------------------------------------------


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:,.2f}" if seconds < 1 else f"{seconds * 1e3:,.0f}"


def table(network: Network) -> str:
    lines = ["| ranks | manifest, KiB | " + " | ".join(
        f"{name}, ms" for name in WAYS) + " |", "|--:" * (2 + len(WAYS)) + "|"]
    for ranks in RANKS:
        size = network.list_bytes(ranks) / 1024
        cells = [milliseconds(cost) for cost in simulated(network, ranks)]
        lines.append(f"| {ranks:,} | {size:,.1f} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def measured_table(network: Network) -> str:
    lines = ["| ranks | star, processes of this machine, ms |", "|--:|--:|"]
    for ranks in MEASURED_RANKS:
        cost = milliseconds(measured_star(network, ranks))
        lines.append(f"| {ranks} | {cost} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--latency-us", type=float, default=30)
    parser.add_argument("--handling-us", type=float, default=5)
    parser.add_argument("--gb-per-s", type=float, default=2)
    parser.add_argument("--jitter-ms", type=float, default=50)
    parser.add_argument("--files", type=int, default=2)
    parser.add_argument("--fan-out", type=int, default=16)
    parser.add_argument("--measure", action="store_true")
    args = parser.parse_args()
    network = Network(
        latency=args.latency_us / 1e6, handling=args.handling_us / 1e6,
        per_byte=1 / (args.gb_per_s * 1e9), jitter=args.jitter_ms / 1e3,
        entry_bytes=120, files=args.files, fan_out=args.fan_out)
    print(table(network))
    if args.measure:
        print()
        print(measured_table(network))


if __name__ == "__main__":
    main()
