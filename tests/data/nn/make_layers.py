"""Layers by PyTorch in float64: results, and gradients of sum(result * cotangent). Writes layers.json beside itself.

    python make_layers.py
"""
import json
import pathlib

import torch
from torch import nn

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)


def dump(x):
    dtype = "int32" if x.dtype == torch.int64 else str(x.dtype).removeprefix("torch.")
    return {"shape": list(x.shape), "dtype": dtype, "data": x.detach().flatten().tolist()}


cases = []


def case(name, cls, args, module, *shapes, call=lambda m, *xs: m(*xs), options=None, inputs=None, training=False,
         tolerance=1e-13):
    """One case: the class and arguments in TypeScript, PyTorch's module, and the shapes of random inputs."""
    # Initial values of norms are 0 and 1: others tell more.
    with torch.no_grad():
        for key, x in module.state_dict().items():
            if key.endswith("running_var"):
                x.copy_(torch.rand(x.shape) + 0.5)
            elif x.is_floating_point():
                x.copy_(torch.randn(x.shape) * 0.5)
    module.train(training)
    state = {k: dump(x.clone()) for k, x in module.state_dict().items() if x.is_floating_point()}
    inputs = [torch.randn(shape) for shape in shapes] if inputs is None else inputs
    leaves = [x.requires_grad_() for x in inputs if x.is_floating_point()]
    params = dict(module.named_parameters())
    y = call(module, *inputs)
    cotangent = torch.randn(y.shape)
    wanted = leaves + list(params.values())
    grads = torch.autograd.grad((y * cotangent).sum(), wanted) if wanted else []
    cases.append({
        "name": name, "class": cls, "args": args, "training": training, "tolerance": tolerance, "state": state,
        "inputs": [dump(x) for x in inputs], "options": options, "output": dump(y), "cotangent": dump(cotangent),
        "inputGradients": [dump(g) for g in grads[:len(leaves)]],
        "parameterGradients": {k: dump(g) for k, g in zip(params, grads[len(leaves):])},
        "buffers": {k: dump(x) for k, x in module.named_buffers() if x.is_floating_point()},
    })


case("Linear", "Linear", [3, 2], nn.Linear(3, 2), (4, 3))
case("Linear of one example", "Linear", [3, 2], nn.Linear(3, 2), (3,))
case("Linear over two leading axes, no bias", "Linear", [3, 2, {"bias": False}], nn.Linear(3, 2, bias=False), (2, 3, 3))
case("Bilinear", "Bilinear", [3, 2, 4], nn.Bilinear(3, 2, 4), (5, 3), (5, 2))

case("Conv1d", "Conv1d", [2, 3, 3, {"stride": 2, "padding": 1}], nn.Conv1d(2, 3, 3, stride=2, padding=1), (2, 2, 7))
case("Conv1d of one example", "Conv1d", [2, 3, 3, {"dilation": 2}], nn.Conv1d(2, 3, 3, dilation=2), (2, 7))
case("Conv2d", "Conv2d", [2, 3, 3, {"padding": [1, 2], "stride": [2, 1]}],
     nn.Conv2d(2, 3, 3, padding=(1, 2), stride=(2, 1)), (2, 2, 5, 4))
case("Conv2d in groups", "Conv2d", [4, 6, [3, 2], {"groups": 2, "padding": "same"}],
     nn.Conv2d(4, 6, (3, 2), groups=2, padding="same"), (2, 4, 4, 5))
case("Conv2d depthwise, of one example", "Conv2d", [3, 6, 2, {"groups": 3, "bias": False}], nn.Conv2d(3, 6, 2, groups=3, bias=False), (3, 4, 4))
case("Conv3d", "Conv3d", [2, 2, 2, {"padding": 1}], nn.Conv3d(2, 2, 2, padding=1), (1, 2, 2, 3, 3))

case("ConvTranspose1d", "ConvTranspose1d", [2, 3, 3, {"stride": 2, "padding": 1, "outputPadding": 1}],
     nn.ConvTranspose1d(2, 3, 3, stride=2, padding=1, output_padding=1), (2, 2, 4))
case("ConvTranspose2d in groups", "ConvTranspose2d", [4, 2, 3, {"stride": 2, "groups": 2}],
     nn.ConvTranspose2d(4, 2, 3, stride=2, groups=2), (1, 4, 3, 2))
case("ConvTranspose3d of one example", "ConvTranspose3d", [2, 1, 2, {"bias": False}], nn.ConvTranspose3d(2, 1, 2, bias=False), (2, 2, 2, 3))

case("BatchNorm1d", "BatchNorm1d", [3], nn.BatchNorm1d(3), (4, 3))
case("BatchNorm1d over a length, training", "BatchNorm1d", [3, {"momentum": 0.3}], nn.BatchNorm1d(3, momentum=0.3),
     (4, 3, 2), training=True)
case("BatchNorm2d", "BatchNorm2d", [3, {"epsilon": 1e-3}], nn.BatchNorm2d(3, eps=1e-3), (2, 3, 2, 2))
case("BatchNorm2d, training", "BatchNorm2d", [3, {"affine": False}], nn.BatchNorm2d(3, affine=False), (4, 3, 2, 2), training=True)
case("BatchNorm2d without running statistics", "BatchNorm2d", [2, {"trackRunningStats": False}],
     nn.BatchNorm2d(2, track_running_stats=False), (3, 2, 2, 2))
case("BatchNorm3d", "BatchNorm3d", [2], nn.BatchNorm3d(2), (2, 2, 2, 1, 2))
case("LayerNorm", "LayerNorm", [[2, 3]], nn.LayerNorm((2, 3)), (4, 2, 3))
case("LayerNorm without bias", "LayerNorm", [3, {"bias": False, "epsilon": 0.1}], nn.LayerNorm(3, bias=False, eps=0.1), (4, 3))
case("RMSNorm", "RMSNorm", [4], nn.RMSNorm(4), (3, 4))
case("RMSNorm with epsilon", "RMSNorm", [4, {"epsilon": 0.1}], nn.RMSNorm(4, eps=0.1), (3, 4))
case("GroupNorm", "GroupNorm", [2, 4], nn.GroupNorm(2, 4), (2, 4, 2, 3))
case("InstanceNorm1d", "InstanceNorm1d", [2, {"affine": True}], nn.InstanceNorm1d(2, affine=True), (2, 2, 5))
case("InstanceNorm2d of one example", "InstanceNorm2d", [2], nn.InstanceNorm2d(2), (2, 3, 3))
case("InstanceNorm3d", "InstanceNorm3d", [1], nn.InstanceNorm3d(1), (2, 1, 2, 2, 2))

case("Embedding", "Embedding", [5, 3], nn.Embedding(5, 3), inputs=[torch.tensor([[0, 4, 4], [2, 1, 4]])])

case("MultiheadAttention", "MultiheadAttention", [4, 2], nn.MultiheadAttention(4, 2), (3, 2, 4), (5, 2, 4), (5, 2, 4),
     call=lambda m, *xs: m(*xs)[0])
case("MultiheadAttention, batch first, causal", "MultiheadAttention", [4, 2, {"batchFirst": True, "bias": False}],
     nn.MultiheadAttention(4, 2, batch_first=True, bias=False), (2, 3, 4), (2, 3, 4), (2, 3, 4), options={"isCausal": True},
     call=lambda m, *xs: m(*xs, attn_mask=torch.ones(3, 3, dtype=torch.bool).triu(1))[0])
case("MultiheadAttention of one example, one head", "MultiheadAttention", [2, 1], nn.MultiheadAttention(2, 1), (3, 2), (4, 2), (4, 2),
     call=lambda m, *xs: m(*xs)[0])

for n, sizes in (1, (7,)), (2, (5, 6)), (3, (4, 4, 5)):
    x = (2, 1, *sizes)
    max_pool, avg_pool = getattr(nn, f"MaxPool{n}d"), getattr(nn, f"AvgPool{n}d")
    case(f"MaxPool{n}d", f"MaxPool{n}d", [2], max_pool(2), x)
    case(f"MaxPool{n}d with padding", f"MaxPool{n}d", [3, {"stride": 2, "padding": 1, "ceilMode": True}],
         max_pool(3, stride=2, padding=1, ceil_mode=True), x)
    case(f"AvgPool{n}d", f"AvgPool{n}d", [2, {"stride": 1}], avg_pool(2, stride=1), x)
    case(f"AvgPool{n}d with padding", f"AvgPool{n}d", [3, {"stride": 2, "padding": 1, "countIncludePad": False}],
         avg_pool(3, stride=2, padding=1, count_include_pad=False), x)
    for kind in "Avg", "Max":
        pool = f"Adaptive{kind}Pool{n}d"
        case(pool, pool, [[3, 2, 1][:n]], getattr(nn, pool)((3, 2, 1)[:n]), x)

for cls, args, module in [
    ("ReLU", [], nn.ReLU()), ("ReLU6", [], nn.ReLU6()), ("LeakyReLU", [0.2], nn.LeakyReLU(0.2)), ("ELU", [0.7], nn.ELU(0.7)),
    ("SELU", [], nn.SELU()), ("CELU", [0.5], nn.CELU(0.5)), ("GELU", [], nn.GELU()),
    ("GELU", [{"approximate": "tanh"}], nn.GELU(approximate="tanh")), ("SiLU", [], nn.SiLU()), ("Mish", [], nn.Mish()),
    ("Softplus", [{"beta": 2, "threshold": 3}], nn.Softplus(2, 3)), ("Softsign", [], nn.Softsign()), ("Tanh", [], nn.Tanh()),
    ("Sigmoid", [], nn.Sigmoid()), ("LogSigmoid", [], nn.LogSigmoid()), ("Hardtanh", [-0.5, 2], nn.Hardtanh(-0.5, 2)),
    ("Hardsigmoid", [], nn.Hardsigmoid()), ("Hardswish", [], nn.Hardswish()), ("Tanhshrink", [], nn.Tanhshrink()),
    ("Softshrink", [0.3], nn.Softshrink(0.3)), ("Hardshrink", [0.3], nn.Hardshrink(0.3)), ("Threshold", [0.1, 20], nn.Threshold(0.1, 20)),
    ("GLU", [1], nn.GLU(1)), ("Softmax", [0], nn.Softmax(0)), ("LogSoftmax", [1], nn.LogSoftmax(1)), ("Softmin", [1], nn.Softmin(1)),
    ("PReLU", [4], nn.PReLU(4)), ("Identity", [], nn.Identity()), ("Flatten", [], nn.Flatten()),
]:
    # PyTorch's gradient of hardsigmoid multiplies by 1/6 in float32, whatever the dtype.
    case(f"{cls}({', '.join(map(json.dumps, args))})", cls, args, module, inputs=[torch.randn(3, 4) * 3],
         tolerance=1e-7 if cls == "Hardsigmoid" else 1e-13)

path = pathlib.Path(__file__).with_name("layers.json")
lines = ",\n".join(json.dumps(c) for c in cases)
path.write_text(f'{{"made": "torch {torch.__version__}", "cases": [\n{lines}\n]}}\n')
