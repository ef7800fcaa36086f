#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints tests/golden_pickles.h: what torch.save makes of the cases.

    python tests/oracle/make_golden.py > tests/golden_pickles.h

Needs torch 2.13.0, which the tests then do without.
"""

import io
import sys
import zipfile
import zlib

import state_cases
import torch

LONGEST = 800  # bytes that are spelled out


def pickled(name):
    buffer = io.BytesIO()
    state_cases.save(name, buffer)
    return zipfile.ZipFile(buffer).read("archive/data.pkl")


def spelled(data):
    text = data.hex()
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    return "\n".join(f'     "{line}"' for line in lines)


def main():
    print("/* SPDX-License-Identifier: Apache-2.0 */")
    print("/*")
    print(" * golden_pickles.h - made by tests/oracle/make_golden.py")
    print(" *")
    print(f" * What torch {torch.__version__.split('+')[0]} on CPython "
          f"{sys.version_info.major}.{sys.version_info.minor} makes of the states")
    print(" * of state_cases.h; long ones by length and CRC alone.")
    print(" */")
    print("/* clang-format off */")
    print("static const struct golden_pickle {")
    print("    const char *name;\n    size_t len;\n    uint32_t crc;\n    const char *hex;")
    print("} golden_pickles[] = {")
    for name in state_cases.CASES:
        data = pickled(name)
        text = spelled(data) if len(data) <= LONGEST else "     NULL"
        print(f'    {{"{name}", {len(data)}, 0x{zlib.crc32(data):08x},\n{text}}},')
    print("};")


if __name__ == "__main__":
    main()
