# SPDX-License-Identifier: Apache-2.0
"""Flags of an enum.Flag, as Python 3.11.0 to 3.11.3 store several at once: by
a call of operator.or_.  Other versions read such files too."""

import operator

import pytest
import torch
from case_classes import Flags

import pawl


class Or:
    """Pickled as operator.or_(left, right)."""

    def __init__(self, left, right):
        self.parts = left, right

    def __reduce__(self):
        return operator.or_, self.parts


def saved(tmp_path, *parts):
    path = tmp_path / "x.pt"
    torch.save({"flags": Or(*parts)}, path)
    return path


def test_flags_are_joined(tmp_path):
    path = saved(tmp_path, Flags.A, Flags.B)
    expected = torch.load(path, weights_only=False)
    assert expected == {"flags": Flags.A | Flags.B}
    assert pawl.load(path, trust=[Flags]) == expected


def test_their_class_must_be_trusted(tmp_path):
    with pytest.raises(pawl.UntrustedError, match="Flags"):
        pawl.load(saved(tmp_path, Flags.A, Flags.B))


def test_inert(tmp_path):
    path = saved(tmp_path, Flags.A, Flags.B)
    flags = pawl.load(path, unknown="inert")["flags"]
    assert flags.name == "_operator.or_"
    # 3.11.2 stores the member by its name, 3.11.7 by its class and value.
    assert all(part.name.startswith("case_classes.Flags") for part in flags.args)


@pytest.mark.parametrize("parts", [({}, {}), (1, 2), (Flags.A, "x"), ("x", 1)])
def test_nothing_else_is_joined(tmp_path, parts):
    path = tmp_path / "x.pt"
    torch.save({"x": Or(*parts)}, path)
    with pytest.raises(pawl.FormatError, match="flags"):
        pawl.load(path, trust=[Flags])
