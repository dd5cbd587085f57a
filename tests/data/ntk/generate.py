"""Makes neural-tangents.json: what neural-tangents computes, in float64, for a network whose output has three axes.

Kernels for choices of traced and diagonal axes (averaged over the traced ones, as it does), products of the kernel with a
vector, and the network's Taylor expansions. Needs neural-tangents 0.6.5 on JAX 0.4.30; the tests need neither.

    python tests/data/ntk/generate.py > tests/data/ntk/neural-tangents.json
"""

import json
import logging

logging.disable(logging.WARNING)

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)

import neural_tangents as nt

rng = np.random.default_rng(11)


def uniform(*shape):
    return rng.uniform(-1, 1, shape).round(6)


def value(x):
    x = np.asarray(x)
    return {"shape": list(x.shape), "data": x.ravel().tolist()}


def f(p, x):
    """[N, 2, 4] → [N, 2, 3, 2]."""
    h = jnp.tanh(x @ p["w"] + p["b"])
    return jnp.exp(jnp.einsum("nik,jkl->nijl", h, p["v"]) + p["c"])


params = {"w": uniform(4, 3), "b": uniform(3), "v": uniform(3, 3, 2), "c": uniform(3, 1)}
x1, x2 = uniform(2, 2, 4), uniform(3, 2, 4)

# Axes of one example's output; neural-tangents counts the axis of the examples too.
choices = [
    ([], []),
    ([2], []),
    ([-1], []),
    ([0, 2], []),
    ([0, 1, 2], []),
    ([], [0]),
    ([], [1, 2]),
    ([], [0, 1, 2]),
    ([1], [0]),
    ([0], [-1]),
    ([0, 1], [2]),
    ([-3], [1, 2]),
]


def with_examples(axes):
    return tuple(axis if axis < 0 else axis + 1 for axis in axes)


kernels = []
for trace, diagonal in choices:
    kernel = nt.empirical_ntk_fn(
        f, trace_axes=with_examples(trace), diagonal_axes=with_examples(diagonal), vmap_axes=0
    )
    kernels.append(
        {"traceAxes": trace, "diagonalAxes": diagonal, "kernel": value(kernel(x1, x2, params))}
    )

vector = uniform(*f(params, x2).shape)
moved = {name: p + 0.3 * uniform(*p.shape) for name, p in params.items()}
print(
    json.dumps(
        {
            "made": f"neural-tangents {nt.__version__}, JAX {jax.__version__}",
            "params": {name: value(p) for name, p in params.items()},
            "x1": value(x1),
            "x2": value(x2),
            "kernels": kernels,
            "vector": value(vector),
            "product": value(nt.empirical_ntk_vp_fn(f, x1, x2, params)(vector)),
            "moved": {name: value(p) for name, p in moved.items()},
            "linearized": value(nt.linearize(f, params)(moved, x1)),
            "expansions": [value(nt.taylor_expand(f, params, n)(moved, x1)) for n in range(4)],
        }
    )
)
