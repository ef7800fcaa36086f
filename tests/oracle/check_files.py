#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares files that Pawl wrote with those that torch.save writes.

    python tests/oracle/check_files.py DIR

DIR/case-NAME.pt        the state of that name in state_cases.py
DIR/random-SEED.pt      anything: torch.load and torch.save must give it back

Files are the same but for the 20 digits of the serialization id that hash the
record names, and the CRC of that record.  Prints the differences, and how many
files there were; exits with 1 if there was one.
"""

import struct
import sys
import tempfile
import zipfile
from pathlib import Path

import state_cases
import torch

ID_RECORD = ".data/serialization_id"


def id_places(data, base, archive):
    """Where the file may differ: (offset, length).  `data` are its bytes from
    offset `base` on."""
    *others, info = archive.infolist()
    if info.filename.split("/", 1)[1] != ID_RECORD:
        raise ValueError("the last record is not the serialization id")
    name, extra = struct.unpack_from("<HH", data, info.header_offset - base + 26)
    digits = info.header_offset + 30 + name + extra
    entry = archive.start_dir
    for _ in others:
        name, extra, comment = struct.unpack_from("<HHH", data, entry - base + 28)
        entry += 46 + name + extra + comment
    return [(digits, 20), (digits + 40 + 4, 4), (entry + 16, 4)]


def masked(path):
    """The file's bytes, what may differ set to 0."""
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        bad = archive.testzip()
        if bad is not None:
            raise ValueError(f"bad CRC of {bad}")
        for at, length in id_places(data, 0, archive):
            data[at : at + length] = bytes(length)
    return bytes(data)


def difference(ours, theirs):
    a, b = masked(ours), masked(theirs)
    if a == b:
        return None
    at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    return (
        f"{ours.name}: {len(a)} bytes, {len(b)} by torch, differ at {at}:\n"
        f"  {a[at - 16 : at + 32]!r}\n  {b[at - 16 : at + 32]!r}"
    )


def check(path, scratch):
    theirs = scratch / path.name
    loaded = torch.load(path, map_location="cpu", weights_only=False)
    kind, name = path.stem.split("-", 1)
    if kind == "case":
        state_cases.save(name, theirs)
    else:
        torch.save(loaded, theirs)
    return difference(path, theirs)


def main():
    files = sorted(Path(sys.argv[1]).glob("*.pt"))
    failures = 0
    with tempfile.TemporaryDirectory() as scratch:
        for path in files:
            try:
                text = check(path, Path(scratch))
            except Exception as error:  # whatever torch raises for a bad file
                text = f"{path.name}: {type(error).__name__}: {error}"
            if text is not None:
                failures += 1
                print(text)
    print(f"{len(files)} files compared with torch {torch.__version__}, {failures} differ")
    sys.exit(1 if failures or not files else 0)


if __name__ == "__main__":
    main()
