# SPDX-License-Identifier: Apache-2.0
"""What a load may take from torch: see pawl.trust.

Torch's own rebuild functions believe the numbers in the file: sizes beyond the
storage grow it by uninitialised memory, sparse indices are not looked at.  Ours
do the same for honest files and check the rest.
"""

from __future__ import annotations

import functools
from typing import Any, Callable

import torch

from .errors import FormatError

_T: Any = torch  # much of what is used here has no type hints
_REBUILD = (
    "_rebuild_device_tensor_from_cpu_tensor _rebuild_device_tensor_from_numpy "
    "_rebuild_meta_tensor_no_storage _rebuild_nested_tensor _rebuild_parameter "
    "_rebuild_parameter_with_state _rebuild_qtensor _rebuild_sparse_tensor "
    "_rebuild_tensor _rebuild_tensor_v2 _rebuild_tensor_v3 "
    "_rebuild_wrapper_subclass _rebuild_xla_tensor"
)


def canonical(name: str) -> str:
    """The name that the tables have for `name`."""
    return name


@functools.lru_cache(maxsize=None)
def values() -> dict[str, Any]:
    """Name to object."""
    constants = (_T.dtype, _T.layout, _T.memory_format, _T.qscheme)
    table = {
        f"torch.{name}": value
        for name, value in vars(torch).items()
        if isinstance(value, constants)
    }
    for cls in _T._tensor_classes | _T._storage_classes:
        table[f"{cls.__module__}.{cls.__name__}"] = cls
    for name in _REBUILD.split():
        if hasattr(_T._utils, name):
            table[f"torch._utils.{name}"] = getattr(_T._utils, name)
    table["torch.Size"] = torch.Size
    table["torch.Tensor"] = torch.Tensor
    table["torch.device"] = torch.device
    table["torch.nn.parameter.Parameter"] = torch.nn.Parameter
    table["torch.serialization._get_layout"] = _T.serialization._get_layout
    table["torch._tensor._rebuild_from_type_v2"] = _T._tensor._rebuild_from_type_v2
    return table


# ---- strided tensors -------------------------------------------------------


def check_bounds(
    count: int, offset: int, size: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    """Refuses a view that reaches beyond its storage.

    Args:
        count: elements that the storage holds.
        offset: of the first element of the view.
        size: of the view.
        stride: of the view, in elements.

    Raises:
        FormatError: it does, or one of the numbers is negative.
    """
    if len(size) != len(stride) or min((0, offset, *size, *stride)) < 0:
        raise FormatError("a tensor has a size that cannot be")
    if 0 in size:
        return
    last = offset + sum((n - 1) * s for n, s in zip(size, stride))
    if last >= count:
        raise FormatError(f"a tensor reaches element {last} of a storage of {count}")


def make_tensor(
    untyped: Any,
    dtype: Any,
    offset: int,
    size: tuple[int, ...],
    stride: tuple[int, ...],
) -> Any:
    """A view of a storage; the numbers were checked."""
    tensor = torch.empty((0,), dtype=dtype, device=untyped.device)
    return tensor.set_(untyped, offset, size, stride)


def finish_tensor(tensor: Any, requires_grad: bool, is_conj: bool, is_neg: bool) -> Any:
    """Sets what a view does not have from its storage."""
    if requires_grad:
        tensor.requires_grad = True
    bits = {"conj": is_conj, "neg": is_neg}
    if is_conj or is_neg:  # torch looks at the keys only
        _T._utils.set_tensor_metadata(tensor, {k: v for k, v in bits.items() if v})
    return tensor


def _strided(storage: Any, dtype: Any, offset: Any, size: Any, stride: Any) -> Any:
    if not isinstance(storage, _T.storage.TypedStorage):
        raise FormatError("a tensor is a view of a storage, not of this")
    untyped = storage._untyped_storage
    count = untyped.nbytes() // _T._utils._element_size(dtype)
    check_bounds(count, offset, size, stride)
    return make_tensor(untyped, dtype, offset, size, stride)


def _tensor(loader: Any, storage: Any, offset: Any, size: Any, stride: Any) -> Any:
    return _strided(storage, storage.dtype, offset, size, stride)


def _tensor_v2(
    loader: Any,
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    requires_grad: Any,
    hooks: Any,
    metadata: Any = None,
) -> Any:
    flags = metadata or {}
    return finish_tensor(
        _strided(storage, storage.dtype, offset, size, stride),
        bool(requires_grad),
        bool(flags.get("conj")),
        bool(flags.get("neg")),
    )


def _tensor_v3(
    loader: Any,
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    requires_grad: Any,
    hooks: Any,
    dtype: Any,
    metadata: Any = None,
) -> Any:
    flags = metadata or {}
    return finish_tensor(
        _strided(storage, dtype, offset, size, stride),
        bool(requires_grad),
        bool(flags.get("conj")),
        bool(flags.get("neg")),
    )


# ---- other kinds of tensors ------------------------------------------------


def _need_tensors(*tensors: Any) -> None:
    for tensor in tensors:
        if not isinstance(tensor, torch.Tensor):
            raise FormatError("a tensor is missing where one must be")


def _qtensor(
    loader: Any,
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    params: Any,
    requires_grad: Any,
    hooks: Any,
) -> Any:
    count = storage._untyped_storage.nbytes() // storage._element_size()
    check_bounds(count, offset, size, stride)
    return _T._utils._rebuild_qtensor(
        storage, offset, size, stride, params, requires_grad, hooks
    )


def _sparse(loader: Any, layout: Any, data: Any) -> Any:
    if layout == torch.sparse_coo:
        indices, values, size, coalesced = (*data, None)[:4]
        _need_tensors(indices, values)
        return torch.sparse_coo_tensor(
            indices, values, size, check_invariants=True, is_coalesced=coalesced
        )
    compressed, plain, values, size = data
    _need_tensors(compressed, plain, values)
    return torch.sparse_compressed_tensor(
        compressed, plain, values, size, layout=layout, check_invariants=True
    )


def _nested(loader: Any, buffer: Any, sizes: Any, strides: Any, offsets: Any) -> Any:
    _need_tensors(buffer, sizes, strides, offsets)
    starts = offsets.tolist()
    if buffer.dim() != 1 or not len(starts) == len(sizes) == len(strides):
        raise FormatError("the parts of a nested tensor do not fit together")
    for start, size, stride in zip(starts, sizes.tolist(), strides.tolist()):
        check_bounds(buffer.numel(), start, tuple(size), tuple(stride))
    return _T._nested_view_from_buffer(buffer, sizes, strides, offsets)


def _meta(loader: Any, dtype: Any, size: Any, stride: Any, requires_grad: Any) -> Any:
    return torch.empty_strided(
        size, stride, dtype=dtype, device="meta", requires_grad=requires_grad
    )


def _from_cpu(
    loader: Any, data: Any, dtype: Any, device: Any, requires_grad: Any
) -> Any:
    _need_tensors(data)
    tensor = data.to(dtype=dtype, device=loader.device(device))
    tensor.requires_grad = requires_grad
    return tensor


def _from_numpy(
    loader: Any, data: Any, dtype: Any, device: Any, requires_grad: Any
) -> Any:
    return _from_cpu(loader, torch.from_numpy(data), dtype, device, requires_grad)


# ---- parameters and subclasses ---------------------------------------------


def _parameter(loader: Any, data: Any, requires_grad: Any, hooks: Any) -> Any:
    _need_tensors(data)
    return torch.nn.Parameter(data, requires_grad)


def _parameter_with_state(
    loader: Any, data: Any, requires_grad: Any, hooks: Any, state: Any
) -> Any:
    _need_tensors(data)
    parameter = torch.nn.Parameter(data, requires_grad)
    return _T._utils._set_obj_state(parameter, state)


def _check_class(loader: Any, cls: Any) -> None:
    plain = cls is torch.Tensor or cls is torch.nn.Parameter
    if not plain and not loader.is_trusted(cls):
        raise FormatError(f"{cls!r} is not a trusted class of tensors")


def _from_type(loader: Any, function: Any, cls: Any, args: Any, state: Any) -> Any:
    """A tensor of a class of its own, or with attributes."""
    _check_class(loader, cls)
    made = loader.call(function, args)
    if type(made) is not cls:
        made = made.as_subclass(cls)
    setstate = getattr(cls, "__setstate__", torch.Tensor.__setstate__)
    if setstate is not torch.Tensor.__setstate__:
        made.__setstate__(state)
        return made
    return _T._utils._set_obj_state(made, state)


def _wrapper(
    loader: Any,
    cls: Any,
    dtype: Any,
    size: Any,
    stride: Any,
    offset: Any,
    layout: Any,
    device: Any,
    requires_grad: Any,
) -> Any:
    if not loader.is_trusted(cls):
        raise FormatError(f"{cls!r} is not a trusted class of tensors")
    return _T.Tensor._make_wrapper_subclass(
        cls,
        size,
        strides=stride,
        dtype=dtype,
        storage_offset=offset,
        layout=layout,
        device=loader.device(device),
        requires_grad=requires_grad,
    )


# ---- values ----------------------------------------------------------------


def _size(loader: Any, items: Any = ()) -> Any:
    return torch.Size(items)


def _device(loader: Any, *args: Any) -> Any:
    return torch.device(*args)


def _layout(loader: Any, name: Any) -> Any:
    layout = values().get(name)
    if not isinstance(layout, _T.layout):
        raise FormatError(f"torch has no layout {name!r}")
    return layout


CALLS: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": _from_cpu,
    "torch._utils._rebuild_device_tensor_from_numpy": _from_numpy,
    "torch._utils._rebuild_meta_tensor_no_storage": _meta,
    "torch._utils._rebuild_nested_tensor": _nested,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter_with_state,
    "torch._utils._rebuild_qtensor": _qtensor,
    "torch._utils._rebuild_sparse_tensor": _sparse,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor_v2,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
    "torch._utils._rebuild_wrapper_subclass": _wrapper,
    "torch._utils._rebuild_xla_tensor": _from_numpy,
    "torch._tensor._rebuild_from_type_v2": _from_type,
    "torch.Size": _size,
    "torch.device": _device,
    "torch.serialization._get_layout": _layout,
}
