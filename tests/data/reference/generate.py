"""Makes cases.json: what NumPy, PyTorch and mpmath compute for one primitive each.

The reference backend is tested against these values (tests/reference_test.ts). Needs numpy, torch and mpmath;
the tests themselves need none of them.

    python tests/data/reference/generate.py > tests/data/reference/cases.json
"""

import json
import math

import mpmath
import numpy as np
import torch
import torch.nn.functional as F

mpmath.mp.prec = 120
torch.manual_seed(0)
rng = np.random.default_rng(7)
cases = []

names = {"float32": np.float32, "float64": np.float64, "int32": np.int32, "uint32": np.uint32, "bool": np.bool_}


def number(x):
    if isinstance(x, (bool, np.bool_)):
        return int(x)
    if isinstance(x, (int, np.integer)):
        return int(x)
    x = float(x)
    if math.isnan(x):
        return "NaN"
    if math.isinf(x):
        return "Infinity" if x > 0 else "-Infinity"
    if x == 0 and math.copysign(1, x) < 0:
        return "-0"
    return int(x) if x == int(x) and abs(x) < 2**53 else x


def value(array):
    array = np.asarray(array)
    return {
        "shape": list(array.shape),
        "dtype": array.dtype.name,
        "data": [number(x) for x in array.ravel()],
    }


def case(name, primitive, params, inputs, output, ulp=0):
    """`ulp`: how far the result may be from the output, in units in the last place of its dtype."""
    cases.append({
        "name": name,
        "primitive": primitive,
        "params": params,
        "inputs": [value(x) for x in inputs],
        "output": value(output),
        "ulp": ulp,
    })


def numpy(tensor):
    return tensor.detach().numpy()


def normal(*shape, dtype=np.float64):
    """Few digits, so that the file stays small and float32 holds them exactly."""
    return (np.round(rng.standard_normal(shape) * 64) / 64).astype(dtype)


# --- Elementwise, one operand: mpmath to full precision.

def exact(f, xs, dtype):
    def one(x):
        x = float(x)
        try:
            return float(f(mpmath.mpf(x)))
        except (ValueError, ZeroDivisionError):
            return math.nan
    return np.array([one(x) for x in xs], dtype=np.float64).astype(dtype)


plain = np.array([-20, -5.5, -3, -2.25, -1, -0.7, -0.3, -1e-3, -1e-9, 1e-9, 1e-3, 0.3, 0.7, 0.999, 1, 1.5, 2.25, 3, 4.75,
                  5.5, 6.5, 20])
positive = np.array([1e-30, 1e-9, 1e-3, 0.3, 0.7, 0.999, 1, 1.001, 1.5, 2.25, 10, 1e5, 1e30])
functions = {
    "exp": (mpmath.exp, plain, [(-math.inf, 0), (math.inf, math.inf)]),
    "expm1": (mpmath.expm1, plain, [(-math.inf, -1), (math.inf, math.inf), (-0.0, -0.0)]),
    "log": (mpmath.log, positive, [(0, -math.inf), (-1, math.nan), (math.inf, math.inf)]),
    "log1p": (lambda x: mpmath.log1p(x), np.concatenate([[-0.999, -0.5, -1e-9], positive]),
              [(-1, -math.inf), (-2, math.nan), (-0.0, -0.0)]),
    "sqrt": (mpmath.sqrt, positive, [(-0.0, -0.0), (-1, math.nan), (math.inf, math.inf)]),
    "rsqrt": (lambda x: 1 / mpmath.sqrt(x), positive, [(0, math.inf), (-0.0, -math.inf), (math.inf, 0)]),
    "sin": (mpmath.sin, np.concatenate([plain, [1e3, 12345.678, 1e15]]), [(math.inf, math.nan), (-0.0, -0.0)]),
    "cos": (mpmath.cos, np.concatenate([plain, [1e3, 12345.678, 1e15]]), [(math.inf, math.nan), (-0.0, 1)]),
    "atan": (mpmath.atan, plain, [(math.inf, math.pi / 2), (-math.inf, -math.pi / 2), (-0.0, -0.0)]),
    "tanh": (mpmath.tanh, plain, [(math.inf, 1), (-math.inf, -1), (-0.0, -0.0)]),
    "sigmoid": (lambda x: 1 / (1 + mpmath.exp(-x)), np.concatenate([plain, [-700, -80, 80, 700]]),
                [(math.inf, 1), (-math.inf, 0), (0, 0.5)]),
    "erf": (mpmath.erf, np.concatenate([plain, np.arange(0, 6.2, 0.17)]),
            [(math.inf, 1), (-math.inf, -1), (-0.0, -0.0)]),
}
for name, (f, xs, special) in functions.items():
    for dtype in ["float32", "float64"]:
        x = xs.astype(dtype)
        y = exact(f, x, dtype)
        x = np.concatenate([x, [s for s, _ in special], [math.nan]]).astype(dtype)
        y = np.concatenate([y, [s for _, s in special], [math.nan]]).astype(dtype)
        # Rounding to float32 twice may land on the neighbour; sigmoid has three roundings.
        case(f"{name} {dtype}", name, {}, [x], y, ulp=1 if dtype == "float32" else 3 if name == "sigmoid" else 2)

edges = np.array([-2.5, -1.5, -0.5, -0.3, -0.0, 0.0, 0.3, 0.5, 0.50001, 1.5, 2.5, 3.5, 1e10, -1e30, math.inf, -math.inf, math.nan])
for name, f in [("neg", np.negative), ("abs", np.abs), ("floor", np.floor), ("ceil", np.ceil), ("round", np.rint)]:
    for dtype in ["float32", "float64"]:
        case(f"{name} {dtype}", name, {}, [edges.astype(dtype)], f(edges.astype(dtype)))
case("sign float64", "sign", {}, [np.array([-3, -1e-300, 0, 2, math.inf, math.nan])], np.array([-1, -1, 0, 1, 1, math.nan]))
ints = np.array([-2**31, -7, -1, 0, 1, 2, 9, 2**31 - 1], np.int32)
words = np.array([0, 1, 2, 9, 2**31, 2**32 - 1], np.uint32)
with np.errstate(all="ignore"):
    for name, f in [("neg", np.negative), ("abs", np.abs), ("sign", np.sign)]:
        case(f"{name} int32", name, {}, [ints], f(ints))
        case(f"{name} uint32", name, {}, [words], f(words))

# --- Elementwise, two operands.

def pairs(values):
    a, b = np.meshgrid(values, values, indexing="ij")
    return a.ravel(), b.ravel()


with np.errstate(all="ignore"):
    reals = np.array([-math.inf, -2.5, -1, -0.0, 0.0, 0.5, 1, 3, 1e30, math.inf, math.nan])
    for dtype in ["float32", "float64"]:
        a, b = pairs(reals.astype(dtype))
        for name, f in [("add", np.add), ("sub", np.subtract), ("mul", np.multiply), ("div", np.divide),
                        ("remainder", np.fmod), ("maximum", np.maximum), ("minimum", np.minimum),
                        ("equal", np.equal), ("less", np.less), ("lessEqual", np.less_equal)]:
            case(f"{name} {dtype}", name, {}, [a, b], f(a, b))
        wide = [x.astype(np.float64) for x in (a, b)]
        case(f"pow {dtype}", "pow", {}, [a, b], np.power(*wide).astype(dtype), ulp=2)
        case(f"atan2 {dtype}", "atan2", {}, [a, b], np.arctan2(*wide).astype(dtype), ulp=2)

    def truncated(a, b):
        q = [0 if y == 0 else abs(int(x)) // abs(int(y)) * (1 if (x < 0) == (y < 0) else -1) for x, y in zip(a, b)]
        return np.array(q, np.int64).astype(a.dtype)

    def rest(a, b):
        r = [0 if y == 0 else abs(int(x)) % abs(int(y)) * (-1 if x < 0 else 1) for x, y in zip(a, b)]
        return np.array(r, np.int64).astype(a.dtype)

    for values in [ints, words]:
        a, b = pairs(values)
        dtype = a.dtype.name
        count = (b.astype(np.int64) % 32).astype(a.dtype)
        for name, f in [("add", np.add), ("sub", np.subtract), ("mul", np.multiply), ("quotient", truncated),
                        ("remainder", rest), ("maximum", np.maximum), ("minimum", np.minimum),
                        ("bitAnd", np.bitwise_and), ("bitOr", np.bitwise_or), ("bitXor", np.bitwise_xor),
                        ("shiftLeft", lambda a, _: np.left_shift(a, count)),
                        ("shiftRight", lambda a, _: np.right_shift(a, count)),
                        ("equal", np.equal), ("less", np.less), ("lessEqual", np.less_equal)]:
            case(f"{name} {dtype}", name, {}, [a, b], f(a, b))
    a, b = pairs(np.array([False, True]))
    for name, f in [("add", np.logical_or), ("mul", np.logical_and), ("maximum", np.maximum), ("minimum", np.minimum),
                    ("bitAnd", np.bitwise_and), ("bitOr", np.bitwise_or), ("bitXor", np.bitwise_xor),
                    ("equal", np.equal), ("less", np.less), ("lessEqual", np.less_equal)]:
        case(f"{name} bool", name, {}, [a, b], f(a, b))

c = rng.random((3, 4)) < 0.5
x, y = normal(3, 4), normal(3, 4)
case("select", "select", {}, [c, x, y], np.where(c, x, y))

# --- Casts.

wild = np.array([-math.inf, -1e20, -2147483649, -3.99, -0.5, -0.0, 0.5, 3.99, 2147483647, 2147483648, 4294967295.0, 1e20,
                 math.inf, math.nan])
for target, low, high in [("int32", -2**31, 2**31 - 1), ("uint32", 0, 2**32 - 1)]:
    clipped = [0 if math.isnan(x) else min(max(x, low), high) for x in wild]
    case(f"cast float64 to {target}", "cast", {"dtype": target}, [wild], np.trunc(clipped).astype(np.int64).astype(target))
case("cast float64 to float32", "cast", {"dtype": "float32"}, [np.array([0.1, 1e-46, 3.4e38, 1 + 2.0**-24])],
     np.array([0.1, 1e-46, 3.4e38, 1 + 2.0**-24]).astype(np.float32))
case("cast float64 to bool", "cast", {"dtype": "bool"}, [wild], wild.astype(bool))
for target in ["uint32", "float32", "float64", "bool"]:
    case(f"cast int32 to {target}", "cast", {"dtype": target}, [ints], ints.astype(target))
for target in ["int32", "float32", "float64", "bool"]:
    case(f"cast uint32 to {target}", "cast", {"dtype": target}, [words], words.astype(target))
for target in ["int32", "uint32", "float32", "float64"]:
    case(f"cast bool to {target}", "cast", {"dtype": target}, [c], c.astype(target))
f = np.array([1, -0.0, 0.1, -math.inf, 1e-45], np.float32)
case("bitcast float32 to uint32", "bitcast", {"dtype": "uint32"}, [f], f.view(np.uint32))
case("bitcast float32 to int32", "bitcast", {"dtype": "int32"}, [f], f.view(np.int32))
case("bitcast uint32 to float32", "bitcast", {"dtype": "float32"}, [f.view(np.uint32)], f)

# --- Leaves.

case("full", "full", {"shape": [2, 3], "dtype": "float32", "value": 0.1}, [], np.full((2, 3), 0.1, np.float32))
case("iota", "iota", {"shape": [2, 3, 2], "dtype": "int32", "axis": 1}, [],
     np.broadcast_to(np.arange(3, dtype=np.int32)[:, None], (2, 3, 2)))

# --- Movement.

x = normal(2, 3, 4)
case("reshape", "reshape", {"shape": [4, 6]}, [x], x.reshape(4, 6))
case("permute", "permute", {"permutation": [2, 0, 1]}, [x], x.transpose(2, 0, 1))
case("broadcast", "broadcast", {"shape": [2, 5, 3]}, [x[:, :1, :3]], np.broadcast_to(x[:, :1, :3], (2, 5, 3)))
case("slice", "slice", {"start": [1, 0, 1], "limit": [2, 3, 4], "step": [1, 2, 2]}, [x], x[1:2, 0:3:2, 1:4:2])
case("flip", "flip", {"axes": [0, 2]}, [x], np.flip(x, (0, 2)))
padded = np.full((5, 6), 0.5)
padded[1:4:2, 0:5:2] = x[0, :2, :3]
case("pad", "pad", {"low": [1, 0], "high": [1, 1], "interior": [1, 1], "value": 0.5}, [x[0, :2, :3]], padded)
case("concat", "concat", {"axis": 1}, [x, x[:, :1], x[:, :0]], np.concatenate([x, x[:, :1]], 1))
for name in ["alias", "stopGradient"]:
    case(name, name, {}, [x], x)
case("customDerivative", "customDerivative", {"rule": {}, "output": 0}, [x, x[0]], x)

# --- Reductions.

x = normal(3, 4, 5)
i = rng.integers(-2**31, 2**31, (3, 4, 5)).astype(np.int32)
u = rng.integers(0, 2**32, (3, 4, 5)).astype(np.uint32)
b = rng.random((3, 4)) < 0.5
ties = np.array([[1, 3, 3, 1], [math.nan, 5, math.nan, -math.inf], [0.0, -0.0, 0, -1]])
for axes in [[0], [1, 2], [0, 2], [0, 1, 2]]:
    t = tuple(axes)
    case(f"reduceSum {axes}", "reduceSum", {"axes": axes}, [x], x.sum(t))  # Multiples of 1/64: exact.
    case(f"reduceProd {axes}", "reduceProd", {"axes": axes}, [x + 0.25], np.prod(x + 0.25, t), ulp=64)
    case(f"reduceMax {axes}", "reduceMax", {"axes": axes}, [x], x.max(t))
    case(f"reduceMin {axes}", "reduceMin", {"axes": axes}, [x], x.min(t))
for z in [i, u]:
    dtype = z.dtype.name
    case(f"reduceSum {dtype}", "reduceSum", {"axes": [0, 2]}, [z], z.sum((0, 2), dtype=z.dtype))
    case(f"reduceProd {dtype}", "reduceProd", {"axes": [1]}, [z], z.prod(1, dtype=z.dtype))
    case(f"cumsum {dtype}", "cumsum", {"axis": 2, "reverse": False}, [z], np.cumsum(z, 2, dtype=z.dtype))
    case(f"argmax {dtype}", "argmax", {"axis": 0}, [z], z.argmax(0).astype(np.int32))
case("reduceSum empty", "reduceSum", {"axes": [0]}, [x[:0]], x[:0].sum(0))
case("reduceProd empty", "reduceProd", {"axes": [0]}, [x[:0]], x[:0].prod(0))
case("reduceMax bool", "reduceMax", {"axes": [0]}, [b], b.any(0))
case("reduceMin bool", "reduceMin", {"axes": [0]}, [b], b.all(0))
for name, f in [("reduceMax", np.max), ("reduceMin", np.min)]:
    case(f"{name} NaN", name, {"axes": [1]}, [ties], f(ties, 1))
# NaN is both the largest and the smallest.
case("argmax ties and NaN", "argmax", {"axis": 1}, [ties], np.argmax(ties, 1).astype(np.int32))
case("argmin ties and NaN", "argmin", {"axis": 1}, [ties], np.argmin(ties, 1).astype(np.int32))
case("argmax axis 1", "argmax", {"axis": 1}, [x], numpy(torch.argmax(torch.tensor(x), 1)).astype(np.int32))
case("argmin axis 2", "argmin", {"axis": 2}, [x], numpy(torch.argmin(torch.tensor(x), 2)).astype(np.int32))
for axis in [0, 2]:
    case(f"cumsum {axis}", "cumsum", {"axis": axis, "reverse": False}, [x], np.cumsum(x, axis))
    case(f"cumsum {axis} reverse", "cumsum", {"axis": axis, "reverse": True}, [x],
         np.flip(np.cumsum(np.flip(x, axis), axis), axis))

# --- Contractions. Multiples of 1/64: products and sums are exact in float64.

def dot(name, spec, numbers, a, b):
    case(f"dotGeneral {name}", "dotGeneral", dict(zip(["lhsBatch", "rhsBatch", "lhsContract", "rhsContract"], numbers)),
         [a, b], np.einsum(spec, a, b))


dot("matrices", "mk,kn->mn", [[], [], [1], [0]], normal(3, 4), normal(4, 5))
dot("outer", "m,n->mn", [[], [], [], []], normal(3), normal(4))
dot("vectors", "k,k->", [[], [], [0], [0]], normal(6), normal(6))
dot("batch", "kbm,nbk->bmn", [[1], [1], [0], [2]], normal(4, 2, 3), normal(3, 2, 4))
dot("two of each", "abmcd,dnbca->bamn", [[1, 0], [2, 4], [3, 4], [3, 0]], normal(2, 3, 2, 2, 3), normal(3, 2, 3, 2, 2))
dot("size 0", "mk,kn->mn", [[], [], [1], [0]], normal(3, 0), normal(0, 2))
with np.errstate(all="ignore"):
    dot("int32", "mk,kn->mn", [[], [], [1], [0]], i[0], np.ascontiguousarray(i[1].T))
    dot("uint32", "mk,kn->mn", [[], [], [1], [0]], u[0], np.ascontiguousarray(u[1].T))


def conv(name, rank, input_shape, filter_shape, strides=1, padding=0, lhs=1, rhs=1, groups=1, dtype=np.float64):
    def each(v):
        return [v] * rank if isinstance(v, int) else list(v)
    x, w = normal(*input_shape, dtype=dtype), normal(*filter_shape, dtype=dtype)
    pads = [[p, p] if isinstance(p, int) else list(p) for p in each(padding)]
    lhs_dilation, rhs_dilation = each(lhs), each(rhs)
    # PyTorch takes neither asymmetric padding nor dilated input: the spread input is made by hand.
    sizes = [(n - 1) * d + 1 for n, d in zip(input_shape[2:], lhs_dilation)]
    spread = torch.zeros(*input_shape[:2], *sizes, dtype=torch.float64)
    spread[(slice(None), slice(None), *[slice(None, None, d) for d in lhs_dilation])] = torch.tensor(x).double()
    spread = F.pad(spread, [p for pair in reversed(pads) for p in pair])
    f = [F.conv1d, F.conv2d, F.conv3d][rank - 1]
    y = f(spread, torch.tensor(w).double(), stride=each(strides), dilation=rhs_dilation, groups=groups)
    case(f"conv{rank}d {name}", "conv",
         {"strides": each(strides), "padding": pads, "lhsDilation": lhs_dilation, "rhsDilation": rhs_dilation,
          "groups": groups}, [x, w], numpy(y).astype(dtype))


conv("plain", 1, (2, 3, 9), (4, 3, 3))
conv("all", 1, (1, 4, 8), (6, 2, 3), strides=2, padding=[(2, 1)], lhs=2, rhs=2, groups=2)
conv("plain", 2, (2, 3, 6, 5), (4, 3, 3, 2), dtype=np.float32)
conv("stride and padding", 2, (1, 2, 7, 7), (3, 2, 3, 3), strides=[2, 3], padding=[(1, 1), (2, 0)])
conv("dilated filter", 2, (1, 2, 8, 7), (2, 2, 3, 2), rhs=[2, 3], padding=1)
conv("dilated input", 2, (1, 2, 4, 3), (2, 2, 3, 3), lhs=[2, 3], padding=[(2, 1), (2, 2)])
conv("groups", 2, (1, 4, 4, 4), (6, 2, 2, 2), groups=2)
conv("depthwise", 2, (2, 3, 5, 5), (3, 1, 3, 3), groups=3, padding=1)
conv("depthwise multiplier", 2, (1, 3, 4, 4), (6, 1, 2, 2), groups=3, strides=2)
conv("pointwise", 2, (2, 3, 2, 3), (5, 3, 1, 1))
conv("plain", 3, (1, 2, 4, 3, 4), (2, 2, 2, 2, 3))
conv("all", 3, (1, 2, 3, 3, 3), (2, 1, 2, 2, 2), strides=[2, 1, 2], padding=[(1, 0), (0, 1), (1, 1)], lhs=[2, 1, 2],
     rhs=[1, 2, 1], groups=2)

# PyTorch's transposed convolution is a convolution of the dilated input with the flipped, transposed filter.
x, w = normal(1, 2, 4, 4), normal(2, 3, 3, 3)
y = F.conv_transpose2d(torch.tensor(x), torch.tensor(w), stride=2, padding=1, output_padding=1)
case("conv2d as conv_transpose2d", "conv",
     {"strides": [1, 1], "padding": [[1, 2], [1, 2]], "lhsDilation": [2, 2], "rhsDilation": [1, 1], "groups": 1},
     [x, np.flip(w, (2, 3)).transpose(1, 0, 2, 3)], numpy(y))

# --- Windows: unfold and fold.

for kernel, strides, dilation in [((2, 3), (1, 1), (1, 1)), ((3, 2), (2, 1), (1, 2)), ((2, 2), (1, 3), (2, 1))]:
    x = normal(2, 3, 7, 6)
    unfolded = F.unfold(torch.tensor(x), kernel, dilation, 0, strides)
    places = [(n - (k - 1) * d - 1) // s + 1 for n, k, d, s in zip((7, 6), kernel, dilation, strides)]
    params = {"kernel": list(kernel), "strides": list(strides), "dilation": list(dilation)}
    case(f"patches {params}", "patches", params, [x], numpy(unfolded.reshape(2, 3, *kernel, *places)))
    y = normal(2, 3, *kernel, *places)
    folded = F.fold(torch.tensor(y).reshape(2, -1, math.prod(places)), (7, 6), kernel, dilation, 0, strides)
    case(f"patchesTranspose {params}", "patchesTranspose", {**params, "sizes": [7, 6]}, [y], numpy(folded))
x = normal(2, 9)
case("patches 1d", "patches", {"kernel": [4], "strides": [2], "dilation": [1]}, [x],
     numpy(torch.tensor(x).unfold(1, 4, 2).transpose(1, 2)))

# --- Indexing.

x = normal(5, 2, 3)
index = np.array([4, 0, 0, 2, 7, -3], np.int32)
clamped = np.clip(index, 0, 4)
case("gather", "gather", {"batchDims": 0}, [x, index], numpy(torch.index_select(torch.tensor(x), 0, torch.tensor(clamped))))
x = normal(2, 5, 3)
index = rng.integers(-2, 8, (2, 4)).astype(np.int32)
picks = torch.tensor(np.clip(index, 0, 4)).long()[:, :, None].expand(2, 4, 3)
case("gather batch", "gather", {"batchDims": 1}, [x, index], numpy(torch.gather(torch.tensor(x), 1, picks)))
updates = normal(2, 4, 3)
case("scatterAdd batch", "scatterAdd", {"batchDims": 1, "size": 5}, [index, updates],
     numpy(torch.zeros(2, 5, 3, dtype=torch.float64).scatter_add(1, picks, torch.tensor(updates))))
index = np.array([1, 1, -4, 1, 9, 0], np.int32)
updates = normal(6, 2)
case("scatterAdd", "scatterAdd", {"batchDims": 0, "size": 3}, [index, updates],
     numpy(torch.zeros(3, 2, dtype=torch.float64).index_add(0, torch.tensor(np.clip(index, 0, 2)), torch.tensor(updates))))
with np.errstate(all="ignore"):
    sums = np.zeros(3, np.int32)
    np.add.at(sums, np.clip(index, 0, 2), np.array([2**31 - 1] * 6, np.int32))
case("scatterAdd int32", "scatterAdd", {"batchDims": 0, "size": 3}, [index, np.array([2**31 - 1] * 6, np.int32)], sums)
x = np.round(normal(3, 17) * 2) / 2
for descending in [False, True]:
    order = numpy(torch.argsort(torch.tensor(x), dim=1, descending=descending, stable=True)).astype(np.int32)
    case(f"argsort descending={descending}", "argsort", {"descending": descending}, [x], order)
    order = numpy(torch.argsort(torch.tensor(ints[::-1].copy()), dim=0, descending=descending, stable=True)).astype(np.int32)
    case(f"argsort int32 descending={descending}", "argsort", {"descending": descending}, [ints[::-1]], order)
hard = np.array([math.nan, 1, -math.inf, math.nan, 1, math.inf, -0.0, 0.0])
case("argsort NaN", "argsort", {"descending": False}, [hard],
     numpy(torch.argsort(torch.tensor(hard), stable=True)).astype(np.int32))
# NaN comes last here as well, where torch puts it first: minus the values has the same stable order.
case("argsort NaN descending", "argsort", {"descending": True}, [hard],
     numpy(torch.argsort(-torch.tensor(hard), stable=True)).astype(np.int32))

print("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]")
