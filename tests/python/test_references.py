# SPDX-License-Identifier: Apache-2.0
"""Nothing is kept that should go, and nothing goes that is still used."""

import gc
import random
import sys
import weakref

import object_cases
import pytest
import torch

import pawl

ROUNDS = 20  # saves, far more than the references that others take meanwhile

pytestmark = pytest.mark.filterwarnings("ignore")


def parts_of(obj):
    """Objects reachable from `obj` by way of containers."""
    found, stack = [], [obj]
    while stack:
        item = stack.pop()
        if item is not None and not isinstance(item, int):  # many hold those
            found.append(item)
        if isinstance(item, dict):
            stack.extend(item)
            stack.extend(item.values())
        elif isinstance(item, (list, tuple, set)):
            stack.extend(item)
    return found


@pytest.mark.parametrize(
    "name",
    ["training_checkpoint", "dict_with_keys_of_all_kinds", "reduce_with_all_parts",
     "nested_classes", "strings_with_lone_surrogates", "ints_huge", "storages"],
)  # fmt: skip
def test_save_keeps_no_reference(name, seed, tmp_path):
    obj = object_cases.CASES[name](random.Random(seed))
    parts = parts_of(obj)
    pawl.save(obj, tmp_path / "x.pt")  # fills caches
    gc.collect()  # what tests before this one left
    before = [sys.getrefcount(part) for part in parts]
    for _ in range(ROUNDS):
        pawl.save(obj, tmp_path / "x.pt")
    gc.collect()
    # Other code holds some parts too (a short text, a class), and may take or drop
    # one in between: what a save keeps or loses shows once for each save.
    after = [sys.getrefcount(part) for part in parts]
    moved = [(count, was) for count, was in zip(after, before) if abs(count - was) >= ROUNDS]
    assert moved == []


def test_save_keeps_no_storage(tmp_path):
    tensor = torch.ones(3)
    storage = weakref.ref(tensor.untyped_storage())
    pawl.save([tensor, tensor[1:]], tmp_path / "x.pt")
    assert storage() is not None
    del tensor
    gc.collect()
    assert storage() is None


def test_a_failed_save_keeps_no_reference(tmp_path):
    shared = torch.ones(3)
    bad = [shared, {"x": [shared]}, lambda: 1]
    with pytest.raises(pawl.Error):
        pawl.save(bad, tmp_path / "x.pt")
    gc.collect()
    before = sys.getrefcount(shared)
    for _ in range(3):
        with pytest.raises(pawl.Error):
            pawl.save(bad, tmp_path / "x.pt")
    gc.collect()
    assert sys.getrefcount(shared) == before


def test_a_loaded_storage_dies_with_its_tensors(tmp_path):
    pawl.save({"t": torch.ones(3), "p": object_cases.Plain(a=1)}, tmp_path / "x.pt")
    loaded = pawl.load(tmp_path / "x.pt", trust=[object_cases.Plain])
    seen = [weakref.ref(loaded["t"]), weakref.ref(loaded["p"])]
    del loaded
    gc.collect()
    assert [ref() for ref in seen] == [None, None]


def _resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def test_memory_does_not_grow(seed, tmp_path):
    """Saves, loads and failures of each, over and over."""
    path = tmp_path / "x.pt"
    obj = object_cases.random_graph(random.Random(seed), 200)
    obj.append(torch.zeros(2**18))
    bad = [obj, lambda: 1]

    def once():
        pawl.save(obj, path, trust=object_cases.TRUST)
        pawl.load(path, trust=object_cases.TRUST)
        pawl.load(path, unknown="inert")
        for call in (lambda: pawl.save(bad, path), lambda: pawl.load(path)):
            with pytest.raises(pawl.Error):
                call()

    for _ in range(5):
        once()
    gc.collect()
    before = _resident()
    for _ in range(40):
        once()
    gc.collect()
    assert _resident() - before < 2**23


def test_a_state_outlives_what_was_given(tmp_path):
    """The tensor is dropped by a callback while it is walked."""
    holder = [torch.arange(1000)]

    class Drops:
        def __reduce__(self):
            holder.clear()
            gc.collect()
            return str, ("dropped",)

    obj = [holder, Drops()]
    pawl.save(obj, tmp_path / "x.pt")
    assert torch.equal(
        pawl.load(tmp_path / "x.pt", trust=["builtins.str"])[0][0], torch.arange(1000)
    )
