"""Makes one network of torchvision, or one of the `onnx` package's light models, as an ONNX file, with what others compute.

    python networks.py NAME EXPORTER FOLDER

EXPORTER is "classic" or "current" (PyTorch's), "plain" or "filled" (a light model as it is, or with random weights). Writes
model.onnx, x.npy and y.npy (onnxruntime's outputs), and for a network in `kernels` also weights as they are, without batch
normalization folded, kernel.npy: PyTorch's in float64, of both examples and the first four outputs, over all parameters.

Needs the packages torch, torchvision, onnx, onnxscript and onnxruntime. The weights are random.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

name, exporter, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
path = folder / "model.onnx"

# Sizes of images: small, as far as the networks allow.
sizes = {"vit_b_16": 32}
kernels = ["resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5", "squeezenet1_1"]


def run(x):
    session = onnxruntime.InferenceSession(path)
    (first, *_) = session.run(None, {session.get_inputs()[0].name: x})
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", first)


def torchvision_network():
    import torch
    import torchvision

    torch.manual_seed(0)
    size = sizes.get(name, 64)
    options = {"image_size": size} if name.startswith("vit") else {}
    net = getattr(torchvision.models, name)(weights=None, **options).eval()
    with torch.no_grad():
        for key, value in [*net.named_buffers(), *net.named_parameters()]:
            # What starts as zeros would hide what comes before it, and exporters store equal tensors once.
            if not value.is_floating_point() or not (value == value.flatten()[0]).all():
                continue
            if value.any():
                value.uniform_(0.5, 1.5)
            else:
                value.normal_(0, 0.1)
    x = torch.randn(2, 3, size, size)
    if exporter == "current":
        torch.onnx.export(net, (x,), path, dynamo=True, external_data=False, optimize=name not in kernels)
    else:
        options = dict(training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)
        torch.onnx.export(net, (x,), path, dynamo=False, opset_version=17,
                          **(options if name in kernels else {}))
    run(x.numpy())
    if name in kernels:
        net, x = net.double(), x.double()
        parameters = list(net.parameters())
        # Folded together while they are made: all rows at once would not fit.
        rows = [[torch.autograd.grad(net(x[i:i + 1])[0, k], parameters) for k in range(4)] for i in range(2)]
        flat = torch.stack([torch.cat([g.flatten() for g in row]) for example in rows for row in example])
        kernel = (flat @ flat.T).reshape(2, 4, 2, 4).permute(0, 2, 1, 3)
        np.save(folder / "kernel.npy", kernel.numpy())


def light_model():
    folder_of_tests = Path(onnx.__file__).parent / "backend/test/data/light"
    model = onnx.load(folder_of_tests / f"{name}.onnx")
    random = np.random.default_rng(0)
    if exporter == "filled":
        shapes = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        variances = {n.input[4] for n in model.graph.node if n.op_type == "BatchNormalization"}
        for node in [n for n in model.graph.node if n.op_type == "ConstantOfShape"]:
            shape = shapes[node.input[0]]
            scale = 0.05 if len(shape) < 2 else (2 / np.prod(shape[1:])) ** 0.5
            data = random.standard_normal(shape) * scale
            if node.output[0] in variances:
                data = 0.5 + np.abs(data)
            model.graph.initializer.append(
                numpy_helper.from_array(data.astype(np.float32), node.output[0]))
            model.graph.node.remove(node)
    onnx.save(model, path)
    run(random.standard_normal((1, 3, 224, 224)).astype(np.float32))


if name.startswith("light_"):
    light_model()
else:
    torchvision_network()
