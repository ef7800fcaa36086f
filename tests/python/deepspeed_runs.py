# SPDX-License-Identifier: Apache-2.0
"""What the tests of DeepSpeed share: runs of trainings, and their files."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

JOBS = Path(__file__).with_name("deepspeed_job.py")
#: Numbers of processes; `make deepspeed` tries more.
IS_FULL = os.environ.get("PAWL_TEST_DEEPSPEED") == "full"
WORLDS = [1, 2, 4] if IS_FULL else [1, 2]
RANKS = 2


class Ran:
    """What the ranks of a job told."""

    def __init__(self, codes, out):
        self.codes = codes
        self.out = out
        self.told = [self._read(f"{out}.{rank}") for rank in range(len(codes))]

    def _read(self, path):
        if not os.path.exists(path):
            return []
        return [json.loads(line) for line in Path(path).read_text().splitlines()]

    def printed(self):
        return "\n".join(
            f"rank {rank}, {code}:\n" + Path(f"{self.out}.{rank}.log").read_text()
            for rank, code in enumerate(self.codes)
        )

    def all(self, kind):
        """Of each rank, what it told of that kind."""
        return [[rest for k, *rest in told if k == kind] for told in self.told]

    def one(self, kind):
        """What each rank told, the same of all, once."""
        first, *others = self.all(kind)
        assert len(first) == 1 and all(other == first for other in others), self.told
        return first[0]

    def losses(self):
        """Of each rank, by step."""
        return [dict(map(tuple, of_rank)) for of_rank in self.all("loss")]


class Jobs:
    """The process that runs them, one at a time."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, JOBS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "DS_ACCELERATOR": "cpu"},
        )
        assert self.process.stdout.readline() == "ready\n"
        self.count = 0

    def run(self, folder, expect=0, **job):
        """Runs a job to its end; `expect` is what each of its ranks exits with."""
        self.count += 1
        out = f"{folder}.job{self.count}"
        job = {"out": out, "folder": str(folder), **job}
        print(json.dumps(job), file=self.process.stdin, flush=True)
        ran = Ran(json.loads(self.process.stdout.readline()), out)
        assert set(ran.codes) == {expect}, ran.printed()
        return ran

    def script(self, out, path, *arguments, **job):
        """Runs a script, as Python does; `out` is as `folder` is above."""
        return self.run(out, script=[str(path), *map(str, arguments)], **job)

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)


def bytes_of(path):
    """Of a file, all but the id that torch gives it, and the id's checksum."""
    data = bytearray(Path(path).read_bytes())
    if not zipfile.is_zipfile(path):
        return data
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.filename.endswith("/.data/serialization_id"):
                text = archive.read(entry)
                crc = entry.CRC.to_bytes(4, "little")
                tail = bytes(data[entry.header_offset :])
                tail = tail.replace(text, b"?" * len(text)).replace(crc, b"????")
                data[entry.header_offset :] = tail
    return data


def files_of(folder):
    return {
        str(path.relative_to(folder)): path
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file() and path.name != "pawl.json"
    }


def check_same_files(ours, theirs):
    """Two folders have the same files, byte for byte."""
    ours, theirs = files_of(ours), files_of(theirs)
    assert list(ours) == list(theirs) != []
    for name, path in ours.items():
        assert bytes_of(path) == bytes_of(theirs[name]), name
