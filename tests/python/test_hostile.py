# SPDX-License-Identifier: Apache-2.0
"""Files made to harm: nothing in them runs, however they ask for it."""

import os
import pickle
import struct
import sys

import pytest
from hostile_pickles import calls, proto, smuggled, write_legacy, write_zip

import pawl

COMMAND = "touch {}"


ALL = sorted([*calls("x"), *smuggled("x")])


@pytest.fixture
def marker(tmp_path, monkeypatch):
    """A file that exists once a command ran.  Commands that reach os.system
    without a shell are noted too."""
    path = tmp_path / "it-ran"

    def system(command):
        path.touch()

    monkeypatch.setattr(os, "system", system)
    return path


def pickled(name, marker):
    command = COMMAND.format(marker)
    return {**calls(command), **smuggled(command)}[name]


def test_the_pickles_are_loaded_guns(tmp_path, monkeypatch):
    """Python's own unpickler fires most of them, so the tests below can fail."""
    fired = []
    for name in calls("x"):
        marker = tmp_path / name
        try:
            pickle.loads(pickled(name, marker))
        except Exception:
            pass
        if name in ("newobj", "newobj_ex"):
            continue  # Popen may still be running
        if marker.exists():
            fired.append(name)
    assert len(fired) >= 20, fired


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("write", [write_zip, write_legacy])
def test_nothing_runs(name, write, marker, tmp_path):
    path = tmp_path / "hostile.pt"
    write(path, pickled(name, marker))
    with pytest.raises(pawl.Error):
        pawl.load(path)
    assert not marker.exists()


@pytest.mark.parametrize("name", ALL)
def test_inert_is_inert(name, marker, tmp_path):
    path = tmp_path / "hostile.pt"
    write_zip(path, pickled(name, marker))
    try:
        loaded = pawl.load(path, unknown="inert")
    except pawl.Error:
        pass
    else:
        repr(loaded)
    assert not marker.exists()


def test_inert_objects_hold_the_data(tmp_path):
    path = tmp_path / "hostile.pt"
    write_zip(path, calls("echo hi")["global_reduce"])
    loaded = pawl.load(path, unknown="inert")
    assert type(loaded) is pawl.Object
    assert (loaded.name, loaded.args) == ("posix.system", ("echo hi",))
    assert repr(loaded) == "<object posix.system, 'echo hi'>"


def test_the_error_names_the_class_and_the_way(tmp_path):
    path = tmp_path / "hostile.pt"
    write_zip(path, calls("echo hi")["global_reduce"])
    with pytest.raises(
        pawl.UntrustedError, match=r"trust=\['posix.system'\]"
    ) as caught:
        pawl.load(path)
    assert caught.value.name == "posix.system"
    assert caught.value.filename == str(path)


def test_trust_is_for_the_name_alone(tmp_path, marker):
    path = tmp_path / "hostile.pt"
    write_zip(path, pickled("global_os", marker))
    for trust in (["os"], ["os.path"], ["posix.system"], ["os.*"], ["system"]):
        with pytest.raises(pawl.UntrustedError):
            pawl.load(path, trust=trust)
    assert not marker.exists()
    pawl.load(path, trust=["os.system"])
    assert marker.exists()


def test_nothing_is_imported(tmp_path):
    """A module that is not loaded stays so."""
    sys.modules.pop("this", None)
    path = tmp_path / "hostile.pt"
    write_zip(path, proto(2, b"cthis\nx\n)R"))
    with pytest.raises(pawl.UntrustedError):
        pawl.load(path)
    pawl.load(path, unknown="inert")
    assert "this" not in sys.modules


# ---- depth ---------------------------------------------------------------


def test_deeply_nested_files_load(tmp_path):
    """100,000 lists in one another, and as many tuples."""
    for opening, closing in (
        (b"]" * 100_000, b"a" * 99_999),
        (b"N", b"\x85" * 100_000),
    ):
        path = tmp_path / "deep.pt"
        write_zip(path, proto(2, opening + closing))
        deep = pawl.load(path)
        depth = 0
        while deep:
            deep = deep[0]
            depth += 1
        assert depth in (99_999, 100_000)


def test_a_deep_key_is_refused(tmp_path):
    """Python hashes tuples by recursion: this would end the process."""
    path = tmp_path / "deep.pt"
    write_zip(path, proto(2, b"}N" + b"\x85" * 1_000_000 + b"K\x01s"))
    with pytest.raises(pawl.FormatError, match="nested"):
        pawl.load(path)


def test_a_tuple_in_many_of_its_lists(tmp_path):
    """Cycles whose naive rebuilding takes quadratic time."""
    count = 100_000
    path = tmp_path / "cycles.pt"
    lists = b"".join(b"]r" + struct.pack("<I", i + 1) for i in range(count))
    fill = b"".join(b"j" + struct.pack("<I", i + 1) + b"h\x00a0" for i in range(count))
    write_zip(path, proto(2, b"(" + lists + b"tq\x00" + fill))
    loaded = pawl.load(path)
    assert len(loaded) == count and loaded[5][0] is loaded
