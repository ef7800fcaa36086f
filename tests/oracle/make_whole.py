#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes zip files of many kinds, and what the CRC of each is.

    python tests/oracle/make_whole.py FOLDER

FOLDER/list has a line for each file: its name and the CRC-32 of its bytes by
zlib, or "-" where the zip directory cannot tell it."""

import random
import sys
import zipfile
import zlib
from pathlib import Path

import torch
from torch.utils.serialization import config

FOLDER = Path(sys.argv[1])


def state(count=9, numel=1000):
    return {
        "step": 7,
        "empty": torch.empty(0, 3),
        **{f"w{i}": torch.randn(numel + i) for i in range(count)},
    }


def by_torch(name, value, alignment=64, **options):
    config.save.storage_alignment = alignment
    torch.save(value, FOLDER / name, **options)
    config.save.storage_alignment = 64


def without_crc(name):
    torch.serialization.set_crc32_options(False)
    by_torch(name, state())
    torch.serialization.set_crc32_options(True)


def by_zipfile(name, method=zipfile.ZIP_STORED, order=None, streamed=False):
    """The records of a file by torch, written by Python."""
    with zipfile.ZipFile(FOLDER / "aligned-64") as old, \
            open(FOLDER / name, "wb") as stream:
        target = Unseekable(stream) if streamed else stream
        with zipfile.ZipFile(target, "w") as new:
            for record in old.infolist():
                info = zipfile.ZipInfo(record.filename)
                info.compress_type = method
                info.extra = b"\x99\x99\x05\x00extra"
                info.comment = b"of a record"
                with new.open(info, "w", force_zip64="3" in info.filename) as to:
                    to.write(old.read(record))
            new.comment = b"of the file"
            if order is not None:
                order(new.filelist)


class Unseekable:
    """So that zipfile writes descriptors."""

    def __init__(self, stream):
        self.write, self.flush = stream.write, stream.flush


def main():
    for alignment in (1, 64, 512, 4096, 65536):
        by_torch(f"aligned-{alignment}", state(), alignment)
    by_torch("many", state(count=3000, numel=3))
    by_torch("large", state(count=3, numel=1 << 20))
    by_torch("protocol4", state(), pickle_protocol=4)
    by_torch("no-tensors", {"step": 7})
    by_zipfile("zipfile")
    by_zipfile("zipfile-streamed", streamed=True)
    by_zipfile("zipfile-shuffled", order=random.Random(1).shuffle)
    by_zipfile("zipfile-reversed", order=list.reverse)
    without_crc("unknown-no-crc")
    by_zipfile("unknown-deflated", zipfile.ZIP_DEFLATED)
    with open(FOLDER / "list", "w", encoding="ascii") as listing:
        for path in sorted(FOLDER.iterdir()):
            if path.name != "list":
                known = not path.name.startswith("unknown")
                crc = f"{zlib.crc32(path.read_bytes()):08x}" if known else "-"
                listing.write(f"{path.name} {crc}\n")


if __name__ == "__main__":
    main()
