"""Kernels by PyTorch in float32: the largest error over the largest entry, as one line of JSON.

python torch_accuracy.py FOLDER...

Each folder has networks as they are stored in tests/golden.
"""

import json
import os
import sys

import numpy
import torch
from torch import nn
from torch.func import functional_call, jacrev, jvp, vjp, vmap
from torch.nn import functional as F

torch.set_num_threads(2)


class TutorialCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3)
        self.conv2 = nn.Conv2d(32, 32, 3)
        self.conv3 = nn.Conv2d(32, 32, 3)
        self.fc = nn.Linear(21632, 10)

    def forward(self, x):
        x = self.conv2(self.conv1(x).relu()).relu()
        return self.fc(self.conv3(x).flatten(1))


def digits_mlp():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10)
    )


def digits_cnn():
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1, groups=2),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, stride=2, padding=1, groups=16),
        nn.Conv2d(16, 24, 1),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(24, 10),
    )


class Block(nn.Module):
    def __init__(self, channels, act):
        super().__init__()
        self.norm1 = nn.GroupNorm(4, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.GroupNorm(4, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.act = act

    def forward(self, x):
        y = self.conv1(self.act(self.norm1(x)))
        return x + self.conv2(self.act(self.norm2(y)))


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 3, padding=1)
        self.b1 = Block(16, nn.GELU())
        self.down = nn.Conv2d(16, 32, 2, stride=2)
        self.b2 = Block(32, nn.SiLU())
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        return self.head(self.b2(self.down(self.b1(self.stem(x)))).mean((2, 3)))


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.pos = nn.Parameter(torch.zeros(12, 32))
        self.tok = nn.Embedding(50, 32)
        self.ln1, self.ln2, self.lnf = (nn.LayerNorm(32) for _ in range(3))
        self.qkv, self.proj = nn.Linear(32, 96), nn.Linear(32, 32)
        self.up, self.downp = nn.Linear(32, 128), nn.Linear(128, 32)
        self.head = nn.Linear(32, 5, bias=False)

    def attend(self, x):
        n, length, _ = x.shape
        q, k, v = x.reshape(n, length, 3, 4, 8).permute(2, 0, 3, 1, 4)
        scores = (q @ k.transpose(-1, -2)) / 8**0.5
        return (scores.softmax(-1) @ v).transpose(1, 2).reshape(n, length, 32)

    def forward(self, tokens):
        x = self.tok(tokens) + self.pos
        x = x + self.proj(self.attend(self.qkv(self.ln1(x))))
        x = x + self.downp(F.gelu(self.up(self.ln2(x))))
        return self.head(self.lnf(x).mean(1))


NETWORKS = {
    "tutorial-cnn": TutorialCNN,
    "digits-mlp": digits_mlp,
    "digits-cnn": digits_cnn,
    "digits-resnet": ResNet,
    "transformer": Transformer,
}


def jacobian_contraction(f, params, x1, x2):
    """The tutorial's first method."""

    def jacobians(x):
        return [j.flatten(2) for j in vmap(jacrev(f), (None, 0))(params, x).values()]

    pairs = zip(jacobians(x1), jacobians(x2))
    return torch.stack([torch.einsum("Naf,Mbf->NMab", a, b) for a, b in pairs]).sum(0)


def ntk_vector_products(f, params, x1, x2):
    """The tutorial's second method."""

    def of_pair(a, b):
        output, vjp_of = vjp(lambda p: f(p, a), params)

        def column(basis):
            return jvp(lambda p: f(p, b), (params,), vjp_of(basis))[1]

        return vmap(column)(torch.eye(output.numel(), dtype=output.dtype))

    return vmap(vmap(of_pair, (None, 0)), (0, None))(x1, x2)


def errors_in(folder):
    def load(*path):
        array = torch.from_numpy(numpy.load(os.path.join(folder, *path)))
        return array.float() if array.is_floating_point() else array.long()

    errors = {}
    for name, create in NETWORKS.items():
        if not os.path.isdir(os.path.join(folder, name)):
            continue
        net = create()
        files = os.listdir(os.path.join(folder, name, "params"))
        state = {file[: -len(".npy")]: load(name, "params", file) for file in files}
        missing, unexpected = net.load_state_dict(state, strict=False)
        # Counters of batches take no part.
        assert not unexpected and all(key.endswith("num_batches_tracked") for key in missing)
        net.eval()
        params = {key: p.detach() for key, p in net.named_parameters()}

        def f(p, x, net=net):
            return functional_call(net, p, (x.unsqueeze(0),)).squeeze(0)

        x1, x2 = load(name, "x1.npy"), load(name, "x2.npy")
        golden = numpy.load(os.path.join(folder, name, "ntk.npy"))
        methods = {
            "jacobian-contraction": jacobian_contraction,
            "ntk-vector-products": ntk_vector_products,
        }
        errors[name] = {}
        for method, compute in methods.items():
            kernel = compute(f, params, x1, x2).detach().double().numpy()
            errors[name][method] = float(abs(kernel - golden).max() / abs(golden).max())
    return errors


print(json.dumps({"version": torch.__version__, "errors": [errors_in(folder) for folder in sys.argv[1:]]}))
