#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints tests/golden_zip64.h: all but the payload of a file over 8 GiB.

    python tests/oracle/make_golden_zip64.py [DIR] > tests/golden_zip64.h

torch.save writes it to DIR, which needs 9 GiB; payload is zeros.
"""

import struct
import sys
import tempfile
import zipfile
from pathlib import Path

import torch
from check_files import id_places

BIG = 4352 * 2**20  # bytes: more than 32 bits count


def sections(path):
    """(offset, bytes) of all that is not in a data/ record, and the places
    that may differ."""
    with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
        at, found = 0, []
        for info in archive.infolist():
            if not info.filename.split("/", 1)[1].startswith("data/") or info.file_size == 0:
                continue
            file.seek(info.header_offset + 26)
            start = info.header_offset + 30 + sum(struct.unpack("<HH", file.read(4)))
            file.seek(at)
            found.append((at, file.read(start - at)))
            at = start + info.file_size
        file.seek(at)
        found.append((at, file.read()))
        return found, id_places(found[-1][1], at, archive)


def main():
    parent = sys.argv[1] if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(dir=parent) as scratch:
        path = Path(scratch) / "huge.pt"
        torch.save(
            {
                "a": torch.zeros(3),
                "b": torch.zeros(BIG, dtype=torch.uint8),
                "c": torch.zeros(5, dtype=torch.int64),
                "d": torch.zeros(BIG, dtype=torch.uint8),
                "e": torch.zeros(0),
            },
            path,
        )
        found, masks = sections(path)
    print("/* SPDX-License-Identifier: Apache-2.0 */")
    print("/*")
    print(" * golden_zip64.h - made by tests/oracle/make_golden_zip64.py")
    print(" *")
    print(f" * What torch {torch.__version__.split('+')[0]} wrote around the payload of")
    print(" * {a: 3 float32, b: 4352 MiB, c: 5 int64, d: 4352 MiB, e: empty}, all 0.")
    print(" */")
    print("/* clang-format off */")
    print("static const struct {\n    uint64_t offset;\n    const char *hex;\n} golden_zip64[] = {")
    for at, data in found:
        text = data.hex()
        print(f"    {{{at},")
        for i in range(0, len(text), 64):
            print(f'     "{text[i : i + 64]}"')
        print("    },")
    print("};\n\n/* What may differ: half of the id, and its CRC. */")
    print("static const struct {\n    uint64_t offset;\n    size_t len;")
    print("} golden_zip64_masks[] = {")
    for at, length in masks:
        print(f"    {{{at}, {length}}},")
    print("};")


if __name__ == "__main__":
    main()
