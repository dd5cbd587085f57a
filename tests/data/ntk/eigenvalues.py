"""Makes eigenvalues.json: symmetric matrices and their smallest and largest eigenvalues by NumPy.

    python tests/data/ntk/eigenvalues.py > tests/data/ntk/eigenvalues.json
"""

import json

import numpy as np

rng = np.random.default_rng(5)


def symmetric(n):
    a = rng.normal(size=(n, n))
    return a + a.T


def gram(n, rank):
    a = rng.normal(size=(n, rank))
    return a @ a.T


matrices = {
    "one number": np.array([[-3.0]]),
    "two rows": symmetric(2),
    "zeros": np.zeros((4, 4)),
    "the identity": np.eye(5),
    "diagonal, repeated": np.diag([2.0, -1.0, 2.0, -1.0, 0.0]),
    "already tridiagonal": np.diag(np.full(6, 2.0)) + np.diag(np.full(5, -1.0), 1) + np.diag(np.full(5, -1.0), -1),
    "random": symmetric(17),
    "a Gram matrix": gram(12, 20),
    "a Gram matrix of low rank": gram(16, 3),
    "very large numbers": symmetric(5) * 1e200,
    "very small numbers": symmetric(5) * 1e-200,
    "unlike scales": np.diag(10.0 ** np.arange(-6, 6)) + 1e-7 * symmetric(12),
}
cases = [
    {
        "name": name,
        "matrix": m.ravel().tolist(),
        "smallest": float(np.linalg.eigvalsh(m)[0]),
        "largest": float(np.linalg.eigvalsh(m)[-1]),
    }
    for name, m in matrices.items()
]
print(json.dumps({"made": f"NumPy {np.__version__}", "cases": cases}))
