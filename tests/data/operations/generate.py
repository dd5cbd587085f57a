"""Makes cases.json: what PyTorch and NumPy compute for the operations, and PyTorch's derivatives of them, in float64.

tests/operations_golden_test.ts compares with these values. Needs numpy and torch; the tests themselves need neither.

    python tests/data/operations/generate.py > tests/data/operations/cases.json
"""

import json
import math

import numpy as np
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
rng = np.random.default_rng(3)
cases = []


def number(x):
    if isinstance(x, (bool, int, np.integer, np.bool_)):
        return int(x)
    if math.isnan(x):
        return "NaN"
    if math.isinf(x):
        return "Infinity" if x > 0 else "-Infinity"
    return int(x) if x == int(x) and abs(x) < 2**53 else float(x)


def value(x):
    x = x.detach().numpy() if isinstance(x, torch.Tensor) else np.asarray(x)
    name = {"int64": "int32"}.get(x.dtype.name, x.dtype.name)
    return {"shape": list(x.shape), "dtype": name, "data": [number(v) for v in x.ravel().tolist()]}


def encode(x):
    if isinstance(x, (torch.Tensor, np.ndarray)):
        return {"tensor": value(x)}
    if isinstance(x, dict):
        return {k: encode(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [encode(v) for v in x]
    return x


def floats_in(x):
    """The float tensors of the arguments, in the order that the test finds them in."""
    if isinstance(x, torch.Tensor):
        return [x] if x.dtype == torch.float64 else []
    if isinstance(x, dict):
        return [t for v in x.values() for t in floats_in(v)]
    if isinstance(x, (list, tuple)):
        return [t for v in x for t in floats_in(v)]
    return []


def case(call, args, compute, name="", derivative=True, fixed=()):
    """
    `args` are those of the function `call` in TypeScript; `compute()` gives PyTorch's result for the same tensors.
    PyTorch has no derivative by the tensors in `fixed`.
    """
    entry = {"name": f"{call} {name}".strip(), "call": call, "args": encode(args)}
    leaves = floats_in(args)
    known = [t for t in leaves if derivative and not any(t is f for f in fixed)]
    for t in leaves:
        t.requires_grad_(any(t is k for k in known))
    result = compute()
    entry["output"] = value(result)
    if derivative and isinstance(result, torch.Tensor) and result.requires_grad:
        cotangent = tensor(result.shape)
        grads = iter(torch.autograd.grad(result, known, cotangent, allow_unused=True))
        entry["cotangent"] = value(cotangent)
        entry["gradients"] = []
        for t in leaves:
            if not t.requires_grad:
                entry["gradients"].append(None)
                continue
            g = next(grads)
            entry["gradients"].append(value(torch.zeros_like(t) if g is None else g))
    cases.append(entry)


def tensor(shape, low=-2.0, high=2.0):
    return torch.tensor(np.round(rng.uniform(low, high, tuple(shape)), 3).reshape(tuple(shape)))


def ints(shape, low, high):
    return torch.tensor(rng.integers(low, high, shape))


# Activations, far out and at their kinks.
points = [-1e4, -800, -100, -20.5, -6, -3, -2.5, -1, -0.5, -0.25, -1e-3, -1e-9, 0]
points = points + [-p for p in reversed(points[:-1])]


def at_points():
    return torch.tensor(points)


activations = [
    ("relu", [], F.relu),
    ("relu6", [], F.relu6),
    ("hardtanh", [], F.hardtanh),
    ("hardtanh", [-0.5, 3], lambda x: F.hardtanh(x, -0.5, 3)),
    ("leakyRelu", [], F.leaky_relu),
    ("leakyRelu", [0.2], lambda x: F.leaky_relu(x, 0.2)),
    ("elu", [], F.elu),
    ("elu", [0.7], lambda x: F.elu(x, 0.7)),
    ("selu", [], F.selu),
    ("celu", [], F.celu),
    ("celu", [0.5], lambda x: F.celu(x, 0.5)),
    ("gelu", [], F.gelu),
    ("gelu", [{"approximate": "tanh"}], lambda x: F.gelu(x, approximate="tanh")),
    ("silu", [], F.silu),
    ("mish", [], F.mish),
    ("softplus", [], F.softplus),
    ("softplus", [{"beta": 2, "threshold": 5}], lambda x: F.softplus(x, 2, 5)),
    ("softsign", [], F.softsign),
    # PyTorch's own derivative holds 1/6 as a float32.
    ("hardsigmoid", [], lambda x: F.relu6(x + 3) / 6),
    ("hardswish", [], F.hardswish),
    ("logSigmoid", [], F.logsigmoid),
    ("tanhshrink", [], F.tanhshrink),
    ("softshrink", [], F.softshrink),
    ("hardshrink", [0.25], lambda x: F.hardshrink(x, 0.25)),
    ("threshold", [0.5, -7], lambda x: F.threshold(x, 0.5, -7)),
]
for call, rest, f in activations:
    x = at_points()
    case(call, [x, *rest], lambda: f(x), " ".join(str(r) for r in rest))
x, w = tensor([2, 3, 4]), tensor([3])
case("prelu", [x, w], lambda: F.prelu(x, w))
x, w = tensor([5]), tensor([1])
case("prelu", [x, w], lambda: F.prelu(x, w), "one weight")
x = tensor([3, 4, 2])
case("glu", [x, 1], lambda: F.glu(x, 1))
for call, f in [("softmax", F.softmax), ("logSoftmax", F.log_softmax), ("softmin", F.softmin)]:
    x = tensor([3, 4])
    case(call, [x, 0], lambda: f(x, 0))
    y = torch.tensor([[1e4, 1e4, -1e4], [0, -1e4, -1e4], [-2, -2, -2]])
    case(call, [y, -1], lambda: f(y, -1), "far out")

# Products.
for a, b in [
    ([3], [3]), ([3], [3, 4]), ([2, 3], [3]), ([2, 3], [3, 4]), ([5, 2, 3], [3, 4]), ([2, 3], [5, 3, 4]),
    ([5, 2, 3], [5, 3, 4]), ([2, 1, 2, 3], [3, 3, 2]), ([3], [2, 3, 4]), ([2, 2, 3], [3]), ([1, 2, 3], [4, 3, 1]),
    ([0, 3], [3, 2]), ([2, 0], [0, 2]),
]:
    x, y = tensor(a), tensor(b)
    case("matmul", [x, y], lambda: torch.matmul(x, y), f"{a} {b}")
x, y = tensor([3]), tensor([4])
case("outer", [x, y], lambda: torch.outer(x, y))
x, y = tensor([2, 3, 4]), tensor([4, 3, 2])
case("tensordot", [x, y, [[1, 2], [1, 0]]], lambda: torch.tensordot(x, y, ([1, 2], [1, 0])))
x, y = tensor([2, 3, 4]), tensor([3, 4, 2])
case("tensordot", [x, y], lambda: torch.tensordot(x, y, 2), "default")
x, y = tensor([2, 3]), tensor([4])
case("tensordot", [x, y, 0], lambda: torch.tensordot(x, y, 0), "none")
for equation, *shapes in [
    ("Naf,Mbf->NMab", [2, 3, 4], [3, 2, 4]),
    ("NMKK->NM", [2, 3, 2, 2]),
    ("Naf,Maf->NM", [2, 3, 4], [3, 3, 4]),
    ("ii", [3, 3]),
    ("ii->i", [3, 3]),
    ("ijij->ji", [2, 3, 2, 3]),
    ("iii->i", [3, 3, 3]),
    ("ba", [2, 3]),
    ("bA", [2, 3]),
    ("...ij, ...jk -> ...ik", [4, 2, 3], [3, 2]),
    ("...ij,jk...->...ik", [2, 2, 3], [3, 2, 2]),
    ("i...,i...", [3, 2], [3, 1]),
    ("...a,...a->...", [2, 1, 3], [4, 3]),
    ("...", [2, 2]),
    ("...i->i", [2, 2, 3]),
    ("i,j->ij", [2], [3]),
    ("i,i->", [4], [4]),
    (",ij->ji", [], [2, 3]),
    ("ab,bc,cd,de->ae", [2, 3], [3, 4], [4, 2], [2, 3]),
    ("ab,ab,ab->b", [2, 3], [2, 3], [1, 3]),
    ("bij,bjk,bk->bi", [2, 3, 4], [2, 4, 2], [1, 2]),
    ("ab,cd->", [2, 3], [2, 2]),
    ("aab,bcc->ac", [2, 2, 3], [3, 2, 2]),
]:
    operands = [tensor(s) for s in shapes]
    case("einsum", [equation, *operands], lambda: torch.einsum(equation, *operands), equation)

# Indexing.
x, i = tensor([4, 3]), ints([2, 2], -4, 4)
case("take", [x, i], lambda: x[i])
x, i = tensor([2, 4, 3]), ints([3], -4, 4)
case("take", [x, i, 1], lambda: x[:, i], "axis 1")
x = tensor([2, 4])
case("take", [x, -2, 1], lambda: x[:, -2], "number")
x, i = tensor([2, 4, 3]), ints([2, 5, 1], 0, 4)
case("takeAlongAxis", [x, i, 1], lambda: torch.take_along_dim(x, i, 1))
x, i = tensor([4, 3]), ints([5, 2], 0, 4)
case("gather", [x, 0, i], lambda: torch.gather(x, 0, i))
x, i, u = tensor([4, 3]), ints([3, 2], 0, 4), tensor([3, 2])
case("scatterAdd", [x, 0, i, u], lambda: torch.scatter_add(x, 0, i, u))
x, i, u = tensor([4, 3]), ints([3, 2], 0, 4), tensor([5, 3])
case("scatterAdd", [x, 0, i, u], lambda: torch.scatter_add(x, 0, i, u), "larger updates", derivative=False)
x, i, u = tensor([2, 3, 2]), ints([2, 4, 2], 0, 3), tensor([2, 4, 2])
case("scatterAdd", [x, 1, i, u], lambda: torch.scatter_add(x, 1, i, u), "axis 1")
x, i, u = tensor([2, 3]), ints([4], 0, 3), tensor([2, 4])
case("indexAdd", [x, 1, i, u], lambda: torch.index_add(x, 1, i, u))
x = tensor([3, 5, 2])
case("sort", [x, 1], lambda: torch.sort(x, 1).values)
case("sort", [x, 1, {"descending": True}], lambda: torch.sort(x, 1, descending=True).values, "descending")
x = torch.tensor([2.0, 1, 2, 3, 1, 2])
case("argsort", [x], lambda: torch.sort(x, stable=True).indices, "ties")
case("argsort", [x, 0, {"descending": True}], lambda: torch.sort(x, stable=True, descending=True).indices, "ties down")
i = ints([2, 3], 0, 4)
case("oneHot", [i, 4, {"dtype": "float64"}], lambda: F.one_hot(i, 4).double())

# Convolutions.
for n, f, g in [(1, F.conv1d, F.conv_transpose1d), (2, F.conv2d, F.conv_transpose2d), (3, F.conv3d, F.conv_transpose3d)]:
    size = [6, 5, 4][:n] if n < 3 else [3, 2, 4]
    kernel = [3, 2, 2][:n]
    call = f"conv{n}d"
    variants = [
        ({}, {}, 1),
        ({"stride": 2, "padding": 1}, {"stride": 2, "padding": 1}, 1),
        ({"padding": "same", "dilation": 2}, {"padding": "same", "dilation": 2}, 1),
        ({"groups": 2, "padding": list(range(1, n + 1))}, {"groups": 2, "padding": list(range(1, n + 1))}, 2),
    ]
    for mine, theirs, groups in variants:
        x, w, b = tensor([1 if n == 3 else 2, 2, *size]), tensor([2, 2 // groups, *kernel]), tensor([2])
        case(call, [x, w, b, mine], lambda: f(x, w, b, **theirs), str(mine))
    x, w = tensor([2, *size]), tensor([1, 2, *kernel])
    case(call, [x, w], lambda: f(x, w), "unbatched")
    call = f"convTranspose{n}d"
    for mine, theirs, groups in [
        ({}, {}, 1),
        (
            {"stride": 2, "padding": 1, "outputPadding": 1},
            {"stride": 2, "padding": 1, "output_padding": 1},
            1,
        ),
        ({"groups": 2, "dilation": 2, "stride": 4 - n}, {"groups": 2, "dilation": 2, "stride": 4 - n}, 2),
        ({"padding": 2, "stride": 2}, {"padding": 2, "stride": 2}, 1),
    ]:
        small = [3, 3, 3][:n]
        x, w, b = tensor([1, 2, *small]), tensor([2, 2 // groups, *kernel]), tensor([2])
        case(call, [x, w, b, mine], lambda: g(x, w, b, **theirs), str(mine))
x, w = tensor([1, 1, 4, 5]), tensor([1, 1, 2, 2])
case("conv2d", [x, w, None, {"padding": [[1, 0], [0, 2]]}], lambda: F.conv2d(F.pad(x, (0, 2, 1, 0)), w), "pairs")
x, w = tensor([1, 1, 3]), tensor([1, 1, 1])
case("conv1d", [x, w, None, {"padding": 2}], lambda: F.conv1d(x, w, padding=2), "more padding than filter")

# Pooling, with ties in the input.
def tied(shape):
    return torch.tensor(rng.integers(0, 3, shape).astype(float))


maxes = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
means = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
for n in [1, 2, 3]:
    size = [8, 7, 5][:n] if n < 3 else [3, 4, 3]
    for mine, theirs in [
        ({"kernelSize": 2}, {"kernel_size": 2}),
        (
            {"kernelSize": 3, "stride": 2, "padding": 1, "ceilMode": True},
            {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
        ),
        ({"kernelSize": 2, "dilation": 2, "stride": 1}, {"kernel_size": 2, "dilation": 2, "stride": 1}),
    ]:
        x = tied([1, *size])
        case(f"maxPool{n}d", [x, mine], lambda: maxes[n](x, **theirs), str(mine))
    for mine, theirs in [
        ({"kernelSize": 2, "stride": 3, "ceilMode": True}, {"kernel_size": 2, "stride": 3, "ceil_mode": True}),
        (
            {"kernelSize": 3, "stride": 2, "padding": 1, "ceilMode": True},
            {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
        ),
        (
            {"kernelSize": 3, "stride": 2, "padding": 1, "countIncludePad": False},
            {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False},
        ),
    ]:
        x = tensor([1, *size])
        case(f"avgPool{n}d", [x, mine], lambda: means[n](x, **theirs), str(mine))
x = tensor([1, 4, 4])
case("avgPool2d", [x, {"kernelSize": 2, "divisorOverride": 3}], lambda: F.avg_pool2d(x, 2, divisor_override=3), "divisor")
adaptive = {
    1: (F.adaptive_avg_pool1d, F.adaptive_max_pool1d),
    2: (F.adaptive_avg_pool2d, F.adaptive_max_pool2d),
    3: (F.adaptive_avg_pool3d, F.adaptive_max_pool3d),
}
for n, sizes in [(1, [1, 3, 5, 9]), (2, [1, [3, 2], [None, 4], [5, 7]]), (3, [1, [2, 3, 2]])]:
    size = [7, 5, 3][:n] if n < 3 else [3, 4, 3]
    for output in sizes:
        x = tensor([1, *size])
        theirs = tuple(output) if isinstance(output, list) else output
        case(f"adaptiveAvgPool{n}d", [x, output], lambda: adaptive[n][0](x, theirs), str(output))
        y = tied([1, 1, *size])
        case(f"adaptiveMaxPool{n}d", [y, output], lambda: adaptive[n][1](y, theirs), str(output))

# Normalization.
x, w, b = tensor([3, 2, 4]), tensor([2, 4]), tensor([2, 4])
case("layerNorm", [x, [2, 4], {"weight": w, "bias": b}], lambda: F.layer_norm(x, [2, 4], w, b))
x, w, b = tensor([2, 4, 3]), tensor([4]), tensor([4])
case("groupNorm", [x, 2, {"weight": w, "bias": b}], lambda: F.group_norm(x, 2, w, b))
x, w, b = tensor([2, 2, 2, 3]), tensor([2]), tensor([2])
case("instanceNorm", [x, {"weight": w, "bias": b, "epsilon": 0.01}], lambda: F.instance_norm(x, weight=w, bias=b, eps=0.01))
x, m, v, w, b = tensor([2, 3, 4]), tensor([3]), tensor([3], 0.5, 2), tensor([3]), tensor([3])
# PyTorch does not differentiate by stored statistics, so the formula is written out.
def normalize():
    c = lambda t: t[:, None]
    return (x - c(m)) / torch.sqrt(c(v) + 1e-5) * c(w) + c(b)
assert torch.allclose(normalize(), F.batch_norm(x, m, v, w, b))
case("batchNorm", [x, m, v, {"weight": w, "bias": b}], normalize)
x, w = tensor([2, 5]), tensor([5])
case("rmsNorm", [x, 5, {"weight": w}], lambda: F.rms_norm(x, [5], w))

# Attention and embedding.
for name, mine, theirs in [
    ("", {}, {}),
    ("causal", {"isCausal": True}, {"is_causal": True}),
    ("scale", {"scale": 0.3}, {"scale": 0.3}),
]:
    q, k, v = tensor([2, 3, 4]), tensor([2, 5, 4]), tensor([2, 5, 2])
    case("scaledDotProductAttention", [q, k, v, mine], lambda: F.scaled_dot_product_attention(q, k, v, **theirs), name)
q, k, v = tensor([2, 3, 4]), tensor([2, 5, 4]), tensor([2, 5, 2])
mask = torch.tensor(rng.integers(0, 2, (3, 5)).astype(bool))
mask[1] = False
case("scaledDotProductAttention", [q, k, v, {"mask": mask}], lambda: F.scaled_dot_product_attention(q, k, v, mask), "bool mask")
bias = tensor([3, 5])
case("scaledDotProductAttention", [q, k, v, {"mask": bias}], lambda: F.scaled_dot_product_attention(q, k, v, bias), "float mask")
i, w = ints([2, 3], 0, 4), tensor([4, 3])
case("embedding", [i, w], lambda: F.embedding(i, w))

# Losses.
for reduction in ["mean", "sum", "none"]:
    options = {"reduction": reduction}
    x, y = tensor([2, 3]), tensor([2, 3])
    case("mseLoss", [x, y, options], lambda: F.mse_loss(x, y, reduction=reduction), reduction)
    case("l1Loss", [x, y, options], lambda: F.l1_loss(x, y, reduction=reduction), reduction)
    x, y = tensor([5], -50, 50), tensor([5], 0, 1)
    case("binaryCrossEntropyWithLogits", [x, y, options],
         lambda: F.binary_cross_entropy_with_logits(x, y, reduction=reduction), reduction)
    x, t, w = tensor([3, 4, 2]), ints([3, 2], 0, 4), tensor([4], 0.5, 2)
    case("nllLoss", [x, t, {"weight": w, "reduction": reduction}],
         lambda: F.nll_loss(x, t, w, reduction=reduction), reduction, fixed=[w])
    case("crossEntropy", [x, t, {"weight": w, "reduction": reduction, "labelSmoothing": 0.2}],
         lambda: F.cross_entropy(x, t, w, reduction=reduction, label_smoothing=0.2), reduction, fixed=[w])
    p = F.softmax(tensor([3, 4]), 1).round(decimals=3)
    x = tensor([3, 4])
    case("crossEntropy", [x, p, {"reduction": reduction, "labelSmoothing": 0.1}],
         lambda: F.cross_entropy(x, p, reduction=reduction, label_smoothing=0.1), f"probabilities {reduction}")
x, t = tensor([3, 4]), ints([3], 0, 4)
case("crossEntropy", [x, t], lambda: F.cross_entropy(x, t), "classes")
x, t = tensor([4]), ints([], 0, 4)
case("crossEntropy", [x, t], lambda: F.cross_entropy(x, t), "one example")

# Limits: the derivative at the ends, by numbers and by tensors.
def edges():
    return torch.tensor([-3.0, -1, -0.5, 0, 1, 2, 5])


x = edges()
case("clip", [x, -1, 2], lambda: x.clamp(-1, 2), "numbers")
y = edges()
case("clip", [y, 0, None], lambda: y.clamp(0), "low alone")
z, low, high = edges(), torch.tensor(-1.0), torch.tensor([0.0, 2, 2, 0, 1, 3, -4])
case("clip", [z, low, high], lambda: z.clamp(low, high), "tensors")
case("clip", [torch.tensor([-3, 0, 7], dtype=torch.int32), -1, 5], lambda: torch.tensor([-1, 0, 5], dtype=torch.int32), "integers")

# Powers of integers wrap around.
i = torch.tensor([-7, -2, -1, 0, 1, 2, 3, 2**31 - 1, -(2**31)], dtype=torch.int32)
j = torch.tensor([-(2**31), -3, -2, -1, 0, 1, 2, 5, 31, 33, 2**31 - 1], dtype=torch.int32)
column = i[:, None]
case("pow", [column, j], lambda: column ** j, "integers")
for n in 0, 1, 2, 3, 20:
    case("pow", [i, n], lambda: i ** n, f"integers to the power of {n}")
case("pow", [2, j], lambda: 2 ** j, "2 to the power of integers")

# Closeness.
large, near = torch.tensor([2**24 + 1, 7, -5], dtype=torch.int32), torch.tensor([2**24, 7, -4], dtype=torch.int32)
for options in {"rtol": 0, "atol": 0}, {"rtol": 0, "atol": 1}, {"rtol": 0.2}:
    case("isclose", [large, near, options], lambda: torch.isclose(large, near, **options), f"integers {options}")

print("[")
print(",\n".join(json.dumps(entry, separators=(",", ":")) for entry in cases))
print("]")
