"""Writes the files of this folder with NumPy, and what they hold to expected.json."""

import json
import os

import numpy as np
from numpy.lib import format as npy

folder = os.path.dirname(os.path.abspath(__file__))
expected = {}


def text(value):
    """JSON has no infinities and no NaN."""
    if isinstance(value, float) and not np.isfinite(value):
        return str(value).replace("inf", "Infinity").replace("nan", "NaN")
    return value


def save(name, array, version=None):
    path = os.path.join(folder, name + ".npy")
    with open(path, "wb") as file:
        npy.write_array(file, array, version=version)
    values = [text(v) for v in array.flatten(order="C").tolist()]
    expected[name] = {"shape": list(array.shape), "values": values}


grid = np.arange(24).reshape(2, 3, 4)
save("bool", grid % 3 == 0)
for dtype in ["i1", "u1", "<i2", ">i2", "<u2", ">u2", "<i4", ">i4", "<u4", ">u4", "<i8", ">i8", "<u8", ">u8"]:
    low = 0 if "u" in dtype else -7
    save(dtype.replace("<", "little-").replace(">", "big-"), (grid * 5 + low).astype(dtype))
for dtype in ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8"]:
    values = np.concatenate([[np.nan, np.inf, -np.inf, 0.0, 6e-8, -6e-5, 65504.0, 1 / 3], np.arange(16) / 7 - 1])
    save(dtype.replace("<", "little-").replace(">", "big-"), values.reshape(2, 3, 4).astype(dtype))
save("fortran", np.asfortranarray(grid.astype("<f4")))
save("fortran-big", np.asfortranarray(grid.astype(">f8")))
save("version2", grid.astype("<f4"), (2, 0))
save("version3", grid.astype("<f4"), (3, 0))
save("scalar", np.float32(2.5).reshape(()))
save("vector", np.arange(5, dtype="<f8"))
save("empty", np.zeros((0, 3), "<f4"))
save("high-rank", np.arange(4, dtype="<i4").reshape((1,) * 20 + (2, 2)))
save("int32-limits", np.array([-(2**31), 2**31 - 1], "<i8"))
save("int64-too-large", np.array([1, 2**31], "<i8"))
save("uint64-too-large", np.array([2**63], "<u8"))

for name, array in {
    "complex": np.array([1j]),
    "text": np.array(["abc"]),
    "record": np.array([(1, 2.0)], dtype=[("a", "<i4"), ("b", "<f4")]),
    "date": np.array(["2020-01-01"], dtype="<M8[D]"),
}.items():
    with open(os.path.join(folder, name + ".npy"), "wb") as file:
        npy.write_array(file, array)

with open(os.path.join(folder, "expected.json"), "w") as file:
    json.dump(expected, file)
