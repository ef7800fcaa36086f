# SPDX-License-Identifier: Apache-2.0
"""The simulation of agreement, against sums made by hand."""

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))

import agree_sim  # noqa: E402

#: Ten for a message on its way, one for handling it, nothing for its bytes.
PLAIN = agree_sim.Network(latency=10.0, handling=1.0, per_byte=0.0, jitter=0.0,
                          entry_bytes=100, files=1, fan_out=2)


@pytest.mark.parametrize("ranks, expected", [
    (2, 10 + 1 + 1 + 10),  # there, taken, given, back
    (4, 10 + 3 + 3 + 10),  # rank 0 takes and gives three
])
def test_short_star(ranks, expected):
    assert agree_sim.short_star(PLAIN, ranks, 0) == expected


def test_star_gives_twice():
    assert agree_sim.star(PLAIN, 4, 0) == (10 + 3) + (3 + 10) + (3 + 10)


def test_tree_of_two_levels():
    # Seven ranks: leaves to their parents, those to the root, and back down.
    assert agree_sim.tree(PLAIN, 7, 0) == 2 * (10 + 2) + 2 * (2 + 10)


def test_all_to_all_asks_for_each_pair():
    # Puts, 16 questions, the outcome and four answers; three times on the way
    # besides the puts.
    assert agree_sim.all_to_all(PLAIN, 4, 0) == 10 + 4 + 16 + 1 + 4 + 30


def test_bytes_cost():
    slow = agree_sim.Network(latency=0.0, handling=0.0, per_byte=1.0,
                             jitter=0.0, entry_bytes=100, files=2, fan_out=2)
    # Three lists of 200 bytes in, three of 800 out, three outcomes of 16.
    assert agree_sim.star(slow, 4, 0) == 3 * 200 + 3 * 800 + 3 * 16


def test_late_ranks_are_not_part_of_the_cost():
    late = agree_sim.Network(latency=10.0, handling=1.0, per_byte=0.0,
                             jitter=1e6, entry_bytes=100, files=1, fan_out=2)
    for seed in range(8):
        # All are long there when the last one comes, unless that is rank 0.
        assert agree_sim.short_star(late, 4, seed) <= 10 + 3 + 3 + 10


def test_real_processes_agree():
    assert 0 < agree_sim.measured_star(PLAIN, 4) < 5


def test_commits_are_measured(tmp_path):
    bench = Path(agree_sim.__file__).with_name("agree_commit.py")
    words = [sys.executable, bench, "--ranks", "2", "--rounds", "3", "--dir", tmp_path]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2 ranks, 2 rounds")
    assert [line.split("  ")[0] for line in done.stdout.splitlines()[1:]] == [
        "all know, after the last was durable",
        "the same commit by one process",
        "what the agreement adds",
    ]
    assert list(tmp_path.iterdir()) == []
