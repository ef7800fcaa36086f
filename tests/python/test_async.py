# SPDX-License-Identifier: Apache-2.0
"""The asynchronous engine as a training loop meets it."""

import gc
import subprocess
import sys
import threading

import pytest
import torch

import pawl


def engine_of(**config):
    events = []
    engine = pawl.CheckpointEngine(
        {"engine": "async", "block_bytes": 65536, "staging_bytes": "1MiB", **config},
        on_event=events.append,
    )
    return engine, events


def make(engine, run, tag, state):
    engine.create(run, tag)
    engine.save(state, run / tag / "model.pt")
    engine.commit(tag)


def test_tensors_may_change_after_save(tmp_path):
    engine, events = engine_of()
    with engine:
        for i in range(5):
            state = {"w": torch.full((300_000,), float(i))}
            make(engine, tmp_path, f"step-{i}", state)
            state["w"].fill_(-1)
        engine.wait()
        for i in range(5):
            loaded = torch.load(tmp_path / f"step-{i}" / "model.pt")
            assert torch.equal(loaded["w"], torch.full((300_000,), float(i)))
    assert events == [pawl.Event("committed", f"step-{i}", "") for i in range(5)]


@pytest.mark.parametrize("rounds", range(3))
def test_lazy_snapshots_end_at_the_fence(tmp_path, rounds):
    engine, events = engine_of(snapshot="lazy")
    with engine:
        state = {f"w{i}": torch.full((100_000,), float(i)) for i in range(9)}
        expected = {name: tensor.clone() for name, tensor in state.items()}
        make(engine, tmp_path, "one", state)
        tensors = list(state.values())
        del state  # the engine keeps what it still reads
        gc.collect()
        engine.fence()
        for tensor in tensors:
            tensor.fill_(-1)
        engine.wait()
    loaded = torch.load(tmp_path / "one" / "model.pt")
    assert all(torch.equal(loaded[name], expected[name]) for name in expected)
    assert [event.kind for event in events] == ["committed"]


def test_the_engine_alone_keeps_lazy_tensors(tmp_path):
    engine, _ = engine_of(snapshot="lazy")
    with engine:
        make(engine, tmp_path, "one", {"w": torch.arange(2_000_000)})
        gc.collect()
        junk = [torch.full((2_000_000,), -1) for _ in range(4)]
        engine.fence()
        engine.wait()
    del junk
    loaded = torch.load(tmp_path / "one" / "model.pt")
    assert torch.equal(loaded["w"], torch.arange(2_000_000))


def test_fence_before_a_step(tmp_path):
    model = torch.nn.Linear(500, 500)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    engine, _ = engine_of(snapshot="lazy")
    handle = pawl.fence_before(optimizer, engine)
    with engine:
        for step in range(4):
            before = {k: v.clone() for k, v in model.state_dict().items()}
            make(engine, tmp_path, f"step-{step}", model.state_dict())
            model(torch.ones(3, 500)).sum().backward()
            optimizer.step()  # waits for the copies, then changes the weights
            engine.wait()
            loaded = torch.load(tmp_path / f"step-{step}" / "model.pt")
            assert all(torch.equal(loaded[k], before[k]) for k in before)
            assert not torch.equal(model.weight, before["weight"])
    handle.remove()
    optimizer.step()  # the hook would find a closed engine


def test_fence_before_finds_all_engines(tmp_path):
    first, _ = engine_of(snapshot="lazy")
    optimizer = torch.optim.SGD([torch.zeros(3, requires_grad=True)], lr=1.0)
    pawl.fence_before(optimizer)
    optimizer.step()
    first.shutdown()
    optimizer.step()  # a closed engine is none to wait for


def test_a_failure_is_told_once_and_as_an_event(tmp_path):
    engine, events = engine_of()
    with engine:
        engine.create(tmp_path, "one")
        with pytest.raises(pawl.Error):
            engine.save({"w": torch.zeros(3)}, tmp_path / "elsewhere.pt")
        with pytest.raises(pawl.Error, match="elsewhere"):
            engine.commit("one")
        make(engine, tmp_path, "two", {"w": torch.zeros(3)})
        engine.wait()
    assert [(event.kind, event.tag) for event in events] == [
        ("failed", "one"),
        ("committed", "two"),
    ]
    assert "elsewhere" in events[0].message


def test_skip_when_full(tmp_path):
    started = threading.Event()
    go_on = threading.Event()
    events = []

    def hold_up(event):
        events.append((event.kind, event.tag))
        if event.tag == "one":
            started.set()
            assert go_on.wait(60)

    engine = pawl.CheckpointEngine(
        {"engine": "async", "when_full": "skip"}, on_event=hold_up
    )
    with engine:
        make(engine, tmp_path, "one", {"w": torch.zeros(3)})
        assert started.wait(60)
        make(engine, tmp_path, "two", {"w": torch.zeros(3)})
        assert engine.status().skipped == 1
        go_on.set()
        engine.wait()
        make(engine, tmp_path, "three", {"w": torch.zeros(3)})
        engine.wait()
        assert engine.open(tmp_path) == "three"
    assert not (tmp_path / "two").exists()
    assert sorted(events) == [
        ("committed", "one"),
        ("committed", "three"),
        ("skipped", "two"),
    ]


def test_status_counts_stages(tmp_path):
    engine, _ = engine_of()
    with engine:
        make(engine, tmp_path, "one", {"w": torch.zeros(2_000_000)})
        engine.wait()
        status = engine.status()
    assert status.commits == 1 and status.pending == 0
    assert status.bytes_saved > 8_000_000
    for stage in ("stall_ns", "copy_ns", "write_ns", "publish_ns"):
        assert getattr(status, stage) > 0, stage


PROGRAM = """
import sys, torch, pawl
engine = pawl.CheckpointEngine()
engine.create(sys.argv[1], "one")
engine.save({"w": torch.arange(3_000_000)}, sys.argv[1] + "/one/model.pt")
engine.commit("one")
"""


def test_exit_waits_for_what_was_committed(tmp_path):
    subprocess.run([sys.executable, "-c", PROGRAM, tmp_path], check=True, timeout=120)
    with pawl.CheckpointEngine() as engine:
        assert engine.open(tmp_path) == "one"
        loaded = engine.load(tmp_path / "one" / "model.pt")
    assert torch.equal(loaded["w"], torch.arange(3_000_000))


FORKING = """
import os, sys, torch, pawl
engine = pawl.CheckpointEngine()
engine.create(sys.argv[1], "one")
engine.save({"w": torch.arange(1000)}, sys.argv[1] + "/one/model.pt")
child = os.fork()
if child == 0:
    try:
        engine.commit("one")
    except pawl.StateError:
        sys.exit(7)  # runs the finalizers, too
    sys.exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
engine.commit("one")
engine.wait()
"""


def test_a_forked_child_is_no_harm(tmp_path):
    subprocess.run([sys.executable, "-c", FORKING, tmp_path], check=True, timeout=120)
    with pawl.CheckpointEngine() as engine:
        assert engine.open(tmp_path) == "one"
