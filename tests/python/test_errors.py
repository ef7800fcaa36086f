# SPDX-License-Identifier: Apache-2.0
"""Exceptions: their classes, what they carry, and when they are raised."""

import errno
import os
import pickle
import re
import resource
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch

import pawl
import pawl.errors

ALSO = {
    "PAWL_EINVAL": ValueError,
    "PAWL_ENOMEM": MemoryError,
    "PAWL_EIO": OSError,
    "PAWL_ENOSPC": OSError,
    "PAWL_EEXIST": FileExistsError,
    "PAWL_ENOENT": FileNotFoundError,
    "PAWL_EACCES": PermissionError,
    "PAWL_ESTATE": RuntimeError,
    "PAWL_EBUSY": OSError,
    "PAWL_EFORMAT": ValueError,
    "PAWL_ECORRUPT": OSError,
    "PAWL_ENOTSUP": NotImplementedError,
    "PAWL_ETIMEDOUT": TimeoutError,
    "PAWL_ECANCELED": OSError,
    "PAWL_ECONFIG": ValueError,
    "PAWL_EBUG": RuntimeError,
}


def test_the_table_is_that_of_the_header():
    header = os.path.join(os.path.dirname(__file__), "../../include/pawl/error.h")
    with open(header) as file:
        names = re.findall(r"X\((PAWL_E\w+), -\d+", file.read())
    assert names == list(ALSO)


@pytest.mark.parametrize("code", ALSO)
def test_classes(code):
    exc = pawl.errors.make(code, 0, "cannot do 'it': no", None)
    assert isinstance(exc, pawl.Error) and isinstance(exc, OSError)
    assert isinstance(exc, ALSO[code])
    assert (exc.code, exc.errno, exc.filename) == (code, None, None)
    assert str(exc) == exc.message == "cannot do 'it': no"


@pytest.mark.parametrize("code", ALSO)
def test_what_they_carry_survives_pickle(code):
    exc = pawl.errors.make(code, errno.ENOSPC, "no room", b"/a/b")
    for other in (exc, pickle.loads(pickle.dumps(exc))):
        assert type(other) is type(exc)
        assert (other.code, other.errno) == (code, errno.ENOSPC)
        assert (other.filename, str(other)) == ("/a/b", "no room")


def test_untrusted_survives_pickle():
    exc = pawl.UntrustedError("no", name="a.B")
    assert pickle.loads(pickle.dumps(exc)).name == "a.B"


def test_every_class_is_public():
    for cls in pawl.errors._CLASSES.values():
        assert getattr(pawl, cls.__name__) is cls


# ---- as they happen --------------------------------------------------------


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        pawl.load(tmp_path / "none.pt")
    exc = caught.value
    assert isinstance(exc, pawl.NotFoundError)
    assert (exc.code, exc.errno) == ("PAWL_ENOENT", errno.ENOENT)
    assert exc.filename == str(tmp_path / "none.pt")
    assert "none.pt" in str(exc)


def test_missing_directory(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        pawl.save({}, tmp_path / "none" / "x.pt")
    assert caught.value.errno == errno.ENOENT


def test_a_directory_is_no_file(tmp_path):
    for call in (lambda: pawl.load(tmp_path), lambda: pawl.save({}, tmp_path)):
        with pytest.raises(pawl.Error) as caught:
            call()
        assert caught.value.filename == str(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do all")
def test_no_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError):
        pawl.save({}, tmp_path / "x.pt")


def test_a_full_disk_leaves_the_old_file(tmp_path):
    """RLIMIT_FSIZE stands for it: the write fails in the middle."""
    path = tmp_path / "x.pt"
    pawl.save({"old": 1}, path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(pawl.Error) as caught:
            pawl.save({"new": torch.zeros(10**6)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert caught.value.errno == errno.EFBIG
    assert pawl.load(path) == {"old": 1}
    assert os.listdir(tmp_path) == ["x.pt"]


@pytest.mark.parametrize(
    "data", [b"", b"not a torch file", b"PK\3\4", b"\x80\x02.", b"\0" * 1000]
)
def test_no_torch_file(data, tmp_path):
    path = tmp_path / "x.pt"
    path.write_bytes(data)
    with pytest.raises(pawl.FormatError) as caught:
        pawl.load(path)
    assert "x.pt" in str(caught.value) and caught.value.filename == str(path)


def test_truncated_anywhere(tmp_path):
    path = tmp_path / "x.pt"
    pawl.save({"t": torch.arange(50), "s": "text"}, path)
    whole = path.read_bytes()
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        with pytest.raises((pawl.FormatError, pawl.CorruptError)):
            pawl.load(path)


def test_a_changed_bit_is_told_or_harmless(tmp_path):
    path = tmp_path / "x.pt"
    pawl.save({"t": torch.arange(50), "s": "text"}, path)
    whole = path.read_bytes()
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 1 << (at % 8)
        path.write_bytes(changed)
        try:
            loaded = pawl.load(path)
        except pawl.Error:
            continue
        assert torch.equal(loaded["t"], torch.arange(50)), at
        assert loaded["s"] == "text", at


def test_bad_arguments(tmp_path):
    with pytest.raises(ValueError):
        pawl.load(tmp_path / "x.pt", unknown="maybe")
    with pytest.raises(TypeError):
        pawl.load(tmp_path / "x.pt", trust="a.B")
    with pytest.raises(TypeError):
        pawl.load(tmp_path / "x.pt", trust=[5])
    with pytest.raises((TypeError, ValueError)):
        pawl.save({}, "a\0b")
    with pytest.raises(TypeError):
        pawl.save({}, 5)


def test_exceptions_of_the_callers_code_pass(tmp_path):
    class Refuses:
        def __reduce__(self):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        pawl.save([Refuses()], tmp_path / "x.pt")
    assert not os.listdir(tmp_path)
    pawl.save(torch.ones(1), tmp_path / "x.pt")

    def where(storage, location):
        raise KeyError("mine too")

    with pytest.raises(KeyError, match="mine too"):
        pawl.load(tmp_path / "x.pt", where)


def test_a_dict_that_grows_while_it_is_saved(tmp_path):
    class Grows:
        def __init__(self, target):
            self.target = target

        def __reduce__(self):
            self.target[len(self.target)] = 1
            return str, ("x",)

    target = {}
    target["x"] = Grows(target)
    with pytest.raises(RuntimeError, match="size"):
        pawl.save(target, tmp_path / "x.pt")


# ---- threads and the end of the process ------------------------------------


def test_other_threads_run_while_a_file_is_written(tmp_path):
    """A thread that wakes every millisecond does so during the calls."""
    ticks = []
    stop = threading.Event()

    def tick():
        while not stop.wait(0.001):
            ticks.append(time.perf_counter())

    def ticks_during(call, *args):
        begin = time.perf_counter()
        call(*args)
        end = time.perf_counter()
        return sum(begin < at < end for at in ticks)

    tensor = torch.zeros(128 * 2**20, dtype=torch.uint8)
    thread = threading.Thread(target=tick)
    thread.start()
    try:
        during_save = ticks_during(pawl.save, {"t": tensor}, tmp_path / "x.pt")
        during_load = ticks_during(pawl.load, tmp_path / "x.pt")
    finally:
        stop.set()
        thread.join()
    assert during_save >= 5 and during_load >= 5


UNFINISHED = """
import logging, pawl, sys
logging.basicConfig(level=logging.DEBUG)
engine = pawl.CheckpointEngine()
engine.create(sys.argv[1], "one")
engine.save({}, sys.argv[1] + "/one/x.pt")
sys.exit(3)
"""


def test_an_exit_in_the_middle(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", UNFINISHED, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 3
    assert "'one'" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "one").exists()


def test_without_torch(tmp_path):
    """Plain data needs no torch; it is not even imported."""
    code = (
        "import pawl, sys\n"
        "pawl.save({'a': [1, 2.5, 'x']}, sys.argv[1])\n"
        "assert pawl.load(sys.argv[1]) == {'a': [1, 2.5, 'x']}\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "x.pt")], check=True)
    assert torch.load(tmp_path / "x.pt") == {"a": [1, 2.5, "x"]}
