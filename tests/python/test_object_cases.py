# SPDX-License-Identifier: Apache-2.0
"""Objects of every kind: our file equals torch.save's, and loads as it does."""

import random
import warnings

import object_cases
import pytest
import torch
from case_classes import ReducingAnew
from sameness import assert_same, masked

import pawl
import pawl.pickling

pytestmark = pytest.mark.filterwarnings("ignore")


def make(name, seed):
    """The object of a case; the same again for the same seed."""
    return object_cases.CASES[name](random.Random(f"{seed}{name}"))


def save_both(obj, folder):
    """Paths of torch's file and ours, which have the same name."""
    ours, theirs = folder / "ours" / "case.pt", folder / "torchs" / "case.pt"
    for path in (ours, theirs):
        path.parent.mkdir()
    torch.save(obj, theirs)
    pawl.save(obj, ours, trust=object_cases.TRUST)
    return theirs, ours


def test_there_are_enough_cases():
    assert len(object_cases.CASES) >= 80


@pytest.mark.parametrize("name", object_cases.CASES)
def test_file_equals_torchs(name, seed, tmp_path):
    theirs, ours = save_both(make(name, seed), tmp_path)
    assert masked(ours) == masked(theirs)


@pytest.mark.parametrize("name", object_cases.CASES)
def test_file_loads_as_by_torch(name, seed, tmp_path):
    theirs, ours = save_both(make(name, seed), tmp_path)
    expected = torch.load(theirs, weights_only=False)
    assert_same(torch.load(ours, weights_only=False), expected)
    assert_same(pawl.load(theirs, trust=object_cases.TRUST), expected)


@pytest.mark.parametrize("way", ["python", "generic"])
@pytest.mark.parametrize("name", object_cases.CASES)
def test_slower_ways_give_the_same_file(name, way, seed, tmp_path, monkeypatch):
    """Without the help of DLPack tensors are looked at by Python code, and what
    that does not know goes through __reduce_ex__, as in torch.save."""
    plain = pawl.pickling.Session._plain_tensor
    seen = []

    def look(*args):
        seen.append(args)
        return plain(*args) if way == "python" else None

    monkeypatch.setattr(torch.Tensor, "__dlpack_c_exchange_api__", None)
    monkeypatch.setattr(pawl.pickling.Session, "_plain_tensor", look)
    theirs, ours = save_both(make(name, seed), tmp_path)
    assert masked(ours) == masked(theirs)
    assert seen or name != "parameters"


def test_new_arguments_that_hold_the_object_load_as_by_torch(tmp_path):
    """torch reduces such an object twice and writes both arguments, Pawl once:
    the files differ, but not what they mean."""
    anew = ReducingAnew([], "two")
    anew.args[0].append(anew)
    theirs, ours = save_both({"anew": anew, "again": [anew]}, tmp_path)
    expected = torch.load(theirs, weights_only=False)
    assert_same(torch.load(ours, weights_only=False), expected)
    for path in (theirs, ours):
        assert_same(pawl.load(path, trust=object_cases.TRUST), expected)


def test_two_dtypes_over_one_storage_are_refused(tmp_path):
    base = torch.zeros(4)
    with pytest.raises(RuntimeError):
        torch.save([base, base.view(torch.int32)], tmp_path / "theirs.pt")
    with pytest.raises(pawl.NotSupportedError, match="float32 and int32"):
        pawl.save([base, base.view(torch.int32)], tmp_path / "ours.pt")
    assert not (tmp_path / "ours.pt").exists()


def test_what_pickle_refuses_is_refused(tmp_path):
    class Local:
        pass

    for bad in (lambda: 1, Local(), (i for i in ())):
        with pytest.raises((pawl.Error, TypeError)):
            pawl.save({"bad": bad}, tmp_path / "bad.pt")
    assert not list(tmp_path.iterdir())


def test_deeper_than_the_recursion_limit_is_refused(tmp_path):
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(RecursionError):
        pawl.save(deep, tmp_path / "deep.pt")


def test_saving_a_class_that_needs_trust_warns(tmp_path):
    plain = object_cases.Plain(a=1)
    name = "case_classes.Plain"
    with pytest.warns(pawl.UntrustedWarning, match=name):
        pawl.save(plain, tmp_path / "a.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pawl.save(plain, tmp_path / "b.pt", trust=[name])
        pawl.save({"w": torch.ones(2)}, tmp_path / "c.pt")
