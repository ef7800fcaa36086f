# SPDX-License-Identifier: Apache-2.0
"""Files that torch.save wrote in other ways than it does by default."""

import contextlib
import io
import os
import random
import zipfile

import object_cases
import pytest
import torch
from sameness import assert_same

import pawl

pytestmark = pytest.mark.filterwarnings("ignore")

#: What is saved: cases that hold something of everything.
NAMES = [
    "training_checkpoint",
    "views_of_one_storage",
    "parameters",
    "many_dtypes_at_once",
    "ints_around_64_bits",
    "strings",
    "bytes_of_all_kinds",
    "ordered_dict_with_attributes",
    "tuple_in_itself",
    "numpy_arrays",
    "sizes_devices_dtypes",
]
VARIANTS = {}


def variant(function):
    VARIANTS[function.__name__] = function
    return function


def _by_protocol(protocol, new):
    def save(obj, path):
        torch.save(
            obj,
            path,
            pickle_protocol=protocol,
            _use_new_zipfile_serialization=new,
        )

    VARIANTS[f"{'zip' if new else 'legacy'}_protocol_{protocol}"] = save


for _protocol in (2, 3, 4, 5):
    _by_protocol(_protocol, True)
    _by_protocol(_protocol, False)


@variant
def file_object(obj, path):
    with open(path, "wb") as file:
        torch.save(obj, file)


@variant
def bytes_io(obj, path):
    buffer = io.BytesIO()
    torch.save(obj, buffer)
    path.write_bytes(buffer.getvalue())


@variant
def bytes_io_legacy(obj, path):
    buffer = io.BytesIO()
    torch.save(obj, buffer, _use_new_zipfile_serialization=False)
    path.write_bytes(buffer.getvalue())


@contextlib.contextmanager
def _alignment(number):
    from torch.utils.serialization import config

    before = config.save.storage_alignment
    config.save.storage_alignment = number
    try:
        yield
    finally:
        config.save.storage_alignment = before


@variant
def alignment_4096(obj, path):
    with _alignment(4096):
        torch.save(obj, path)


@variant
def alignment_1(obj, path):
    with _alignment(1):
        torch.save(obj, path)


@variant
def without_crc(obj, path):
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(obj, path)
    finally:
        torch.serialization.set_crc32_options(True)


@variant
def without_byteorder(obj, path):
    torch.save(obj, path, _disable_byteorder_record=True)


@variant
def deflated(obj, path):
    """By somebody who unpacked the file and packed it again."""
    torch.save(obj, path)
    with zipfile.ZipFile(path) as archive:
        records = [(i.filename, archive.read(i)) for i in archive.infolist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in records:
            archive.writestr(name, data)


@variant
def with_junk_behind(obj, path):
    torch.save(obj, path)
    with open(path, "ab") as file:
        file.write(b"\0" * 100)


def make(name, seed):
    return object_cases.CASES[name](random.Random(f"{seed}{name}"))


#: Torch itself cannot load dtypes without a storage class from legacy files.
FILES = [
    (how, name)
    for how in VARIANTS
    for name in NAMES
    if not ("legacy" in how and name == "many_dtypes_at_once")
]


def test_there_are_enough_files():
    assert len(FILES) >= 40


@pytest.mark.parametrize("how, name", FILES)
def test_loads_as_by_torch(how, name, seed, tmp_path):
    path = tmp_path / "file.pt"
    VARIANTS[how](make(name, seed), path)
    expected = torch.load(path, weights_only=False)
    assert_same(pawl.load(path, trust=object_cases.TRUST), expected)


@pytest.mark.parametrize("file_name", ["x", "a.b.pt", "ünï.pt", "sp ace.pt"])
def test_names_of_files(file_name, tmp_path):
    torch.save({"w": torch.arange(3)}, tmp_path / file_name)
    assert_same(pawl.load(tmp_path / file_name), {"w": torch.arange(3)})


@pytest.mark.parametrize("new", [True, False])
def test_whole_module(new, seed, tmp_path):
    path = tmp_path / "module.pt"
    module = make("whole_module", seed)
    torch.save(module, path, _use_new_zipfile_serialization=new)
    loaded = pawl.load(path, trust=object_cases.TRUST)
    assert_same(loaded, torch.load(path, weights_only=False))


def test_larger_than_4_gib(tmp_path):
    """A sparse file: torch lays it out, and writes only the small records."""
    path = tmp_path / "big.pt"
    parts = {
        "first": torch.arange(3, dtype=torch.float32),
        "big": torch.empty(4352 * 2**20, dtype=torch.uint8),
        "behind": torch.arange(5),
        "empty": torch.empty(0),
    }
    with torch.serialization.skip_data():
        without_crc(parts, path)
    with zipfile.ZipFile(path) as archive, open(path, "r+b") as file:
        for key, name in (("0", "first"), ("2", "behind")):
            info = archive.getinfo(f"big/data/{key}")
            file.seek(info.header_offset + 26)
            lengths = file.read(4)
            skip = int.from_bytes(lengths[:2], "little")
            skip += int.from_bytes(lengths[2:], "little")
            file.seek(info.header_offset + 30 + skip)
            file.write(parts[name].numpy().tobytes())
    assert os.stat(path).st_blocks * 512 < 2**20
    del parts
    expected = torch.load(path, mmap=True, weights_only=False)
    loaded = pawl.load(path)
    assert list(loaded) == list(expected)
    for name in ("first", "behind", "empty"):
        assert_same(loaded[name], expected[name])
    assert loaded["big"].nbytes == 4352 * 2**20
    assert not loaded["big"][:: 2**20].any() and not loaded["big"][-1]
    assert_same(pawl.load(path, map_location="meta")["behind"].shape, torch.Size([5]))


# ---- map_location ----------------------------------------------------------


def _both(path, map_location):
    ours = pawl.load(path, map_location)
    theirs = torch.load(path, map_location, weights_only=False)
    assert_same(ours, theirs)
    return ours


@pytest.fixture
def two_storages(tmp_path):
    path = tmp_path / "two.pt"
    shared = torch.arange(6.0)
    torch.save([shared, shared[2:], torch.ones(2, dtype=torch.int8)], path)
    return path


@pytest.mark.parametrize(
    "where",
    [
        None,
        "cpu",
        torch.device("cpu"),
        {"cpu": "cpu"},
        {"cuda:0": "cpu"},
        "meta",
        torch.device("meta"),
        {"cpu": "meta"},
    ],
    ids=str,
)
def test_map_location(where, two_storages):
    _both(two_storages, where)


def test_map_location_function_sees_each_storage_once(two_storages):
    seen = []

    def where(storage, location):
        seen.append((storage.nbytes(), location))
        return storage

    _both(two_storages, where)
    assert seen == [(24, "cpu"), (2, "cpu")] * 2


def test_map_location_function_may_leave_it(two_storages):
    _both(two_storages, lambda storage, location: None)


def test_map_location_to_nowhere(two_storages):
    for load in (pawl.load, torch.load):
        with pytest.raises(RuntimeError):
            load(two_storages, "no such device")
