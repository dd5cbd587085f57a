"""Writes table.json: values of functions at float64 points, computed with 60 digits.

    pip install mpmath
    python make_table.py [points a function] [output]

A row is [x, y, nearest float64 of f(x, y), (f(x, y) - that) / ulp]; y is 0 for functions of one argument.
"""
import json
import random
import sys

from mpmath import mp, mpf
import mpmath

mp.dps = 60
random.seed(20240611)
count = int(sys.argv[1]) if len(sys.argv) > 1 else 48
output = sys.argv[2] if len(sys.argv) > 2 else "table.json"


def uniform(low, high):
    return lambda: random.uniform(low, high)


def magnitude(low, high):
    return lambda: random.choice([-1, 1]) * 2.0 ** random.uniform(low, high)


def positive(low, high):
    return lambda: 2.0 ** random.uniform(low, high)


def near_zero():
    """A number as near to a multiple of pi / 2 as float64 has: the reduction cancels almost all of it."""
    return float(random.randint(1, 2**20) * mpmath.pi / 2)


functions = {
    "exp": (mpmath.exp, [uniform(-1, 1), uniform(-20, 20), uniform(-708, 709)], None),
    "expm1": (mpmath.expm1, [uniform(-1, 1), uniform(-30, 30), magnitude(-60, 0)], None),
    "log": (mpmath.log, [uniform(0.5, 2), positive(-1022, 1023), positive(-3, 3)], None),
    "log1p": (mpmath.log1p, [uniform(-0.9, 2), magnitude(-60, -1), positive(-3, 300)], None),
    "sin": (mpmath.sin, [uniform(-4, 4), uniform(-1e5, 1e5), magnitude(-30, 1000), near_zero], None),
    "cos": (mpmath.cos, [uniform(-4, 4), uniform(-1e5, 1e5), magnitude(-30, 1000), near_zero], None),
    "atan": (mpmath.atan, [uniform(-1, 1), uniform(-5, 5), magnitude(-40, 60)], None),
    "tanh": (mpmath.tanh, [uniform(-1, 1), uniform(-5, 5), magnitude(-40, 4)], None),
    "sigmoid": (
        lambda x: 1 / (1 + mpmath.exp(-x)),
        [uniform(-2, 2), uniform(-40, 40), uniform(-700, 10)],
        None,
    ),
    "erf": (mpmath.erf, [uniform(-1, 1), uniform(-3, 3), magnitude(-40, 2.5)], None),
    "pow": (mpmath.power, [positive(-2, 2), positive(-30, 30), uniform(0, 1000)], uniform(-30, 30)),
    "atan2": (mpmath.atan2, [uniform(-5, 5), magnitude(-20, 20)], magnitude(-20, 20)),
    "remainder": (mpmath.fmod, [uniform(-100, 100), magnitude(-60, 200)], magnitude(-30, 5)),
}

table = {}
for name, (f, draws, second) in functions.items():
    mp.dps = 700 if name in ("sin", "cos", "remainder") else 60
    rows = []
    while len(rows) < count:
        x = draws[len(rows) % len(draws)]()
        y = second() if second else 0.0
        if name == "remainder":
            exact = mpf(x) - mpf(y) * mpmath.nint(mpmath.floor(abs(mpf(x) / mpf(y)))) * (
                1 if x * y > 0 else -1
            )
        else:
            exact = f(mpf(x), mpf(y)) if second else f(mpf(x))
        nearest = float(exact)
        if nearest == 0 or abs(nearest) < 2.0**-1021 or nearest in (float("inf"), -float("inf")):
            continue
        ulp = mpf(2) ** (mpmath.floor(mpmath.log(abs(mpf(nearest)), 2) + mpf(10) ** -40) - 52)
        rows.append([x, y, nearest, round(float((exact - mpf(nearest)) / ulp), 4)])
    table[name] = rows

with open(output, "w") as file:
    file.write("{\n")
    file.write(
        ",\n".join(
            f'  "{name}": [\n' + ",\n".join("    " + json.dumps(row) for row in rows) + "\n  ]"
            for name, rows in table.items()
        )
    )
    file.write("\n}\n")
