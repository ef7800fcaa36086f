# SPDX-License-Identifier: Apache-2.0
"""Files made to harm: nothing in them runs, and no lie in them is believed."""

import os
import pickle
import struct
import zipfile

import pytest
import torch

import pawl

COMMAND = "touch {}"


# ---- pickles that call os.system, one way each -----------------------------


def text(string):
    data = string.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def short(string):
    data = string.encode()
    return b"\x8c" + bytes([len(data)]) + data


def proto(number, body):
    return b"\x80" + bytes([number]) + body + b"."


def calls(command):
    """Name to pickle; each one runs `command` when an unpickler believes it."""
    line, arg = command.encode(), text(command)
    system = b"cposix\nsystem\n"
    getattr_ = b"c__builtin__\ngetattr\n"
    quoted = repr(f"__import__('os').system({command!r})").encode()
    code = text(f"__import__('os').system({command!r})")
    return {
        "global_reduce": proto(2, system + b"(" + arg + b"tR"),
        "global_os": proto(2, b"cos\nsystem\n" + arg + b"\x85R"),
        "protocol_0": b"cposix\nsystem\n(S'" + line + b"'\ntR.",
        "inst": b"(S'" + line + b"'\niposix\nsystem\n.",
        "obj": b"(" + system + b"S'" + line + b"'\no.",
        "stack_global": proto(4, short("posix") + short("system") + b"\x93" + short(command) + b"\x85R"),
        "framed": proto(4, b"\x95" + struct.pack("<Q", 30 + len(command))
                        + short("posix") + short("system") + b"\x93" + short(command) + b"\x85R"),
        "memoised": proto(2, system + b"q\x00" + arg + b"\x85q\x010h\x00h\x01R"),
        "duplicated": proto(2, system + arg + b"\x85R2" + b"\x86"),
        "eval": proto(2, b"c__builtin__\neval\n" + code + b"\x85R"),
        "exec": proto(2, b"c__builtin__\nexec\n" + code + b"\x85R"),
        "getattr": proto(2, getattr_ + b"c__builtin__\n__import__\n" + text("os") + b"\x85R"
                         + text("system") + b"\x86R" + arg + b"\x85R"),
        "getattr_of_a_class": proto(2, getattr_ + b"ccollections\nOrderedDict\n" + text("__init__") + b"\x86R"
                                    + text("x") + b"\x85R" + system + arg + b"\x85R" + b"\x86"),
        "dotted_name": proto(4, short("torch") + short("os.system") + b"\x93" + short(command) + b"\x85R"),
        "dotted_allowed_module": proto(4, short("collections") + short("_sys.modules.get") + b"\x93"
                                       + short("os") + b"\x85R" + short("posix") + short("system")
                                       + b"\x93" + short(command) + b"\x85R\x86"),
        "partial": proto(2, b"cfunctools\npartial\n" + system + arg + b"\x86R)R"),
        "partial_state": proto(2, b"cfunctools\npartial\n" + system + b"\x85R(" + system + b"(" + arg + b"t}}tb)R"),
        "map": proto(2, b"c__builtin__\nlist\nc__builtin__\nmap\n" + system + b"]" + arg + b"a\x86R\x85R"),
        "methodcaller": proto(2, b"coperator\nmethodcaller\n" + text("system") + arg + b"\x86R"
                              b"cimportlib\nimport_module\n" + text("os") + b"\x85R\x85R"),
        "newobj": proto(2, b"csubprocess\nPopen\n(" + b"]" + text("sh") + b"a" + text("-c") + b"a" + arg + b"a" + b"t\x81"
                        b"csubprocess\nPopen\n(](" + text("sh") + text("-c") + arg + b"etR\x86"),
        "newobj_ex": proto(4, short("subprocess") + short("Popen") + b"\x93)}\x920" + short("posix")
                           + short("system") + b"\x93" + short(command) + b"\x85R"),
        "build_on_result": proto(2, system + arg + b"\x85R}" + text("x") + b"K\x01sb"),
        "append_to_result": proto(2, system + arg + b"\x85R]a"),
        "setitem_on_result": proto(2, system + arg + b"\x85R" + text("x") + b"K\x01s"),
        "in_a_key": proto(2, b"}" + system + arg + b"\x85RK\x01s"),
        "in_a_set": proto(4, b"\x8f(" + system + arg + b"\x85R\x90"),
        "profile": proto(2, b"ccProfile\nrun\n" + code + b"\x85R"),
        "run_string": b"cposix\nsystem\n(V" + line + b"\ntR.",
        "nested_pickle": proto(2, b"c_pickle\nloads\nc_codecs\nencode\n"
                               + text("cposix\nsystem\n(S'" + command + "'\ntR.") + text("latin1") + b"\x86R\x85R"),
        "print_then": proto(2, b"c__builtin__\nprint\n" + text(quoted.decode()) + b"\x85R" + system + arg + b"\x85R\x86"),
    }  # fmt: skip


#: Those that name something on the allow-list around the call.
def smuggled(command):
    arg = text(command)
    call = b"cposix\nsystem\n" + arg + b"\x85R"
    system = b"cposix\nsystem\n"
    torch_ = b"ctorch._utils\n"
    rebuild = b"ctorch._tensor\n_rebuild_from_type_v2\n"
    return {
        "defaultdict": proto(2, b"ccollections\ndefaultdict\n" + system + b"\x85R"),
        "counter_of": proto(2, b"ccollections\nCounter\n" + call + b"\x85R"),
        "deque_of": proto(2, b"ccollections\ndeque\n" + call + b"\x85R"),
        "from_type": proto(2, rebuild + b"(" + system + b"ctorch\nTensor\n" + arg + b"\x85}tR"),
        "from_type_class": proto(2, rebuild + b"(" + torch_ + b"_rebuild_meta_tensor_no_storage\n"
                                 b"csubprocess\nPopen\n(ctorch\nfloat32\n))\x89t}tR"),
        "wrapper_subclass": proto(2, torch_ + b"_rebuild_wrapper_subclass\n(csubprocess\nPopen\n"
                                  b"ctorch\nfloat32\n))K\x00Nctorch\ndevice\n" + text("cpu") + b"\x85R\x89tR"),
        "numpy_subclass": proto(2, b"cnumpy.core.multiarray\n_reconstruct\n" + b"csubprocess\nPopen\nK\x00\x85"
                                + text("b") + b"\x87R"),
        "layout": proto(2, b"ctorch.serialization\n_get_layout\n" + call + b"\x85R"),
        "dotted_import": proto(2, torch_ + b"_import_dotted_name\n" + text("os.system") + b"\x85R" + arg + b"\x85R"),
        "torch_load": proto(2, b"ctorch\nload\n" + text("x.pt") + b"\x85R" + call + b"\x86"),
        "hub": proto(2, b"ctorch.hub\n_get_torch_home\n)R" + call + b"\x86"),
        "storage_from_bytes": proto(2, b"ctorch.storage\n_load_from_bytes\nc_codecs\nencode\n"
                                    + text("cposix\nsystem\n(S'" + command + "'\ntR.") + text("latin1")
                                    + b"\x86R\x85R"),
        "type_of_three": proto(2, b"c__builtin__\ntype\n" + text("X") + b")}" + b"\x87R" + call + b"\x86"),
        "ordered_dict_state": proto(2, b"ccollections\nOrderedDict\n)R}" + text("__reduce__") + call + b"sb"),
        "persistent_id": proto(2, b"(" + text("storage") + call + text("0") + text("cpu") + b"K\x01tQ"),
        "persistent_text": b"Pos.system\n" + call[:0] + b".",
        "extension_code": proto(2, b"\x82\x01)R"),
    }  # fmt: skip


def write_zip(path, pickled):
    """A torch file around a pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", pickled)
        archive.writestr("x/byteorder", "little")
        archive.writestr("x/data/0", b"\0" * 64)
        archive.writestr("x/version", "3\n")


def write_legacy(path, pickled):
    """The same as torch wrote it before 1.6."""
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    with open(path, "wb") as file:
        for head in (0x1950A86A20F9469CFC6C, 1001, system):
            pickle.dump(head, file, protocol=2)
        file.write(pickled)
        pickle.dump([], file, protocol=2)


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
    with pytest.raises(pawl.UntrustedError, match=r"trust=\['posix.system'\]") as caught:
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
    import sys

    sys.modules.pop("this", None)
    path = tmp_path / "hostile.pt"
    write_zip(path, proto(2, b"cthis\nx\n)R"))
    with pytest.raises(pawl.UntrustedError):
        pawl.load(path)
    pawl.load(path, unknown="inert")
    assert "this" not in sys.modules


# ---- lies ------------------------------------------------------------------


class Lie:
    """Pickles as a call with arguments of our choice."""

    def __init__(self, function, *args, state=None):
        self.reduced = (function, args) if state is None else (function, args, state)

    def __reduce__(self):
        return self.reduced


def _numbers(*numbers):
    return torch.tensor(numbers)


def _storage(count):
    return torch.zeros(count).storage()


def _dtype(*state):
    import numpy as np

    return Lie(np.dtype, "V4", False, True, state=state)


def _array(shape, raw):
    import numpy as np

    reconstruct = np.zeros(0).__reduce__()[0]
    state = (1, shape, np.dtype("f4"), False, raw)
    return Lie(reconstruct, np.ndarray, (0,), b"b", state=state)


def _lies():
    import numpy as np

    u = torch._utils
    scalar = np.float32(0).__reduce__()[0]
    f4 = np.dtype("f4")
    return {
        "sparse_index": Lie(u._rebuild_sparse_tensor, torch.sparse_coo,
                            (_numbers(9).view(1, 1), torch.ones(1), torch.Size([2]), True)),
        "sparse_negative": Lie(u._rebuild_sparse_tensor, torch.sparse_coo,
                               (_numbers(-1).view(1, 1), torch.ones(1), torch.Size([2]), False)),
        "sparse_parts": Lie(u._rebuild_sparse_tensor, torch.sparse_coo, ("a", "b", "c")),
        "csr_columns": Lie(u._rebuild_sparse_tensor, torch.sparse_csr,
                           (_numbers(0, 1, 1), _numbers(99), torch.ones(1), torch.Size([2, 2]))),
        "csr_rows": Lie(u._rebuild_sparse_tensor, torch.sparse_csr,
                        (_numbers(0, 7, 1), _numbers(0), torch.ones(1), torch.Size([2, 2]))),
        "nested_bounds": Lie(u._rebuild_nested_tensor, torch.ones(3), _numbers(9).view(1, 1),
                             _numbers(1).view(1, 1), _numbers(0)),
        "nested_offset": Lie(u._rebuild_nested_tensor, torch.ones(3), _numbers(2).view(1, 1),
                             _numbers(1).view(1, 1), _numbers(-5)),
        "quantized_bounds": Lie(u._rebuild_qtensor, torch.quantize_per_tensor(
            torch.ones(3), 1.0, 0, torch.qint8).storage(), 0, (99,), (1,),
            (torch.per_tensor_affine, 1.0, 0), False, None),
        "tensor_bounds": Lie(u._rebuild_tensor_v2, _storage(3), 0, (9,), (1,), False, None),
        "tensor_offset": Lie(u._rebuild_tensor_v2, _storage(3), 3, (1,), (1,), False, None),
        "tensor_stride": Lie(u._rebuild_tensor_v2, _storage(3), 0, (2, 2), (2, 2), False, None),
        "tensor_negative": Lie(u._rebuild_tensor_v2, _storage(3), 0, (2,), (-1,), False, None),
        "tensor_overflow": Lie(u._rebuild_tensor_v2, _storage(3), 0, (2**62, 4), (2**62, 1), False, None),
        "tensor_of_nothing": Lie(u._rebuild_tensor_v2, "storage", 0, (1,), (1,), False, None),
        "attributes_tensor": Lie(torch._tensor._rebuild_from_type_v2, u._rebuild_tensor_v2,
                                 torch.Tensor, (_storage(3), 0, (9,), (1,), False, None), {}),
        "parameter_of_nothing": Lie(u._rebuild_parameter, "x", True, None),
        "scalar_short": Lie(scalar, f4, b"abc"),
        "scalar_long": Lie(scalar, f4, b"abcdefgh"),
        "scalar_object": Lie(scalar, np.dtype("O"), b"abcdefgh"),
        "array_short": _array((1000,), b"abcd"),
        "array_negative": _array((-1,), b"abcd"),
        "array_huge": _array((2**62,), b""),
        "dtype_offset": _dtype(3, "|", None, ("a",), {"a": (f4, 1 << 20)}, 4, 1, 16),
        "dtype_size": _dtype(3, "|", None, ("a",), {"a": (f4, 0)}, 2, 1, 16),
        "dtype_sub": _dtype(3, "|", (f4, (1000,)), None, None, 4, 1, 0),
        "dtype_flags": _dtype(3, "|", None, None, None, 4, 1, 63),
        "dtype_state": _dtype(3, "|"),
        "bytearray_of_a_number": Lie(bytearray, 2**40),
        "bytes_of_a_number": Lie(bytes, 2**40),
        "list_of_a_range": Lie(list, range(2**40)),
        "layout_of_nothing": Lie(torch.serialization._get_layout, "torch.float32"),
        "size_of_text": Lie(torch.Size, "text"),
        "unhashable_key": Lie(set, [[1]]),
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", _lies())
def test_no_lie_is_believed(name, tmp_path):
    path = tmp_path / "lie.pt"
    torch.save([_lies()[name]], path)
    with pytest.raises(pawl.Error):
        pawl.load(path)


def test_deeply_nested_files_load(tmp_path):
    """100,000 lists in one another, and as many tuples."""
    for opening, closing in ((b"]" * 100_000, b"a" * 99_999), (b"N", b"\x85" * 100_000)):
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
    fill = b"".join(
        b"j" + struct.pack("<I", i + 1) + b"h\x00a0" for i in range(count)
    )
    write_zip(path, proto(2, b"(" + lists + b"tq\x00" + fill))
    loaded = pawl.load(path)
    assert len(loaded) == count and loaded[5][0] is loaded
