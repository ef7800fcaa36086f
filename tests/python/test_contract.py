# SPDX-License-Identifier: Apache-2.0
"""Every case that include/pawl/engine.h decides, from Python, on each engine."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch

import pawl


class Run:
    """An engine and the directory of a run."""

    def __init__(self, kind, folder):
        self.kind = kind
        self.dir = folder / "run"
        self.engines = []
        self.engine = self.another()

    def another(self, **config):
        """One more engine; it has a memory of its own if it has one."""
        config = {"engine": self.kind, "open_timeout_ms": 100, **config}
        self.engines.append(pawl.CheckpointEngine(config))
        return self.engines[-1]

    def path(self, tag, name="model.pt"):
        return self.dir / tag / name

    def commit(self, tag):
        """Commits, and waits for what that does in the background."""
        assert self.engine.commit(tag) is True
        self.engine.wait()

    def make(self, tag, number=0):
        """Commits a checkpoint that holds a number."""
        self.engine.create(self.dir, tag)
        self.engine.save({"number": number}, self.path(tag))
        self.commit(tag)

    def number(self, tag):
        """What the checkpoint holds."""
        return self.engine.load(self.path(tag))["number"]


@pytest.fixture(params=["torch", "memory", "async"])
def run(request, tmp_path):
    made = Run(request.param, tmp_path)
    yield made
    for engine in made.engines:
        engine.shutdown()


@pytest.fixture
def on_disk(tmp_path):
    """A run whose files a test can reach: nobody can damage another's memory."""
    made = Run("torch", tmp_path)
    yield made
    for engine in made.engines:
        engine.shutdown()


# ---- tags ------------------------------------------------------------------

BAD_TAGS = [
    "", ".", "..", ".hidden", "a/b", "/a", "a/", "../a", "latest", "x" * 256,
    "é" * 128, "a\0b", "a\nb", "\x7f",
]  # fmt: skip


@pytest.mark.parametrize("tag", BAD_TAGS, ids=repr)
def test_bad_tags_are_named(run, tag):
    with pytest.raises(pawl.InvalidError) as caught:
        run.engine.create(run.dir, tag)
    assert caught.value.code == "PAWL_EINVAL"
    assert isinstance(caught.value, ValueError)
    assert "tag" in str(caught.value)
    run.make("good")


@pytest.mark.parametrize("tag", ["x" * 255, "a b", "é", "step-10", "LATEST", "a.b"])
def test_odd_tags_work(run, tag):
    run.make(tag, 5)
    assert run.engine.open(run.dir) == tag
    assert run.number(tag) == 5
    run.engine.close(tag)


def test_a_tag_is_a_string(run):
    for tag in (5, b"tag", None):
        with pytest.raises(pawl.InvalidError):
            run.engine.create(run.dir, tag)


# ---- order of calls --------------------------------------------------------


def test_create_while_creating(run):
    run.engine.create(run.dir, "one")
    for tag in ("one", "two"):
        with pytest.raises(pawl.StateError) as caught:
            run.engine.create(run.dir, tag)
        assert isinstance(caught.value, RuntimeError)
    run.engine.abort("one")
    run.make("two")


def test_commit_and_abort_of_what_is_not_made(run):
    for call in (run.engine.commit, run.engine.abort):
        with pytest.raises(pawl.StateError):
            call("one")
    run.engine.create(run.dir, "one")
    for call in (run.engine.commit, run.engine.abort):
        with pytest.raises(pawl.StateError):
            call("two")
    run.engine.abort("one")


def test_open_while_open(run):
    run.make("one")
    run.engine.open(run.dir)
    with pytest.raises(pawl.StateError):
        run.engine.open(run.dir)
    run.engine.close("one")
    assert run.engine.open(run.dir) == "one"


def test_close_of_what_is_not_open(run):
    with pytest.raises(pawl.StateError):
        run.engine.close("one")
    run.make("one")
    run.engine.open(run.dir)
    with pytest.raises(pawl.StateError):
        run.engine.close("two")
    run.engine.close("one")


# ---- saving ----------------------------------------------------------------


def test_paths_outside_are_refused(run):
    run.engine.create(run.dir, "one")
    for path in (
        run.dir / "model.pt",
        run.dir / "two" / "model.pt",
        f"{run.dir}/one/../two/model.pt",
        f"{run.dir}/one/../../model.pt",
        f"{run.dir}/oneself/model.pt",
    ):
        with pytest.raises(pawl.InvalidError):
            run.engine.save({}, path)
        with pytest.raises(pawl.InvalidError):
            run.engine.makedirs(path, exist_ok=True)
    run.engine.abort("one")


def test_nothing_is_visible_before_commit(run):
    run.engine.create(run.dir, "one")
    run.engine.save({"number": 1}, run.path("one"))
    assert not (run.dir / "one").exists()
    assert run.engine.open(run.dir) is None
    run.commit("one")
    assert (run.dir / "one").exists() == (run.kind != "memory")
    assert run.engine.open(run.dir) == "one"


def test_makedirs(run):
    inner = run.dir / "one" / "a" / "b"
    run.engine.create(run.dir, "one")
    run.engine.makedirs(inner)
    with pytest.raises(pawl.ExistsError) as caught:
        run.engine.makedirs(inner)
    assert isinstance(caught.value, FileExistsError)
    run.engine.makedirs(inner, exist_ok=True)
    assert not (run.dir / "one").exists()
    run.engine.save({"number": 1}, inner / "model.pt")
    run.commit("one")
    assert run.engine.load(inner / "model.pt") == {"number": 1}


def test_two_saves_to_one_path(run):
    run.engine.create(run.dir, "one")
    run.engine.save({"number": 1}, run.path("one"))
    run.engine.save({"number": 2}, run.path("one"))
    run.commit("one")
    assert run.number("one") == 2


def test_same_tag_again(run):
    run.make("one", 1)
    run.engine.create(run.dir, "one")
    run.engine.save({"number": 2}, run.path("one"))
    assert run.engine.open(run.dir, "one") == "one"
    assert run.number("one") == 1
    run.engine.close("one")
    run.commit("one")
    assert run.engine.open(run.dir, "one") == "one"
    assert run.number("one") == 2


def test_same_tag_aborted(run):
    run.make("one", 1)
    run.engine.create(run.dir, "one")
    run.engine.save({"number": 2}, run.path("one"))
    run.engine.abort("one")
    assert run.engine.open(run.dir) == "one"
    assert run.number("one") == 1


def test_failed_save_fails_the_commit(run):
    base = torch.zeros(2)
    run.make("old", 1)
    run.engine.create(run.dir, "one")
    run.engine.save({"number": 2}, run.path("one"))
    run.engine.makedirs(run.path("one", "a-directory"))
    with pytest.raises(pawl.Error):
        run.engine.save({"number": 3}, run.path("one", "a-directory"))
    with pytest.raises(pawl.Error, match="a-directory"):
        run.engine.commit("one")
    assert run.engine.open(run.dir) == "old"
    run.engine.close("old")
    run.make("one", 3)
    assert base.sum() == 0 and run.number("one") == 3


def test_tensors_may_change_after_save(run):
    tensor = torch.arange(1000)
    run.engine.create(run.dir, "one")
    run.engine.save({"t": tensor}, run.path("one"))
    tensor.zero_()
    run.commit("one")
    loaded = run.engine.load(run.path("one"))["t"]
    assert torch.equal(loaded, torch.arange(1000))
    loaded.zero_()
    assert torch.equal(run.engine.load(run.path("one"))["t"], torch.arange(1000))


def test_save_outside_create_is_one_file(run):
    run.engine.makedirs(run.dir)
    path = run.dir / "single.pt"
    run.engine.save({"a": torch.ones(2)}, path)
    run.engine.save({"a": torch.zeros(2)}, path)
    assert torch.equal(run.engine.load(path)["a"], torch.zeros(2))
    if run.kind != "memory":
        assert torch.equal(torch.load(path)["a"], torch.zeros(2))
        assert os.listdir(run.dir) == ["single.pt"]


def test_a_committed_file_is_torchs(on_disk):
    on_disk.make("one", 7)
    assert torch.load(on_disk.path("one")) == {"number": 7}
    assert (on_disk.dir / "latest").read_text().strip() == "one"


def test_latest_stays_if_told_so(on_disk):
    on_disk.make("one", 1)
    on_disk.engine.create(on_disk.dir, "two", latest=False)
    on_disk.engine.save({"number": 2}, on_disk.path("two"))
    on_disk.engine.commit("two")
    on_disk.engine.wait()
    assert (on_disk.dir / "latest").read_text() == "one"
    assert on_disk.engine.open(on_disk.dir) == "two"


# ---- opening ---------------------------------------------------------------


@pytest.mark.parametrize("tag", [None, "latest"])
def test_open_of_nothing(run, tag):
    assert run.engine.open(run.dir, tag) is None
    assert run.engine.status().opened == ""


def test_open_of_a_missing_tag(run):
    run.make("one")
    with pytest.raises(pawl.NotFoundError, match="'two'") as caught:
        run.engine.open(run.dir, "two")
    assert isinstance(caught.value, FileNotFoundError)


@pytest.mark.parametrize("tag", [None, "latest"])
def test_open_takes_the_newest(run, tag):
    for number, name in enumerate(["step-9", "step-10", "a", "step-9"]):
        run.make(name, number)
    assert run.engine.open(run.dir, tag) == "step-9"
    assert run.number("step-9") == 3
    run.engine.close("step-9")
    assert run.engine.open(run.dir, "step-10") == "step-10"
    assert run.number("step-10") == 1


def test_broken_ones_are_skipped_with_a_reason(on_disk, caplog):
    for number, tag in enumerate(["one", "two", "three"]):
        on_disk.make(tag, number)
    data = bytearray(on_disk.path("three").read_bytes())
    data[len(data) // 2] ^= 1
    on_disk.path("three").write_bytes(data)
    on_disk.path("two").unlink()
    with caplog.at_level(logging.DEBUG, "pawl"):
        assert on_disk.engine.open(on_disk.dir) == "one"
    lines = [r.getMessage() for r in caplog.records if r.name == "pawl"]
    for tag in ("three", "two"):
        assert any(f"'{tag}'" in line for line in lines), lines
    on_disk.engine.close("one")
    for tag in ("two", "three"):
        with pytest.raises((pawl.CorruptError, pawl.FormatError)):
            on_disk.engine.open(on_disk.dir, tag)
    with pytest.raises(pawl.CorruptError, match="three"):
        on_disk.number("three")


def test_latest_is_no_truth(on_disk):
    on_disk.make("one", 1)
    on_disk.make("two", 2)
    for text in ("one", "gone", ""):
        (on_disk.dir / "latest").write_text(text)
        assert on_disk.engine.open(on_disk.dir) == "two"
        on_disk.engine.close("two")


def test_open_of_a_tag_that_is_being_made(run):
    run.engine.create(run.dir, "one")
    before = time.monotonic()
    with pytest.raises(pawl.BusyError):
        run.engine.open(run.dir, "one")
    assert 0.05 < time.monotonic() - before < 10


def test_open_waits_for_another_engine(on_disk):
    maker = on_disk.another()
    reader = on_disk.another(open_timeout_ms=20000)
    maker.create(on_disk.dir, "one")
    maker.save({"number": 4}, on_disk.path("one"))
    timer = threading.Timer(0.2, maker.commit, ["one"])
    timer.start()
    assert reader.open(on_disk.dir, "one") == "one"
    timer.join()
    assert reader.load(on_disk.path("one")) == {"number": 4}


MAKER = """
import pawl, sys, time
engine = pawl.CheckpointEngine()
engine.create(sys.argv[1], "one")
engine.save({"number": 1}, sys.argv[1] + "/one/model.pt")
print("made", flush=True)
time.sleep(60)
"""


def test_another_process_makes_it(on_disk):
    on_disk.make("old", 1)
    with subprocess.Popen(
        [sys.executable, "-c", MAKER, str(on_disk.dir)],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout.readline() == "made\n"
            with pytest.raises(pawl.BusyError):
                on_disk.engine.create(on_disk.dir, "one")
            with pytest.raises(pawl.BusyError):
                on_disk.engine.open(on_disk.dir, "one")
            assert on_disk.engine.open(on_disk.dir) == "old"
            on_disk.engine.close("old")
        finally:
            process.send_signal(signal.SIGKILL)
    on_disk.make("one", 2)
    assert on_disk.number("one") == 2


# ---- loading ---------------------------------------------------------------


def test_load_outside_open(run):
    run.make("one", 1)
    run.make("two", 2)
    assert run.number("one") == 1
    run.engine.open(run.dir, "two")
    assert run.number("one") == 1
    with pytest.raises(pawl.NotFoundError):
        run.engine.load(run.path("three"))


def test_load_is_verified_against_the_manifest(on_disk):
    """A file that is sound by itself, but not the one that was committed."""
    on_disk.make("one", 1)
    torch.save({"number": 2}, on_disk.path("one"))
    with pytest.raises(pawl.CorruptError):
        on_disk.number("one")


def test_loads_in_threads(run):
    run.engine.create(run.dir, "one")
    tensors = {str(i): torch.full((1000,), i) for i in range(20)}
    run.engine.save(tensors, run.path("one"))
    run.commit("one")
    run.engine.open(run.dir)
    wrong = []

    def load():
        for _ in range(5):
            loaded = run.engine.load(run.path("one"))
            run.engine.status()
            if any(not torch.equal(loaded[k], v) for k, v in tensors.items()):
                wrong.append(loaded)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_map_location_and_trust_of_load(run):
    run.engine.create(run.dir, "one")
    run.engine.save({"t": torch.ones(2)}, run.path("one"))
    run.commit("one")
    assert run.engine.load(run.path("one"), "meta")["t"].device.type == "meta"
    assert run.engine.load(run.path("one"), map_location="cpu")["t"].sum() == 2


# ---- the end ---------------------------------------------------------------


def test_missing_close_and_commit_are_logged(run, caplog):
    engine = run.another()
    engine.create(run.dir, "one")
    engine.save({}, run.path("one"))
    engine.commit("one")
    engine.wait()
    engine.open(run.dir)
    engine.create(run.dir, "two")
    engine.save({}, run.path("two"))
    with caplog.at_level(logging.DEBUG, "pawl"):
        engine.shutdown()
    text = caplog.text
    assert "'one'" in text and "'two'" in text
    assert not (run.dir / "two").exists()


def test_a_dropped_engine_aborts(on_disk, caplog):
    engine = pawl.CheckpointEngine()
    engine.create(on_disk.dir, "one")
    with caplog.at_level(logging.DEBUG, "pawl"):
        del engine
    assert "'one'" in caplog.text
    on_disk.make("one")


def test_after_shutdown_calls_are_refused(run):
    run.engine.shutdown()
    run.engine.shutdown()
    for call in (
        lambda: run.engine.create(run.dir, "one"),
        lambda: run.engine.open(run.dir),
        lambda: run.engine.load(run.path("one")),
        lambda: run.engine.status(),
        lambda: run.engine.wait(),
    ):
        with pytest.raises(pawl.StateError, match="closed"):
            call()


def test_context_manager(tmp_path):
    with pawl.CheckpointEngine() as engine:
        engine.create(tmp_path, "one")
        engine.commit("one")
    with pytest.raises(pawl.StateError):
        engine.status()


def test_status_wait_and_fence(run):
    before = run.engine.status()
    assert (before.engine, before.commits, before.committed) == (run.kind, 0, "")
    run.engine.create(run.dir, "one")
    assert run.engine.status().creating == "one"
    run.engine.save({"number": 1}, run.path("one"))
    run.engine.fence()
    run.commit("one")
    run.engine.wait()
    run.engine.wait(timeout=1.5)
    run.engine.open(run.dir)
    run.number("one")
    after = run.engine.status()
    assert (after.creating, after.opened, after.committed) == ("", "one", "one")
    assert (after.commits, after.failures, after.files_saved) == (1, 0, 1)
    assert after.bytes_saved > 500 and after.files_loaded == 1
    run.engine.close("one")


def test_wait_ends_with_its_time(tmp_path):
    config = {"engine": "async", "max_bytes_per_second": 8_000_000}
    config["block_bytes"] = 65536  # the rate is kept between blocks
    with pawl.CheckpointEngine(config) as engine:
        engine.create(tmp_path, "one")
        engine.save({"t": torch.zeros(10**6)}, tmp_path / "one" / "x.pt")
        engine.commit("one")
        with pytest.raises(TimeoutError) as caught:
            engine.wait(timeout=0.05)
        assert isinstance(caught.value, pawl.TimeoutError)
        engine.wait()
        assert engine.open(tmp_path) == "one"


def test_saving_warns_of_what_needs_trust(run, tmp_path):
    import case_classes

    plain = case_classes.Plain(a=1)
    run.engine.create(run.dir, "one")
    with pytest.warns(pawl.UntrustedWarning, match="case_classes.Plain"):
        run.engine.save(plain, run.path("one"))
    run.commit("one")
    with pytest.raises(pawl.UntrustedError):
        run.engine.load(run.path("one"))


def test_trust_of_the_engine(tmp_path):
    import case_classes

    for trusting in (
        pawl.CheckpointEngine(trust=[case_classes.Plain]),
        pawl.CheckpointEngine({"trust": ["case_classes.Plain"]}),
    ):
        with trusting as engine:
            engine.save(case_classes.Plain(a=1), tmp_path / "x.pt")
            assert engine.load(tmp_path / "x.pt").a == 1
    with pawl.CheckpointEngine({"unknown": "inert"}) as engine:
        assert engine.load(tmp_path / "x.pt").state == {"a": 1}
