# SPDX-License-Identifier: Apache-2.0
"""Files whose numbers lie: an error, not memory that is not theirs.

Each calls a function that a load knows, with arguments that cannot be.
"""

import numpy as np
import pytest
import torch

import pawl


class Lie:
    """Pickles as a call with arguments of our choice."""

    def __init__(self, function, *args, state=None):
        self.reduced = (function, args) if state is None else (function, args, state)

    def __reduce__(self):
        return self.reduced


def _numbers(*numbers):
    return torch.tensor(numbers)


def _storage(count, dtype=torch.float32):
    return torch.storage.TypedStorage(
        wrap_storage=torch.UntypedStorage(count * dtype.itemsize).fill_(0),
        dtype=dtype,
        _internal=True,
    )


def _dtype(*state):
    return Lie(np.dtype, "V4", False, True, state=state)


def _array(shape, raw):
    reconstruct = np.zeros(0).__reduce__()[0]
    state = (1, shape, np.dtype("f4"), False, raw)
    return Lie(reconstruct, np.ndarray, (0,), b"b", state=state)


def _lies_about_sparse_and_nested():
    u = torch._utils
    return {
        "sparse_index": Lie(
            u._rebuild_sparse_tensor,
            torch.sparse_coo,
            (_numbers(9).view(1, 1), torch.ones(1), torch.Size([2]), True),
        ),
        "sparse_negative": Lie(
            u._rebuild_sparse_tensor,
            torch.sparse_coo,
            (_numbers(-1).view(1, 1), torch.ones(1), torch.Size([2]), False),
        ),
        "sparse_parts": Lie(
            u._rebuild_sparse_tensor, torch.sparse_coo, ("a", "b", "c")
        ),
        "csr_columns": Lie(
            u._rebuild_sparse_tensor,
            torch.sparse_csr,
            (_numbers(0, 1, 1), _numbers(99), torch.ones(1), torch.Size([2, 2])),
        ),
        "csr_rows": Lie(
            u._rebuild_sparse_tensor,
            torch.sparse_csr,
            (_numbers(0, 7, 1), _numbers(0), torch.ones(1), torch.Size([2, 2])),
        ),
        "nested_bounds": Lie(
            u._rebuild_nested_tensor,
            torch.ones(3),
            _numbers(9).view(1, 1),
            _numbers(1).view(1, 1),
            _numbers(0),
        ),
        "nested_offset": Lie(
            u._rebuild_nested_tensor,
            torch.ones(3),
            _numbers(2).view(1, 1),
            _numbers(1).view(1, 1),
            _numbers(-5),
        ),
    }


def _lies_about_strided():
    u = torch._utils
    return {
        "quantized_bounds": Lie(
            u._rebuild_qtensor,
            _storage(3, torch.qint8),
            0,
            (99,),
            (1,),
            (torch.per_tensor_affine, 1.0, 0),
            False,
            None,
        ),
        "tensor_bounds": Lie(
            u._rebuild_tensor_v2, _storage(3), 0, (9,), (1,), False, None
        ),
        "tensor_offset": Lie(
            u._rebuild_tensor_v2, _storage(3), 3, (1,), (1,), False, None
        ),
        "tensor_stride": Lie(
            u._rebuild_tensor_v2, _storage(3), 0, (2, 2), (2, 2), False, None
        ),
        "tensor_negative": Lie(
            u._rebuild_tensor_v2, _storage(3), 0, (2,), (-1,), False, None
        ),
        "tensor_overflow": Lie(
            u._rebuild_tensor_v2, _storage(3), 0, (2**62, 4), (2**62, 1), False, None
        ),
        "tensor_of_nothing": Lie(
            u._rebuild_tensor_v2, "storage", 0, (1,), (1,), False, None
        ),
        "attributes_tensor": Lie(
            torch._tensor._rebuild_from_type_v2,
            u._rebuild_tensor_v2,
            torch.Tensor,
            (_storage(3), 0, (9,), (1,), False, None),
            {},
        ),
        "parameter_of_nothing": Lie(u._rebuild_parameter, "x", True, None),
    }


def _lies_about_others():
    scalar = np.float32(0).__reduce__()[0]
    f4 = np.dtype("f4")
    return {
        "scalar_short": Lie(scalar, f4, b"abc"),
        "scalar_long": Lie(scalar, f4, b"abcdefgh"),
        "scalar_object": Lie(scalar, np.dtype("O"), b"abcdefgh"),
        "array_short": _array((1000,), b"abcd"),
        "array_negative": _array((-1,), b"abcd"),
        "array_huge": _array((2**62,), b""),
        "dtype_offset": _dtype(3, "|", None, ("a",), {"a": (f4, 1 << 20)}, 4, 1, 16),
        "dtype_size": _dtype(3, "|", None, ("a",), {"a": (f4, 0)}, 2, 1, 16),
        "dtype_sub": _dtype(3, "|", (f4, (1000,)), None, None, 4, 1, 0),
        "dtype_flags": _dtype(3, "|", None, None, None, 4, 1, 63),
        "dtype_state": _dtype(3, "|"),
        "bytearray_of_a_number": Lie(bytearray, 2**40),
        "bytes_of_a_number": Lie(bytes, 2**40),
        "list_of_a_range": Lie(list, range(2**40)),
        "layout_of_nothing": Lie(torch.serialization._get_layout, "torch.float32"),
        "size_of_text": Lie(torch.Size, "text"),
        "unhashable_key": Lie(set, [[1]]),
    }


LIES = {
    **_lies_about_sparse_and_nested(),
    **_lies_about_strided(),
    **_lies_about_others(),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", LIES)
def test_no_lie_is_believed(name, tmp_path):
    path = tmp_path / "lie.pt"
    torch.save([LIES[name]], path)
    with pytest.raises(pawl.Error):
        pawl.load(path)
