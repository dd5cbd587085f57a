"""Neural tangent kernels in JAX with neural-tangents, compiled with jit; full kernels only.

python neural_tangents_ntk.py tutorial|mlp [--threads N] [--data FOLDER] [--once METHOD COMPUTE]
"""

from measured import arguments, load_arrays, serve

problem, threads, data, once = arguments()

import logging

logging.disable(logging.WARNING)

import jax
import jax.numpy as jnp
import numpy
from jax._src import source_info_util
from jax.interpreters import ad

# neural-tangents 0.6.5 looks for two names that JAX 0.4.30 has moved.
ad.source_info_util = getattr(ad, "source_info_util", source_info_util)
if not hasattr(ad, "config"):
    ad.config = type("Config", (), {"jax_enable_checks": False})

import neural_tangents as nt


def convolution(x, weight, bias):
    """A convolution without padding."""
    y = jax.lax.conv_general_dilated(
        x, weight, (1, 1), "VALID", dimension_numbers=("NCHW", "OIHW", "NCHW")
    )
    return y + bias[None, :, None, None]


def linear(x, weight, bias):
    """A linear layer, without a transposed copy of the weight: structured derivatives see through a product only."""
    return jax.lax.dot_general(x, weight, (((1,), (1,)), ((), ()))) + bias


def cnn(p, x):
    """The tutorial's network."""
    x = jax.nn.relu(convolution(x, p["conv1.weight"], p["conv1.bias"]))
    x = jax.nn.relu(convolution(x, p["conv2.weight"], p["conv2.bias"]))
    x = convolution(x, p["conv3.weight"], p["conv3.bias"])
    return linear(x.reshape(x.shape[0], -1), p["fc.weight"], p["fc.bias"])


def mlp(p, x):
    """The fully connected network."""
    for i in (1, 3, 5, 7):
        x = linear(x, p[f"{i}.weight"], p[f"{i}.bias"])
        if i != 7:
            x = jax.nn.relu(x)
    return x


IMPLEMENTATIONS = {
    "jacobian-contraction": nt.NtkImplementation.JACOBIAN_CONTRACTION,
    "ntk-vector-products": nt.NtkImplementation.NTK_VECTOR_PRODUCTS,
    "structured-derivatives": nt.NtkImplementation.STRUCTURED_DERIVATIVES,
}

SHAPES = {
    "tutorial": {
        "conv1.weight": (32, 3, 3, 3),
        "conv1.bias": (32,),
        "conv2.weight": (32, 32, 3, 3),
        "conv2.bias": (32,),
        "conv3.weight": (32, 32, 3, 3),
        "conv3.bias": (32,),
        "fc.weight": (10, 21632),
        "fc.bias": (10,),
        "x1": (20, 3, 32, 32),
        "x2": (5, 3, 32, 32),
    },
    "mlp": {
        "1.weight": (2048, 3072),
        "1.bias": (2048,),
        "3.weight": (2048, 2048),
        "3.bias": (2048,),
        "5.weight": (2048, 2048),
        "5.bias": (2048,),
        "7.weight": (8, 2048),
        "7.bias": (8,),
        "x1": (16, 3072),
        "x2": (16, 3072),
    },
}


def make():
    """A function that computes kernels."""
    if data is None:
        random = numpy.random.default_rng(0)
        arrays = {
            name: random.standard_normal(shape, dtype=numpy.float32) / numpy.sqrt(shape[-1])
            for name, shape in SHAPES[problem].items()
        }
    else:
        arrays = load_arrays(data)
    params = {name: jnp.asarray(a) for name, a in arrays.items()}
    x1, x2 = params.pop("x1"), params.pop("x2")
    compiled = {}

    def kernel(method, compute):
        if compute != "full":
            raise ValueError("only full kernels")
        if method not in compiled:
            f = cnn if problem == "tutorial" else mlp
            compiled[method] = jax.jit(
                nt.empirical_ntk_fn(
                    f, trace_axes=(), vmap_axes=0, implementation=IMPLEMENTATIONS[method]
                )
            )
        return numpy.asarray(compiled[method](x1, x2, params))

    return kernel


serve(f"neural-tangents {nt.__version__} on JAX {jax.__version__}", once, make)
