# SPDX-License-Identifier: Apache-2.0
"""Cases: what torch and NumPy have."""

import numpy as np
import torch
from case_classes import MyTensor, case

# ---- torch -----------------------------------------------------------------

DTYPES = (
    "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool "
    "complex128 complex64 complex32 uint16 uint32 uint64 float8_e4m3fn "
    "float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu "
    "float4_e2m1fn_x2 bits8 bits16 bits1x8 bits2x4 bits4x2"
).split()


def tensor(rng, *shape, dtype=torch.float32):
    """Random bytes as a tensor."""
    count = int(np.prod(shape, dtype=np.int64))
    raw = bytearray(rng.randbytes(max(1, count) * dtype.itemsize))
    if dtype == torch.bool:
        raw = bytearray(b & 1 for b in raw)
    made = torch.frombuffer(raw, dtype=torch.uint8).clone().view(dtype)
    return made[:count].reshape(shape)


def _dtype_case(name):
    dtype = getattr(torch, name)

    def make(rng):
        return {"t": tensor(rng, 3, 4, dtype=dtype), "d": dtype}

    make.__name__ = f"dtype_{name}"
    case(make)


for _name in DTYPES:
    if hasattr(torch, _name):
        _dtype_case(_name)


@case
def many_dtypes_at_once(rng):
    return {n: tensor(rng, 5, dtype=getattr(torch, n)) for n in DTYPES}


@case
def views_of_one_storage(rng):
    base = tensor(rng, 4, 6)
    return [base, base.t(), base[1:3, ::2], base[0, 0], base.view(-1), base[2:]]


@case
def expanded_and_overlapping(rng):
    base = tensor(rng, 1, 4)
    return [base.expand(3, 4), base.view(-1).as_strided((2, 3), (1, 1))]


@case
def tensors_without_elements(rng):
    empty = torch.empty(0)
    return [empty, empty, torch.empty(3, 0, 2), torch.ones(4)[4:], torch.empty(0)]


@case
def empty_storage_as_two_dtypes(rng):
    return [torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.float64)]


@case
def scalars(rng):
    return [tensor(rng), torch.tensor(5), torch.tensor(True), torch.tensor(2.0)]


@case
def tensor_shared(rng):
    t = tensor(rng, 3)
    return {"a": t, "b": t, "c": [t]}


@case
def requires_grad(rng):
    return [torch.ones(2, requires_grad=True), torch.ones(2).requires_grad_(False)]


@case
def more_than_ten_storages(rng):
    return [tensor(rng, i) for i in range(25)]


@case
def storage_larger_than_the_view(rng):
    return tensor(rng, 10000)[5000:5001]


@case
def storage_sizes_around_alignment(rng):
    return [
        tensor(rng, n, dtype=torch.uint8) for n in (1, 63, 64, 65, 127, 128, 4095, 4097)
    ]


@case
def storage_with_odd_tail(rng):
    raw = torch.arange(10, dtype=torch.uint8)
    return {"bytes": raw, "more": torch.zeros(3, dtype=torch.float8_e5m2)}


@case
def parameters(rng):
    p = torch.nn.Parameter(tensor(rng, 3, 3))
    return [p, p, torch.nn.Parameter(tensor(rng, 2), requires_grad=False), p.data]


@case
def parameters_of_other_dtypes(rng):
    return [
        torch.nn.Parameter(tensor(rng, 3, dtype=torch.bfloat16)),
        torch.nn.Parameter(tensor(rng, 3, dtype=torch.float8_e4m3fn), False),
        torch.nn.Parameter(tensor(rng, 3, dtype=torch.int32), False),
    ]


@case
def parameters_tied(rng):
    p = torch.nn.Parameter(tensor(rng, 4, 2))
    return {"encoder": p, "decoder": p, "view": p.detach().t()}


@case
def parameter_with_attributes(rng):
    p = torch.nn.Parameter(tensor(rng, 2))
    p.tensor_model_parallel = True
    p.sizes = [1, 2]
    return [p, p]


@case
def tensor_with_attributes(rng):
    t = tensor(rng, 2)
    t.note = "a note"
    return [t, t]


@case
def buffers(rng):
    return torch.nn.Buffer(tensor(rng, 2))


@case
def tensor_subclass(rng):
    return tensor(rng, 2).as_subclass(MyTensor)


@case
def conjugate_and_negative_views(rng):
    c = torch.complex(tensor(rng, 3), tensor(rng, 3))
    d = torch.complex(tensor(rng, 3), tensor(rng, 3))
    return [c.conj(), c, c.conj().conj(), d.conj().imag]


@case
def sparse_coo(rng):
    t = torch.tensor([[0.0, 1.0], [2.0, 0.0]]).to_sparse()
    loose = torch.sparse_coo_tensor([[0, 0], [1, 1]], [1.0, 2.0], (2, 2))
    return [t, loose]


@case
def sparse_compressed(rng):
    t = torch.eye(4)
    return [
        t.to_sparse_csr(),
        t.to_sparse_csc(),
        t.to_sparse_bsr((2, 2)),
        t.to_sparse_bsc((2, 2)),
    ]


@case
def quantized(rng):
    t = torch.tensor([[-1.0, 0.5], [2.0, 3.0]])
    return [
        torch.quantize_per_tensor(t, 0.1, 2, torch.quint8),
        torch.quantize_per_tensor(t, 0.1, 0, torch.qint8),
        torch.quantize_per_tensor(t, 0.1, 0, torch.qint32),
        torch.quantize_per_channel(
            t, torch.tensor([0.1, 0.2]), torch.tensor([0, 1]), 0, torch.qint8
        ),
    ]


@case
def nested_tensor(rng):
    return torch.nested.nested_tensor([torch.ones(2, 3), torch.zeros(1, 3)])


@case
def meta_tensor(rng):
    return [
        torch.empty(2, 3, device="meta"),
        torch.empty(5, device="meta", dtype=torch.int8),
    ]


@case
def storages(rng):
    t = tensor(rng, 4)
    return [
        t,
        torch.storage.TypedStorage(
            wrap_storage=t.untyped_storage(), dtype=t.dtype, _internal=True
        ),
    ]


@case
def storages_untyped(rng):
    s = tensor(rng, 4, dtype=torch.uint8).untyped_storage()
    return [s, s]


@case
def sizes_devices_dtypes(rng):
    s = torch.Size([2, 3])
    return [
        s,
        s,
        torch.Size([]),
        torch.device("cpu"),
        torch.device("cuda", 1),
        torch.float32,
        torch.float32,
        torch.bool,
        torch.strided,
        torch.sparse_coo,
        torch.per_tensor_affine,
    ]


@case
def module_state_dict(rng):
    torch.manual_seed(rng.randrange(2**31))
    model = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.LSTM(4, 2, 2)
    )
    return model.state_dict()


@case
def transformer_state_dict(rng):
    torch.manual_seed(rng.randrange(2**31))
    return torch.nn.TransformerEncoderLayer(8, 2, 16).state_dict()


@case
def whole_module(rng):
    torch.manual_seed(rng.randrange(2**31))
    return torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())


def _trained(rng, make):
    torch.manual_seed(rng.randrange(2**31))
    model = torch.nn.Linear(3, 2)
    optimizer = make(model.parameters())
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.randn(4, 3)).square().sum().backward()
        optimizer.step()
    return model, optimizer


@case
def optimizer_sgd(rng):
    return _trained(rng, lambda p: torch.optim.SGD(p, 0.1, momentum=0.9))[
        1
    ].state_dict()


@case
def optimizer_adam(rng):
    return _trained(rng, lambda p: torch.optim.Adam(p, amsgrad=True))[1].state_dict()


@case
def training_checkpoint(rng):
    model, optimizer = _trained(rng, torch.optim.AdamW)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2)
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
        "step": 17,
        "rng": torch.get_rng_state(),
        "loss": [rng.random() for _ in range(3)],
        "config": {"lr": 1e-3, "name": "tiny", "betas": (0.9, 0.95)},
    }


# ---- numpy -----------------------------------------------------------------


@case
def numpy_scalars(rng):
    return [
        np.float32(1.5),
        np.float64(2),
        np.int8(-3),
        np.uint64(2**63),
        np.bool_(True),
        np.complex64(1j),
        np.str_("s"),
        np.bytes_(b"b"),
        np.float16(0.5),
        np.datetime64("2020-01-01"),
        np.timedelta64(5, "s"),
    ]


@case
def numpy_arrays(rng):
    a = np.arange(12, dtype=np.int32).reshape(3, 4)
    return [
        a,
        a,
        a[1:, ::2],
        np.asfortranarray(a),
        np.array(5.0),
        np.zeros((0, 3)),
        a.astype(">i4"),
    ]


@case
def numpy_texts_and_objects(rng):
    return [
        np.array(["a", "long"]),
        np.array([b"x", b"yz"]),
        np.array([1, "two", None], dtype=object),
    ]


@case
def numpy_records(rng):
    dtype = np.dtype([("a", "f4"), ("b", "i2", (2,))])
    aligned = np.dtype([("a", "i1"), ("b", "f8")], align=True)
    return [np.zeros(2, dtype), dtype, np.zeros(1, aligned), np.zeros((), dtype)[()]]


@case
def numpy_dtypes(rng):
    return [
        np.dtype(c)
        for c in ("f4", ">i8", "S5", "U3", "M8[ns]", "m8[10us]", "O", "?", "V7")
    ]


@case
def numpy_random_state(rng):
    return np.random.RandomState(rng.randrange(2**31)).get_state()
