"""Writes small_floats.json with ml_dtypes: what all bits of small floats mean, and what numbers become when they are rounded."""

import json
import math
import pathlib

import ml_dtypes
import numpy as np

TYPES = {
    "float8e4m3fn": ml_dtypes.float8_e4m3fn,
    "float8e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
    "float8e5m2": ml_dtypes.float8_e5m2,
    "float8e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
    "float8e8m0": ml_dtypes.float8_e8m0fnu,
    "float4e2m1": ml_dtypes.float4_e2m1fn,
}


def listed(values):
    """Numbers as JSON has them; the others by their names in JavaScript."""
    names = {math.inf: "Infinity", -math.inf: "-Infinity"}
    return ["NaN" if math.isnan(v) else names.get(v, v) for v in values.astype(float).tolist()]


random = np.random.default_rng(7)
size = 2.0 ** random.uniform(-20, 18, 200)
given = (size * random.choice([-1, 1], 200)).astype(np.float32)
# Ties, the smallest numbers, and what lies outside.
given = np.concatenate([given, np.float32([0, 1.0625, 1.1875, 2.25, 2.75, 464, 465, 248, 1e9, -1e9])])
result = {"given": given.astype(float).tolist(), "types": {}}
for name, dtype in TYPES.items():
    count = 16 if name == "float4e2m1" else 256
    entry = {"meaning": listed(np.arange(count, dtype=np.uint8).view(dtype))}
    if name != "float8e8m0":
        entry["rounded"] = listed(given.astype(dtype))
    result["types"][name] = entry
path = pathlib.Path(__file__).with_name("small_floats.json")
path.write_text(json.dumps(result, separators=(",", ":")) + "\n")
