"""Neural tangent kernels in PyTorch: the functions of its tutorial "Neural Tangent Kernels".

python torch_ntk.py tutorial|mlp [--threads N] [--data FOLDER] [--once METHOD COMPUTE]
"""

from measured import arguments, load_arrays, serve

problem, threads, data, once = arguments()

import torch
from torch import nn
from torch.func import functional_call, jacrev, jvp, vjp, vmap

torch.set_num_threads(threads)

EXPRESSIONS = {"full": "Naf,Mbf->NMab", "trace": "Naf,Maf->NM", "diagonal": "Naf,Maf->NMa"}


class CNN(nn.Module):
    """The tutorial's network."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, (3, 3))
        self.conv2 = nn.Conv2d(32, 32, (3, 3))
        self.conv3 = nn.Conv2d(32, 32, (3, 3))
        self.fc = nn.Linear(21632, 10)

    def forward(self, x):
        x = self.conv2(self.conv1(x).relu()).relu()
        return self.fc(self.conv3(x).flatten(1))


def mlp():
    """The fully connected network; its parameters have the names that they have in the report's data."""
    sizes = [3072, 2048, 2048, 2048, 8]
    layers = [nn.Flatten()]
    for i in range(1, len(sizes)):
        layers += ([nn.ReLU()] if i > 1 else []) + [nn.Linear(sizes[i - 1], sizes[i])]
    return nn.Sequential(*layers)


def jacobian_contraction(f, params, x1, x2, compute):
    """The Jacobians of all examples, contracted."""

    def jacobians(x):
        return [j.flatten(2) for j in vmap(jacrev(f), (None, 0))(params, x).values()]

    pairs = zip(jacobians(x1), jacobians(x2))
    return torch.stack([torch.einsum(EXPRESSIONS[compute], a, b) for a, b in pairs]).sum(0)


def ntk_vector_products(f, params, x1, x2, compute, loop):
    """A vjp and a jvp for each pair of examples and each output; `loop` takes one pair after the other, for networks
    whose gradients for all pairs do not fit into memory."""

    def of_pair(a, b):
        output, vjp_of = vjp(lambda p: f(p, a), params)

        def column(basis):
            return jvp(lambda p: f(p, b), (params,), vjp_of(basis))[1]

        return vmap(column)(torch.eye(output.numel(), dtype=output.dtype))

    if loop:
        result = torch.stack([torch.stack([of_pair(a, b) for b in x2]) for a in x1])
    else:
        result = vmap(vmap(of_pair, (None, 0)), (0, None))(x1, x2)
    expressions = {"full": "NMKL->NMKL", "trace": "NMKK->NM", "diagonal": "NMKK->NMK"}
    return torch.einsum(expressions[compute], result)


def make():
    """A function that computes kernels."""
    net = CNN() if problem == "tutorial" else mlp()
    shapes = [(20, 3, 32, 32), (5, 3, 32, 32)] if problem == "tutorial" else [(16, 3072)] * 2
    if data is None:
        x1, x2 = (torch.randn(shape) for shape in shapes)
    else:
        arrays = load_arrays(data)
        x1, x2 = (torch.from_numpy(arrays.pop(name)) for name in ("x1", "x2"))
        net.load_state_dict({name: torch.from_numpy(a) for name, a in arrays.items()})
    params = {name: p.detach() for name, p in net.named_parameters()}

    def f(p, x):
        return functional_call(net, p, (x.unsqueeze(0),)).squeeze(0)

    def kernel(method, compute):
        if method == "jacobian-contraction":
            return jacobian_contraction(f, params, x1, x2, compute).numpy()
        return ntk_vector_products(f, params, x1, x2, compute, problem == "mlp").numpy()

    return kernel


serve(f"PyTorch {torch.__version__}", once, make)
